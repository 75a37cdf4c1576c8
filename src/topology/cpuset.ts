import { TopologyError } from './errors.js';

/** Ascending CPU (or node) numbers without repeats. */
export type CpuSet = readonly number[];

/** No kernel knows more CPUs than this; a number beyond it is damage, not a machine (x86 stops at 8,192). */
export const MAX_CPUS = 65_536;

function malformed(what: string, text: string, why: string): TopologyError {
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return new TopologyError(
    'BAD_CPU_SET',
    `malformed ${what} ${JSON.stringify(shown)}: ${why}`,
    'a CPU list looks like 0-3,8 and a mask like 00000000,0000010f',
    2,
  );
}

/** Sorts and drops repeats. */
export function cpuSet(cpus: Iterable<number>): CpuSet {
  return [...new Set(cpus)].sort((a, b) => a - b);
}

/**
 * Parses a kernel CPU list such as `0-3,8,10-11` (also `0-31:2/4`, the stride form the kernel accepts); empty text is the empty set.
 * Raises TopologyError BAD_CPU_SET naming the part that is wrong.
 */
export function parseCpuList(text: string): CpuSet {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  const found = new Set<number>();
  for (const part of trimmed.split(',')) {
    const match = /^(\d+)(?:-(\d+)(?::(\d+)\/(\d+))?)?$/.exec(part.trim());
    if (match === null) throw malformed('CPU list', trimmed, `${JSON.stringify(part)} is no number or range`);
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    const used = match[3] === undefined ? 1 : Number(match[3]);
    const group = match[4] === undefined ? 1 : Number(match[4]);
    if (last < first) throw malformed('CPU list', trimmed, `range ${part} runs backwards`);
    if (last >= MAX_CPUS) throw malformed('CPU list', trimmed, `CPU ${last} is beyond ${MAX_CPUS - 1}`);
    if (used === 0 || group === 0 || used > group) throw malformed('CPU list', trimmed, `stride in ${part}`);
    for (let at = first; at <= last; at += group) {
      for (let cpu = at; cpu < at + used && cpu <= last; cpu += 1) found.add(cpu);
    }
  }
  return cpuSet(found);
}

/** Parses a kernel CPU mask, hexadecimal in groups of 32 bits (`00000001,ffffffff`), any width. Raises BAD_CPU_SET. */
export function parseCpuMask(text: string): CpuSet {
  const trimmed = text.trim().replace(/^0x/i, '');
  const groups = trimmed.split(',');
  const cpus: number[] = [];
  for (const [index, group] of groups.entries()) {
    // Only the first group may be short; a short one in the middle would shift every CPU above it.
    const rightWidth = index === 0 ? /^[0-9a-f]+$/i : /^[0-9a-f]{8}$/i;
    if (!rightWidth.test(group))
      throw malformed('CPU mask', trimmed, `group ${index + 1} is not 8 hexadecimal digits`);
  }
  const digits = groups.join('');
  if (digits.length * 4 > MAX_CPUS) throw malformed('CPU mask', trimmed, `wider than ${MAX_CPUS} bits`);
  for (let at = 0; at < digits.length; at += 1) {
    const nibble = Number.parseInt(digits.charAt(digits.length - 1 - at), 16);
    for (let bit = 0; bit < 4; bit += 1) if ((nibble >> bit) & 1) cpus.push(at * 4 + bit);
  }
  return cpus;
}

/** The kernel's list form, `0-3,8`; the empty set is the empty string. */
export function formatCpuList(cpus: CpuSet): string {
  const parts: string[] = [];
  for (let at = 0; at < cpus.length; ) {
    let end = at;
    while (end + 1 < cpus.length && cpus[end + 1] === (cpus[end] as number) + 1) end += 1;
    parts.push(at === end ? `${cpus[at]}` : `${cpus[at]}-${cpus[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}

/** The kernel's mask form, as wide as `like` (a mask the kernel printed), or wider where the set needs it. */
export function formatCpuMask(cpus: CpuSet, like = ''): string {
  const highest = cpus.at(-1) ?? 0;
  const width = Math.max(like.trim().replaceAll(',', '').length, Math.floor(highest / 4) + 1);
  const nibbles = new Array<number>(width).fill(0);
  for (const cpu of cpus)
    nibbles[width - 1 - Math.floor(cpu / 4)] =
      (nibbles[width - 1 - Math.floor(cpu / 4)] as number) | (1 << (cpu % 4));
  const digits = nibbles.map((nibble) => nibble.toString(16)).join('');
  const groups: string[] = [];
  for (let end = digits.length; end > 0; end -= 8) groups.unshift(digits.slice(Math.max(0, end - 8), end));
  return groups.join(',');
}

/** Whether both sets hold the same CPUs. */
export function sameCpus(a: CpuSet, b: CpuSet): boolean {
  return a.length === b.length && a.every((cpu, at) => cpu === b[at]);
}

/** The CPUs of `a` that are in `b`. */
export function intersect(a: CpuSet, b: CpuSet): CpuSet {
  const inB = new Set(b);
  return a.filter((cpu) => inB.has(cpu));
}

/** The CPUs of `a` that are not in `b`. */
export function without(a: CpuSet, b: CpuSet): CpuSet {
  const inB = new Set(b);
  return a.filter((cpu) => !inB.has(cpu));
}
