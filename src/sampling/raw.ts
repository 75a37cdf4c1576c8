import type { Sample } from '../counters/index.js';

/** What one look at a node found: cumulative values, as they are. Two of them make a Reading (derive.ts). */
export interface RawSample {
  /** When it was taken, wall clock of the node's machine, ms. */
  atMs: number;
  identity: NodeIdentity;
  /** Counters file; undefined where there was none to read. */
  counters: RawCounters | undefined;
  topics: readonly TopicFacts[];
  /** What the admin endpoint says of readiness; undefined where it was not asked or did not answer. */
  readiness: Readiness | undefined;
  /** What the control plane tells, newest last; numbered, so that one is taken once only. */
  events: readonly NumberedEvent[];
  /** What the engine left in the counters file; with numbers of their own. Empty where `events` has them, too. */
  engineEvents: readonly NumberedEvent[];
  machine: MachineFacts | undefined;
  /** Undefined outside of a cluster. */
  cluster: ClusterFacts | undefined;
}

/** Who the node is, as far as known. */
export interface NodeIdentity {
  nodeId: number | undefined;
  clusterId: string | undefined;
  version: string | undefined;
  dataDir: string | undefined;
}

/** The values of the counters file at one moment (docs/formats.md, "Counters"). */
export interface RawCounters {
  pid: number;
  startNs: bigint;
  heartbeatNs: bigint;
  samples: readonly Sample[];
}

/** A topic; what is undefined the source cannot tell. Offsets and sizes in bytes. */
export interface TopicFacts {
  id: number;
  name: string;
  durability: string | undefined;
  state: 'live' | 'frozen' | 'removing';
  firstOffset: number | undefined;
  endOffset: number | undefined;
  firstRecord: number | undefined;
  endRecord: number | undefined;
  /** Everything below is on stable storage. */
  durableOffset: number | undefined;
  /** On disk. */
  bytes: number | undefined;
  segments: number | undefined;
  /** Handed to consumers since the node's start. */
  fetchedBytes: number | undefined;
  fetchedRecords: number | undefined;
  /** When its last record was received, ms; undefined while it has none. */
  lastWriteMs: number | undefined;
  retention: { maxAgeSecs: number; maxBytes: number } | undefined;
  /** Consumers that have committed an offset, and bytes that the last of them is behind. */
  consumerCount: number | undefined;
  lag: number | undefined;
  /** Undefined where they are not told one by one. */
  consumers: readonly ConsumerFacts[] | undefined;
}

/** A committed offset. */
export interface ConsumerFacts {
  /** Decimal: ids use all 64 bits. */
  id: string;
  offset: number;
  /** Bytes behind the topic's end. */
  lag: number;
  /** Seconds since 1970. */
  committedAt: number;
}

/** What `GET /readyz` says. */
export interface Readiness {
  ready: boolean;
  reasons: readonly string[];
  warnings: readonly string[];
}

/** One line of the event log. */
export interface TopEvent {
  /** Wall clock, ms. */
  atMs: number;
  level: 'info' | 'warning' | 'error';
  text: string;
}

/** An event of a node, with its place in the node's own count. */
export interface NumberedEvent extends TopEvent {
  number: number;
}

/** The machine that the node runs on. */
export interface MachineFacts {
  /** Since the look before, by systeminformation. */
  cores: readonly CoreLoad[];
  irqs: readonly IrqCount[];
  threads: readonly ThreadTime[];
  disk: DiskCounts | undefined;
}

/** Shares of a core's time, 0 to 1. */
export interface CoreLoad {
  cpu: number;
  busy: number;
  user: number;
  system: number;
  irq: number;
  /** Counted in `busy`, too: something wanted to run here, and the host ran something else. */
  steal: number;
}

/** An interrupt line of /proc/interrupts since boot. */
export interface IrqCount {
  irq: number;
  name: string;
  /** By place among the online CPUs. */
  perCpu: readonly number[];
}

/** A thread of the node, from /proc/PID/task. */
export interface ThreadTime {
  name: string;
  tid: number;
  /** User and system time so far, s. */
  cpuSeconds: number;
  /** Where it last ran. */
  cpu: number;
  /** NUMA node of that CPU. */
  node: number | undefined;
}

/** The data directory's disk, from /proc/diskstats, since boot. */
export interface DiskCounts {
  name: string;
  reads: number;
  readBytes: number;
  writes: number;
  writtenBytes: number;
  flushes: number;
  /** Time with anything in flight, ms. */
  busyMs: number;
  /** Time in flight of all requests together, ms: its rate is the mean depth. */
  queueMs: number;
  inFlight: number;
}

/** What a node says of its cluster. */
export interface ClusterFacts {
  role: string;
  leaderId: number | undefined;
  term: number;
  peers: readonly PeerFacts[];
}

/** Another node of the cluster as this one sees it. */
export interface PeerFacts {
  id: number;
  state: string;
  lag: number | undefined;
  evicted: boolean;
}
