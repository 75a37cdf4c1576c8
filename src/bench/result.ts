/** A distribution of times, nanoseconds; `null` where nothing was counted. */
export interface Quantiles {
  p50: number | null;
  p90: number | null;
  p99: number | null;
  p999: number | null;
  max: number | null;
  count: number;
}

/** The quantiles that results are compared at. */
export const COMPARED = ['p50', 'p99', 'p999'] as const;
export type Compared = (typeof COMPARED)[number];

/** A distribution as points `[share at or below, nanoseconds]`. */
export type Curve = readonly (readonly [number, number])[];

/** The stages of a node's write path, by the names of their counters (docs/formats.md, "Counters"). */
export const STAGES = ['receive_enqueue', 'enqueue_submit', 'submit_complete', 'complete_ack'] as const;
export type Stages = Record<(typeof STAGES)[number], Quantiles>;

/** Records and bytes of record values, a second. */
export interface Throughput {
  records: number;
  bytes: number;
}

/** What the machine does without a node, in the same run. Bytes are a second, times nanoseconds. */
export interface Floor {
  durableBytes: number;
  writtenBytes: number;
  readBytes: number;
  dsync4k: Quantiles;
  write4k: Quantiles;
  roundTrip: Quantiles;
  loopbackBytes: number;
  pipelineDurableBytes: number | null;
  pipelineWrittenBytes: number | null;
  pipelineDiscardBytes: number | null;
  /**
   * At the run's durability into a file that grows, its blocks never written before, and `written` flushed every second, as an
   * append-only log is: beside the figures above, which write over blocks that are there. Only beside a rate of `max`.
   */
  pipelineAppendBytes?: number | null;
  /** The same for each second of the receiver's CPU. */
  pipelinePerCpuSecond: { durable: number | null; written: number | null; discard: number | null };
  /** Reading, checksumming, sending and receiving, from the file of the floors and from memory: only beside `consume`. */
  pipelineReadBytes?: number | null;
  pipelineMemoryBytes?: number | null;
  /**
   * The same over a log that was filled beside the one that is read, by the same node, and is as cold: beside a cold read, whose ratio is
   * then the median of each run's to its own. The file of the floors lies in one piece, and often in somebody's memory.
   */
  pipelineLogBytes?: number | null;
  /** How the best figures were written: `BLOCK:DEPTH:never|each|BYTES` (block, writes under way, what is flushed together). */
  policies: { durable: string; written: string; pipelineDurable: string };
  /** Ideal group commit under the run's own arrivals: only beside a scheduled rate. */
  groupCommit?: Quantiles;
  /** The bare pipeline's acks under the run's own schedule, by the same generator: only beside a scheduled rate. */
  pipelineLatency?: Quantiles;
}

/** How a result stands to its floor. */
export interface Ratio {
  throughput: number | null;
  /** Which of the two was the lower, and so the floor. */
  throughputFloor: 'device' | 'pipeline';
  /** Against the bare pipeline that appends; no floor, since a device may be better to what is written over. */
  append?: number | null;
  /** Bytes for each second of the node's CPU against the bare pipeline's for each second of its own. */
  perCpuSecond: number | null;
  p50: number | null;
  p99: number | null;
  p999: number | null;
  /** What latencies were held against. */
  latencyFloor: 'roundTrip+dsync4k' | 'roundTrip+write4k' | 'groupCommit';
  /** Latencies against those of the bare pipeline under the same schedule: what is the machine's divides out. */
  pipeline?: Record<Compared, number | null>;
}

/**
 * CPU seconds within the measured time. `node` is the node's process alone; `other` all of the machine but the generator; `stolen`
 * is what the host of a virtual machine kept from CPUs that wanted to run.
 */
export interface CpuUse {
  node: number | null;
  generator: number;
  other: number;
  stolen: number;
  bytesPerNodeSecond: number | null;
}

/** What came in a quarter of a second: a point of the timeline. */
export interface Moment {
  /** Seconds since the generator began. */
  at: number;
  phase: 'warmup' | 'measure';
  records: number;
  bytes: number;
  p50: number | null;
  p99: number | null;
  p999: number | null;
}

/** One run of a scenario. */
export interface Run {
  seconds: number;
  throughput: Throughput;
  latency: Quantiles;
  /** From when a frame's first byte left; equal to `latency` in a closed loop. */
  service: Quantiles;
  /** How late the generator itself was. */
  lateness: Quantiles;
  stages: Stages | null;
  /** From a whole frame to its write queued, of frames that found the device idle: what the node itself takes. */
  own: Quantiles | null;
  errors: number;
  firstError: { code: number; message: string } | null;
  shortfall: number;
  unanswered: number;
  cpu: CpuUse;
  /** What the node had resident when the measured time was over, bytes; null for one that somebody else runs. */
  residentBytes: number | null;
  curve: Curve;
  serviceCurve: Curve;
  timeline: Moment[];
  /** Why it ended early, if it did. */
  broken: string | null;
  interrupted: boolean;
}

/** The machine that a result is of. */
export interface Machine {
  cpu: string;
  cpus: number;
  memoryBytes: number;
  kernel: string;
  fileSystem: string;
  device: string | null;
  node: string;
  lance: string;
  commit: string | null;
  loadAverage: readonly number[];
}

/** The JSON of `lance bench` (cli.md, "Bench"), medians over the runs. */
export interface BenchResult {
  scenario: string;
  /** When it began, ISO 8601. */
  at: string;
  command: string;
  seconds: number;
  config: Record<string, unknown>;
  throughput: Throughput;
  latency: Quantiles;
  service: Quantiles;
  stages: Stages | null;
  own: Quantiles | null;
  floor: Floor | null;
  ratio: Ratio | null;
  cpu: CpuUse | null;
  errors: number;
  shortfall: number;
  machine: Machine;
  runs: Run[];
  interrupted: boolean;
  notes: string[];
  steps?: { rate: number; latency: Quantiles; shortfall: number }[];
  knee?: number | null;
}

/** A distribution of nothing. */
export const NOTHING: Quantiles = { p50: null, p90: null, p99: null, p999: null, max: null, count: 0 };
