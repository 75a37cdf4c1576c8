import type { ClusterFacts, ConsumerFacts, CoreLoad, TopEvent } from './raw.js';
import type { Presence } from './source.js';

/**
 * What the dashboard shows of a node: rates and distributions of one interval. `lance top --once --json` prints one, a
 * recording is one a line. Plain JSON: bytes, shares of 1, rates a second, times in ns unless the name says otherwise.
 */
export interface Reading {
  /** Wall clock at the end of the interval, seconds. */
  sampledAt: number;
  /** Length of the interval, s; 0 where there was nothing before: then rates are 0 and distributions those since the start. */
  seconds: number;
  node: NodeReading;
  health: Health;
  ingest: { frames: number; records: number; bytes: number; acks: number; batches: number };
  fetch: {
    fetches: number;
    records: number;
    bytes: number;
    coldReads: number;
    coldBytes: number;
    waiters: number;
  };
  /** `null` where nothing was counted in the interval. */
  latency: { ack: Distribution | null; fetch: Distribution | null };
  /** In the order in which a frame goes through them. */
  stages: StageReading[];
  agents: AgentReading[];
  threads: ThreadReading[];
  queues: { queue: string; depth: number; full: number }[];
  slabs: SlabReading[];
  device: DeviceReading;
  journal: { writes: number; bytes: number; chunk: number; chunksBusy: number };
  network: {
    connections: number;
    accepted: number;
    closed: number;
    refused: number;
    paused: number;
    pauses: number;
    inflightFrames: number;
    inflightBytes: number;
    bytesIn: number;
    bytesOut: number;
    errors: { code: string; rate: number; total: number }[];
    badFrames: number;
  };
  /** Totals since the node's start that should stay 0. */
  trouble: { deviceErrors: number; damagedReads: number; topicsFrozen: number };
  topics: TopicReading[];
  /** Of all topics: a recording keeps those that matter most. */
  topicCount: number;
  cluster: ClusterFacts | null;
  machine: {
    cores: CoreLoad[];
    /** Share of all cores' time that the host took, over about the last ten seconds; null at the first look. */
    stolen: number | null;
    irqs: IrqReading[];
    disk: DiskReading | null;
  } | null;
  /** What happened in the interval. */
  events: TopEvent[];
}

export interface NodeReading {
  /** Where it was looked at: a directory or an address. */
  source: string;
  presence: Presence | 'unreachable';
  nodeId: number | null;
  clusterId: string | null;
  version: string | null;
  dataDir: string | null;
  pid: number | null;
  /** Seconds since 1970. */
  startedAt: number | null;
  lastSeenAt: number | null;
}

/** In one word, and why. */
export interface Health {
  level: 'ok' | 'warning' | 'failing';
  reasons: string[];
}

/** Of the values counted in an interval, ns. */
export interface Distribution {
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
  mean: number;
  count: number;
}

export interface StageReading extends Distribution {
  /** `receive_enqueue`, `enqueue_submit`, `submit_complete`, `complete_ack`. */
  stage: string;
}

export interface AgentReading {
  agent: string;
  thread: string;
  /** CPU and NUMA node where its thread last ran, or is pinned to; null where unknown. */
  cpu: number | null;
  node: number | null;
  /** Share of its duty cycles in which it had something to do; null while there were none. */
  busy: number | null;
  /** Share of the time in which it worked: of a busy thread its agents' make 1. Null where that is not counted. */
  utilisation: number | null;
  /** Messages that wait for it. */
  queued: number;
  /** Duty cycles a second. */
  cycles: number;
}

export interface ThreadReading {
  thread: string;
  tid: number;
  cpu: number;
  node: number | null;
  /** Share of one core. */
  load: number;
  /** Share of the time in which it slept for want of work; null where that is not counted. */
  parked: number | null;
}

export interface SlabReading {
  pool: string;
  /** Size of a slab, bytes. */
  class: number;
  used: number;
  total: number;
  /** How often its pool had none to give in the interval. */
  wanting: number;
}

export interface DeviceReading {
  /** Writes of the engine in flight now. */
  depth: number;
  writes: number;
  bytes: number;
  flushes: number;
  writeLatency: Distribution | null;
  flushLatency: Distribution | null;
  readLatency: Distribution | null;
}

export interface TopicReading {
  id: number;
  name: string;
  state: 'live' | 'frozen' | 'removing';
  durability: string | null;
  records: number | null;
  bytes: number | null;
  fetchedRecords: number | null;
  fetchedBytes: number | null;
  /** On disk. */
  size: number | null;
  segments: number | null;
  firstOffset: number | null;
  endOffset: number | null;
  durableOffset: number | null;
  firstRecord: number | null;
  endRecord: number | null;
  retention: { maxAgeSecs: number; maxBytes: number } | null;
  /** Seconds since 1970 of its last record; null while it has none. */
  lastWriteAt: number | null;
  consumerCount: number | null;
  /** Null where they are not told one by one. */
  consumers: ConsumerFacts[] | null;
  /** Bytes that the last of its consumers is behind. */
  lag: number | null;
}

export interface IrqReading {
  irq: number;
  name: string;
  /** A second. */
  rate: number;
  /** The CPU that took most of them, by place among the online ones. */
  cpu: number | null;
}

export interface DiskReading {
  name: string;
  reads: number;
  readBytes: number;
  writes: number;
  writtenBytes: number;
  flushes: number;
  /** Share of the time with anything in flight. */
  busy: number;
  /** Mean requests in flight. */
  depth: number;
}
