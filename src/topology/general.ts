/** What systeminformation knows of the running machine and /sys does not: maker, model, distribution, hypervisor. */
export interface GeneralFacts {
  readonly manufacturer: string | null;
  readonly model: string | null;
  readonly distribution: string | null;
  readonly virtual: boolean | null;
}

/** It runs programs such as dmidecode and lsb_release; on a stuck machine we do without. */
const PATIENCE_MS = 3_000;

/** Asks systeminformation about this machine. Never fails: what it cannot say is null. Not for `--root`, which is another machine. */
export async function readGeneralFacts(): Promise<GeneralFacts> {
  const nothing: GeneralFacts = { manufacturer: null, model: null, distribution: null, virtual: null };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<GeneralFacts>((resolve) => {
    timer = setTimeout(() => resolve(nothing), PATIENCE_MS);
    timer.unref();
  });
  const ask = async (): Promise<GeneralFacts> => {
    const { default: si } = await import('systeminformation');
    const [system, os] = await Promise.all([si.system(), si.osInfo()]);
    const text = (value: string): string | null =>
      /^(-|unknown|)$/i.test(value.trim()) ? null : value.trim();
    return {
      manufacturer: text(system.manufacturer),
      model: text(system.model),
      distribution: text([os.distro, os.release].filter((part) => text(part) !== null).join(' ')),
      virtual: system.virtual ?? null,
    };
  };
  try {
    return await Promise.race([ask(), late]);
  } catch {
    return nothing;
  } finally {
    clearTimeout(timer);
  }
}
