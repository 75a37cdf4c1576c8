import { fillLog } from './consume.js';
import { BenchError } from './errors.js';
import { medianQuantiles, pipelineFloor } from './floor.js';
import { type NodeUnderTest, startNode } from './node-under-test.js';
import type { Observer } from './observer.js';
import { type BenchOptions, checkOptions } from './options.js';
import { load } from './produce.js';
import { throughputFloor } from './ratio.js';
import type { BenchResult, Floor, Quantiles, Ratio, Run, Throughput } from './result.js';
import {
  assemble,
  begin,
  checkRuns,
  Floors,
  inSession,
  LOG_OVERHEAD,
  RESERVE_BYTES,
  type Session,
  settle,
  topicLimit,
  withNode,
} from './session.js';
import { median } from './statistics.js';
import { AXES, type AxisName, optionsAt, showValue, type Walk } from './sweep-axes.js';
import { createTopics } from './topics.js';

/** What a sweep takes beyond the rest. */
export interface SweepOptions extends BenchOptions {
  walks: readonly Walk[];
}

/** One point of a sweep: medians over the rounds. */
export interface SweepPoint {
  value: number;
  throughput: Throughput;
  latency: Quantiles;
  /** The lower of the device and the bare pipeline under this point's own load, bytes a second, and the share of it reached. */
  floorBytes: number | null;
  ratio: number | null;
  throughputFloor: Ratio['throughputFloor'] | null;
  /** CPU seconds of the node for each GB of record values; null for a node that somebody else runs. */
  nodeSecondsPerGB: number | null;
  /** What the node has resident at the end, bytes. */
  residentBytes: number | null;
  /** From starting the program to its ready line over a log of this size: only on the axis `logSize`. */
  startSeconds?: number | null;
  errors: number;
  /** Cut short by a person: what it came to until then. */
  interrupted: boolean;
}

/** `sweep` in a result. */
export type Sweep = Partial<Record<AxisName, SweepPoint[]>>;

/** Seconds that the machine's floors take beside a sweep, and the bare pipeline beside each kind of load. */
const FLOOR_SECONDS = 8;
const PIPELINE_SECONDS = 1;

/** What one look at a point gave. */
interface Sample {
  run: Run;
  startSeconds: number | null;
  pipelineBytes: number | null;
}

/**
 * `lance bench sweep`: changes one thing at a time, all else as the options say, each point on a fresh node. The result's own
 * figures are those of the point without any change; `sweep` holds the rest. Repeats go round over all points, so that a drift
 * of the machine meets all alike. Throws BenchError.
 */
export function benchSweep(
  options: SweepOptions,
  observer: Observer,
  signal: AbortSignal,
): Promise<BenchResult & { sweep: Sweep }> {
  for (const { axis, values } of options.walks) {
    for (const value of values) checkOptions(optionsAt(options, axis, value));
  }
  return inSession(options, observer, signal, async (session) => {
    const began = begin();
    const floors = new Floors(session, { seconds: FLOOR_SECONDS });
    const plan = options.walks.flatMap(({ axis, values }) => values.map((value) => ({ axis, value })));
    const samples = new Map(plan.map((point) => [point, [] as Sample[]]));
    const base: Run[] = [];
    let broken = false;
    for (let round = 0; round < options.repeat && !signal.aborted && !broken; round += 1) {
      await floors.measure();
      const pipelines = new Pipelines(session, floors);
      const parts = plan.length + 1;
      const name = (part: number, what: string): string =>
        `sweep${options.repeat > 1 ? `, round ${round + 1} of ${options.repeat}` : ''}, ${part} of ${parts}: ${what}`;
      const first = await pointOnce(session, options, name(1, 'as the flags say'), undefined);
      base.push(first.run);
      await pipelines.of(options);
      broken = first.run.broken !== null || refused(first.run);
      for (const [index, point] of plan.entries()) {
        if (signal.aborted || broken) break;
        const { axis, value } = point;
        const what = `${AXES[axis].flag} ${showValue(axis, value)}`;
        const at = optionsAt(options, axis, value);
        if (axis === 'logSize' && !fits(session, value, at)) continue;
        const sample = await attempt(session, what, () =>
          pointOnce(session, at, name(index + 2, what), axis === 'logSize' ? value : undefined),
        );
        if (!sample || (sample.run.interrupted && sample.run.seconds === 0)) continue;
        samples.get(point)?.push({ ...sample, pipelineBytes: await pipelines.of(at) });
        broken = sample.run.broken !== null || refused(sample.run);
      }
    }
    const floor = floors.result();
    const sweep: Sweep = {};
    for (const [{ axis, value }, taken] of samples) {
      if (taken.length === 0) continue;
      sweep[axis] ??= [];
      sweep[axis].push(pointOf(axis, value, taken, floor, options));
    }
    const result = { ...assemble(session, 'sweep', began, base, floor), sweep };
    const config = { ...result.config };
    delete config.walks;
    const full = { ...result, config };
    checkRuns(
      full,
      [...samples.values()].flatMap((taken) => taken.map(({ run }) => run)),
    );
    return full;
  });
}

function refused({ firstError }: Run): boolean {
  return firstError?.code === 0x61;
}

