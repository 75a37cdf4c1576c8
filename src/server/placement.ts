import type { Logger } from 'pino';
import type { Engine, EngineRunner, PlacedMemory, Placement, Started } from '../engine/index.js';

/** What a node was granted of its machine before it started. */
export interface NodePlacement {
  /** Where agents go; undefined leaves threads and memory to the system. */
  readonly granted: Placement | undefined;
  /** Why nothing is granted. */
  readonly reason: string | undefined;
  /** Steering files (IRQs, queues) that are not as planned; undefined where nobody looked. */
  readonly drifted: number | undefined;
}

/** Threads and memory as they are, for the log (docs/topology.md, "What serve does with it"). */
export interface PlacementReport {
  readonly reason?: string;
  readonly threads: readonly EngineRunner[];
  /** Everything that is no agent. */
  readonly others?: { readonly cpus: readonly number[]; readonly threads: number };
  readonly memory: readonly PlacedMemory[];
  readonly drifted?: number;
}

/** Looks where everything is now. */
export async function reportPlacement(
  { granted, reason, drifted }: NodePlacement,
  engine: Engine,
  { runners }: Started,
  othersMoved: number,
): Promise<PlacementReport> {
  return {
    ...(reason !== undefined && { reason }),
    threads: runners,
    ...(granted && { others: { cpus: granted.others, threads: othersMoved } }),
    memory: granted ? await engine.lookAtMemory() : [],
    ...(drifted !== undefined && { drifted }),
  };
}

/** Writes the one block of start-up. The pretty log shows it as `describePlacement` words it, the JSON log as data. */
export function logPlacement(log: Logger, report: PlacementReport): void {
  log.info({ event: 'placement', placement: report }, headline(report));
}

function headline({ reason, threads }: PlacementReport): string {
  if (reason !== undefined) return `placement: left to the system, since ${reason}`;
  const free = threads.filter(({ cpu }) => cpu === undefined).length;
  return free === 0
    ? 'placement: threads are pinned and memory is bound as `lance topology` plans'
    : `placement: ${free} of ${threads.length} threads could not be pinned`;
}

/** The block for people: a line a thread, a line a kind of memory. */
export function describePlacement(report: PlacementReport): string {
  const { threads, others, memory, drifted } = report;
  if (report.reason !== undefined) return headline(report);
  const rows = threads.map(({ name, agents, cpu, node, idle, fifo }) => [
    name,
    cpu === undefined ? 'any CPU' : `CPU ${cpu}`,
    node === undefined ? '' : `node ${node}`,
    `${agents.join(' ')}, ${IDLE[idle]}${fifo ? ', SCHED_FIFO' : ''}`,
  ]);
  if (others)
    rows.push([
      'everything else',
      `CPUs ${ranges(others.cpus)}`,
      '',
      `${others.threads} threads of Node and helpers`,
    ]);
  for (const { kind, node, bytes, policy, pages, elsewhere } of memory) {
    const where =
      elsewhere === undefined ? 'the kernel does not say where' : `${elsewhere} of ${pages} pages elsewhere`;
    rows.push([
      kind,
      `${Math.ceil(bytes / 2 ** 20)} MiB`,
      `node ${node}`,
      `${POLICY[policy ?? 'mixed']}, ${where}`,
    ]);
  }
  if (drifted !== undefined) {
    const steered =
      drifted === 0
        ? 'as planned'
        : `${drifted} are not as planned: \`sudo lance topology --apply\` moves them`;
    rows.push(['IRQs and queues', '', '', steered]);
  }
  const widths = [0, 1, 2].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const lines = rows.map((row) =>
    `    ${row.map((text, at) => text.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd(),
  );
  return [headline(report), ...lines].join('\n');
}

const IDLE = { spin: 'spins', yield: 'yields', park: 'parks' } as const;
const POLICY = { bind: 'bound', prefer: 'preferred', local: 'not bound', mixed: 'bound in parts' } as const;

/** `0-2,5`. */
function ranges(cpus: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < cpus.length; ) {
    let end = at;
    while (cpus[end + 1] === (cpus[end] ?? 0) + 1) end += 1;
    parts.push(end === at ? `${cpus[at]}` : `${cpus[at]}-${cpus[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}
