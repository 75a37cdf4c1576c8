import { availableParallelism } from 'node:os';
import { play, type Told } from './child.js';
import { machineCpu, processCpu, residentBytes } from './cpu.js';
import type { NodeUnderTest } from './node-under-test.js';
import type { Observer } from './observer.js';
import type { BenchOptions, ProduceScenario } from './options.js';
import type { CpuUse, Curve, Moment, Quantiles, Run, Throughput } from './result.js';
import { ownBetween, stagesBetween } from './stages.js';

/** A rate counts as reached when no more than this share of it is missing. */
const REACHED_WITHIN = 0.01;
/** Connections up to which a generator that spins answers at once. */
const SPIN_CONNECTIONS = 2;

/** What a load runs with, beyond the options. */
export interface LoadRequest {
  scenario: ProduceScenario;
  node: NodeUnderTest;
  /** `1-500` or `7,9`. */
  topicIds: string;
  options: BenchOptions;
}

/** Looks at node and machine at the two ends of the measured time. */
class Measured {
  #ends: ReturnType<Measured['look']>[] = [];

  constructor(private readonly node: NodeUnderTest) {}

  private look() {
    const { node } = this;
    return {
      counters: node.counters(),
      node: node.pid === undefined ? undefined : processCpu(node.pid),
      machine: machineCpu(),
      resident: residentBytes(node.pid),
    };
  }

  take({ event }: Told): void {
    if (event === 'measuring' || event === 'measured') this.#ends.push(this.look());
  }

  stages(): Run['stages'] {
    return stagesBetween(this.#ends[0]?.counters, this.#ends[1]?.counters);
  }

  own(): Run['own'] {
    return ownBetween(this.#ends[0]?.counters, this.#ends[1]?.counters);
  }

  residentBytes(): number | null {
    return this.#ends[1]?.resident ?? null;
  }

  cpu(generator: number, bytes: number): CpuUse {
    const [before, after] = this.#ends;
    const node =
      before?.node === undefined || after?.node === undefined ? null : round(after.node - before.node);
    const all = before && after ? after.machine.busy - before.machine.busy : 0;
    return {
      node,
      generator: round(generator),
      other: round(Math.max(0, all - generator)),
      stolen: before && after ? round(after.machine.stolen - before.machine.stolen) : 0,
      bytesPerNodeSecond: node ? bytes / node : null,
    };
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

/** A told quarter of a second. */
export function momentOf(told: Told): Moment {
  const { p50, p99, p999 } = told.latency as Quantiles;
  return {
    at: Number(told.at),
    phase: told.phase === 'warmup' ? 'warmup' : 'measure',
    records: Number(told.records),
    bytes: Number(told.bytes),
    p50,
    p99,
    p999,
  };
}

/** Whether a generator for this load should spin: few connections, a schedule, and a CPU to spare. */
export function spins({
  spin,
  rate,
  connections,
}: Pick<BenchOptions, 'spin' | 'rate' | 'connections'>): boolean {
  return spin ?? (rate !== 'max' && connections <= SPIN_CONNECTIONS && availableParallelism() > 1);
}

/** Flags of the native generator that say what arrives and when, of a node's load and of a floor's alike. */
export function scheduleOf(options: BenchOptions): Record<string, string | number | undefined> {
  return {
    connections: options.connections,
    'in-flight': options.inFlight,
    'record-size': options.recordSize,
    'batch-bytes': options.batchBytes,
    compression: options.compression,
    arrivals: options.arrivals,
    rate: options.rate === 'max' ? 0 : options.rate,
    spin: spins(options) ? 1 : 0,
  };
}

/** Loads a node once. Throws BenchError when nothing could be measured. */
export async function load(
  { scenario, node, topicIds, options }: LoadRequest,
  observer: Observer,
  signal: AbortSignal,
): Promise<Run> {
  const measured = new Measured(node);
  const timeline: Moment[] = [];
  const told = await play(
    scenario,
    {
      endpoint: node.endpoint,
      'topic-ids': topicIds,
      ...scheduleOf(options),
      warmup: options.warmupMs / 1000,
      seconds: options.durationMs / 1000,
    },
    {
      signal,
      on: (event) => {
        measured.take(event);
        if (event.event !== 'progress') return;
        const moment = momentOf(event);
        timeline.push(moment);
        observer.moment(moment);
      },
    },
  ).result;
  const seconds = Number(told.seconds);
  const throughput = told.throughput as Throughput & { frames: number };
  return {
    seconds,
    throughput: { records: throughput.records, bytes: throughput.bytes },
    latency: told.latency as Quantiles,
    service: told.service as Quantiles,
    lateness: told.lateness as Quantiles,
    stages: measured.stages(),
    own: measured.own(),
    errors: Number(told.errors),
    firstError: told.firstError as Run['firstError'],
    shortfall: shortfallOf(told, options.rate),
    unanswered: Number(told.unanswered),
    cpu: measured.cpu(Number(told.cpuSeconds), throughput.bytes * seconds),
    residentBytes: measured.residentBytes(),
    curve: told.curve as Curve,
    serviceCurve: told.serviceCurve as Curve,
    timeline,
    broken: told.broken as string | null,
    interrupted: told.interrupted === true,
  };
}

/** Records a second that were due within the measured time and not acknowledged in it; 0 for less than a hundredth of the rate. */
function shortfallOf(told: Record<string, unknown>, rate: BenchOptions['rate']): number {
  if (rate === 'max') return 0;
  const [due, frames, seconds] = [Number(told.due), Number(told.frames), Number(told.seconds)];
  const missing = seconds > 0 ? ((due - frames) * Number(told.recordsPerFrame)) / seconds : 0;
  return missing > rate * REACHED_WITHIN ? missing : 0;
}