/** A point that this node or machine does not allow is said and left out; the others go on. */
async function attempt(
  session: Session,
  what: string,
  work: () => Promise<Sample>,
): Promise<Sample | undefined> {
  try {
    return await work();
  } catch (error) {
    if (session.signal.aborted) return undefined;
    if (!(error instanceof BenchError) || error.code === 'UNREACHABLE') throw error;
    session.note(`${what} could not be measured: ${error.message}`);
    return undefined;
  }
}

/** Whether a log of this size leaves room for what is written during the measurement. */
function fits({ workspace, note }: Session, bytes: number, { topics, endpoint }: BenchOptions): boolean {
  if (endpoint || bytes * topics * LOG_OVERHEAD + 2 * RESERVE_BYTES < workspace.free()) return true;
  note(`log-size ${showValue('logSize', bytes)} does not fit this disk and was left out.`);
  return false;
}

async function pointOnce(
  session: Session,
  options: BenchOptions,
  part: string,
  logBytes: number | undefined,
): Promise<Sample> {
  const { observer, signal, workspace } = session;
  const seconds = (options.durationMs + options.warmupMs) / 1000;
  const sample = await withNode({ ...session, options }, async (started, replace) => {
    const topics = await createTopics(started.endpoint, {
      count: options.topics,
      durability: options.durability,
      // A log that is to have its size keeps everything.
      maxBytes: logBytes === undefined ? topicLimit({ ...session, options }) : 0,
    });
    let node: NodeUnderTest = started;
    let startSeconds: number | null = null;
    try {
      if (logBytes) {
        observer.part(`${part}, filling`, 5);
        await fillLog(session, options, node, topics, logBytes);
      }
      if (logBytes !== undefined && !options.endpoint && !signal.aborted) {
        observer.part(`${part}, starting over it`, 1);
        await node.stop();
        const since = performance.now();
        node = replace(await startNode(`${workspace.path}/node`, options));
        startSeconds = (performance.now() - since) / 1000;
      }
      observer.part(part, seconds);
      const run = await load({ scenario: 'ingest', node, topicIds: topics.range, options }, observer, signal);
      return { run, startSeconds, pipelineBytes: null };
    } finally {
      if (options.endpoint) await topics.remove();
    }
  });
  await settle(signal);
  return sample;
}

/** Bare pipelines of one round, each kind of load measured once: topics and the log's size do not concern a receiver without an engine. */
class Pipelines {
  readonly #known = new Map<string, number | null>();

  constructor(
    private readonly session: Session,
    private readonly floors: Floors,
  ) {}

  async of(options: BenchOptions): Promise<number | null> {
    const { signal, workspace, observer } = this.session;
    const { connections, inFlight, recordSize, batchBytes, durability } = options;
    const kind = [connections, inFlight, recordSize, batchBytes].join(' ');
    const known = this.#known.get(kind);
    const [floor] = this.floors.all;
    if (known !== undefined || !floor) return known ?? null;
    observer.part(`bare pipeline, ${connections} connections`, PIPELINE_SECONDS);
    const { policies } = floor;
    const figure = await pipelineFloor(
      {
        dir: workspace.path,
        seconds: PIPELINE_SECONDS,
        options,
        policy: durability === 'durable' ? policies.pipelineDurable : policies.written,
      },
      signal,
    );
    const bytes = signal.aborted ? null : (figure ?? null);
    this.#known.set(kind, bytes);
    return bytes;
  }
}

function pointOf(
  axis: AxisName,
  value: number,
  samples: readonly Sample[],
  floor: Floor | null,
  { durability }: BenchOptions,
): SweepPoint {
  const of = (pick: (sample: Sample) => number | null): number | null =>
    median(samples.map(pick).filter((one) => one !== null)) ?? null;
  const throughput = {
    records: of(({ run }) => run.throughput.records) ?? 0,
    bytes: of(({ run }) => run.throughput.bytes) ?? 0,
  };
  const pipeline = of(({ pipelineBytes }) => pipelineBytes);
  const least = floor && pipeline !== null ? lower(floor, pipeline, durability) : null;
  return {
    value,
    throughput,
    latency: medianQuantiles(samples.map(({ run }) => run.latency)),
    floorBytes: least?.bytes ?? null,
    ratio: least && least.bytes > 0 ? throughput.bytes / least.bytes : null,
    throughputFloor: least?.which ?? null,
    nodeSecondsPerGB: of(({ run: { cpu } }) =>
      cpu.bytesPerNodeSecond === null || cpu.bytesPerNodeSecond === 0 ? null : 1e9 / cpu.bytesPerNodeSecond,
    ),
    residentBytes: of(({ run }) => run.residentBytes),
    ...(axis === 'logSize' ? { startSeconds: of((sample) => sample.startSeconds) } : {}),
    errors: samples.reduce((sum, { run }) => sum + run.errors, 0),
    interrupted: samples.some(({ run }) => run.interrupted),
  };
}

/** The floor of a point: the machine's device, and the pipeline under the point's own load. */
function lower(
  floor: Floor,
  pipeline: number,
  durability: BenchOptions['durability'],
): ReturnType<typeof throughputFloor> {
  const own = { ...floor, pipelineDurableBytes: pipeline, pipelineWrittenBytes: pipeline };
  return throughputFloor(own, durability);
}
