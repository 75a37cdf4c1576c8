import type { NumberSample } from '../counters/index.js';
import { eventsBetween } from './events.js';
import { healthOf } from './health.js';
import type { CoreLoad, DiskCounts, MachineFacts, RawSample, TopicFacts } from './raw.js';
import type {
  AgentReading,
  DiskReading,
  IrqReading,
  Reading,
  SlabReading,
  StageReading,
  ThreadReading,
  TopicReading,
} from './reading.js';
import type { Observation } from './source.js';
import { Values } from './values.js';

const STAGES = ['receive_enqueue', 'enqueue_submit', 'submit_complete', 'complete_ack'];

/**
 * What the interval between two looks shows. `before` is the sample of the look before, undefined at the first;
 * `previous` the last Reading, whose node stays known while it is out of reach.
 */
export function derive(
  source: string,
  now: Observation,
  before: RawSample | undefined,
  previous: Reading | undefined,
): Reading {
  if (now.kind === 'unreachable') return unreachable(source, now, previous);
  const { sample, presence } = now;
  // A restart begins all counters anew: what came before is another life.
  const same = before?.counters?.startNs === sample.counters?.startNs ? before : undefined;
  const elapsed = before === undefined ? 0 : (sample.atMs - before.atMs) / 1000;
  const seconds = same === undefined ? 0 : Math.max(0, elapsed);
  const values = new Values(sample.counters, same?.counters, seconds);
  const { counters, identity, machine } = sample;
  const threads = threadsOf(machine, before?.machine, elapsed, values);
  const reading: Omit<Reading, 'health' | 'events'> = {
    sampledAt: sample.atMs / 1000,
    seconds,
    node: {
      source,
      presence,
      nodeId: identity.nodeId ?? null,
      clusterId: identity.clusterId ?? null,
      version: identity.version ?? null,
      dataDir: identity.dataDir ?? null,
      pid: counters?.pid ?? null,
      startedAt: counters === undefined ? null : Number(counters.startNs / 1_000_000n) / 1000,
      lastSeenAt: counters === undefined ? null : Number(counters.heartbeatNs / 1_000_000n) / 1000,
    },
    ingest: {
      frames: values.rate('ingest_frames'),
      records: values.rate('records_in'),
      bytes: values.rate('record_bytes_in'),
      acks: values.rate('acks'),
      batches: values.rate('batches'),
    },
    fetch: {
      fetches: values.rate('fetches'),
      records: values.rate('fetched_records'),
      bytes: values.rate('fetched_bytes'),
      coldReads: values.rate('cold_reads'),
      coldBytes: values.rate('cold_read_bytes'),
      waiters: values.total('waiters'),
    },
    latency: { ack: values.distribution('stage_receive_ack'), fetch: values.distribution('fetch_latency') },
    stages: stagesOf(values),
    agents: agentsOf(values, threads),
    threads,
    queues: values.of('queue_depth').map((sample) => ({
      queue: sample.labels.queue ?? '',
      depth: plainValue(sample),
      full: growthOf(values, 'queue_full', 'queue', sample.labels.queue),
    })),
    slabs: slabsOf(values),
    device: {
      depth: values.total('device_writes_inflight'),
      writes: values.rate('journal_writes') + values.rate('segment_writes'),
      bytes: values.rate('journal_bytes') + values.rate('segment_bytes'),
      flushes: values.rate('flushes') + values.rate('durable_writes'),
      writeLatency: values.distribution('device_write_latency'),
      flushLatency: values.distribution('device_flush_latency'),
      readLatency: values.distribution('device_read_latency'),
    },
    journal: {
      writes: values.rate('journal_writes'),
      bytes: values.rate('journal_bytes'),
      chunk: values.total('journal_chunk'),
      chunksBusy: values.total('journal_chunks_busy'),
    },
    network: networkOf(values),
    trouble: {
      deviceErrors: values.total('device_errors'),
      damagedReads: values.total('damaged_reads'),
      topicsFrozen: Math.max(
        values.total('topics_frozen'),
        sample.topics.filter((topic) => topic.state === 'frozen').length,
      ),
    },
    topics: topicsOf(sample.topics, same?.topics, seconds),
    topicCount: sample.topics.length,
    cluster: sample.cluster ?? null,
    machine: machineOf(machine, before?.machine, elapsed, previous?.machine),
  };
  const health = healthOf(reading, { readiness: sample.readiness, notes: now.notes });
  return { ...reading, health, events: eventsBetween(reading, sample, same, values, previous) };
}

function unreachable(
  source: string,
  { atMs, reason }: Extract<Observation, { kind: 'unreachable' }>,
  previous: Reading | undefined,
): Reading {
  const empty = derive(
    source,
    { kind: 'sample', sample: nothing(atMs), presence: 'gone', notes: [] },
    undefined,
    undefined,
  );
  const known = previous?.node ?? empty.node;
  const since = previous?.node.lastSeenAt;
  const last = since ? `, last seen ${Math.max(0, Math.round(atMs / 1000 - since))} s ago` : '';
  const fresh = previous?.node.presence !== 'unreachable';
  return {
    ...empty,
    node: { ...known, source, presence: 'unreachable' },
    health: { level: 'failing', reasons: [`cannot be reached: ${reason}${last}; trying again`] },
    events: fresh ? [{ atMs, level: 'error', text: `cannot be reached: ${reason}` }] : [],
    topics: [],
    topicCount: 0,
  };
}

function nothing(atMs: number): RawSample {
  return {
    atMs,
    identity: { nodeId: undefined, clusterId: undefined, version: undefined, dataDir: undefined },
    counters: undefined,
    topics: [],
    readiness: undefined,
    events: [],
    engineEvents: [],
    machine: undefined,
    cluster: undefined,
  };
}

const plainValue = (sample: { kind: string; value?: number }): number => sample.value ?? 0;

function growthOf(values: Values, name: string, label: string, is: string | undefined): number {
  return values
    .of(name)
    .filter((sample) => sample.labels[label] === is)
    .reduce((sum, sample) => sum + values.growth(sample), 0);
}

function stagesOf(values: Values): StageReading[] {
  return STAGES.flatMap((stage) => {
    const found = values.distribution(`stage_${stage}`);
    return found === null ? [] : [{ stage, ...found }];
  });
}

function agentsOf(values: Values, threads: readonly ThreadReading[]): AgentReading[] {
  return values.of('agent_busy_cycles').map((sample) => {
    const { agent = '', runner = '' } = sample.labels;
    const idle = values
      .of('agent_idle_cycles')
      .find((other) => other.labels.agent === agent && other.labels.runner === runner);
    const busy = values.growth(sample);
    const all = busy + (idle === undefined ? 0 : values.growth(idle));
    const thread = threads.find((one) => one.thread === runner);
    const worked = values
      .of('agent_busy')
      .find((other) => other.labels.agent === agent && other.labels.runner === runner);
    const gauge = (name: string): number | undefined =>
      values
        .of(name)
        .find((one): one is NumberSample => one.labels.runner === runner && one.kind !== 'histogram')?.value;
    return {
      agent,
      thread: runner,
      cpu: gauge('thread_cpu') ?? thread?.cpu ?? null,
      node: gauge('thread_node') ?? thread?.node ?? null,
      busy: all === 0 ? null : busy / all,
      utilisation: values.share(worked),
      queued: values
        .of('queue_depth')
        .filter((one) => one.labels.queue?.endsWith(`-${agent}`))
        .reduce((sum, one) => sum + plainValue(one), 0),
      cycles: values.seconds > 0 ? all / values.seconds : 0,
    };
  });
}

function threadsOf(
  now: MachineFacts | undefined,
  before: MachineFacts | undefined,
  seconds: number,
  values: Values,
): ThreadReading[] {
  const earlier = new Map(before?.threads.map((thread) => [thread.tid, thread.cpuSeconds]));
  return (now?.threads ?? []).map(({ name, tid, cpuSeconds, cpu, node }) => {
    const spent = cpuSeconds - (earlier.get(tid) ?? cpuSeconds);
    return {
      thread: name,
      tid,
      cpu,
      node: node ?? null,
      load: seconds > 0 ? Math.max(0, spent / seconds) : 0,
      parked: values.share(values.of('runner_parked').find((one) => one.labels.runner === name)),
    };
  });
}

function slabsOf(values: Values): SlabReading[] {
  return values.of('slabs_total').map((sample) => {
    const { pool = '', class: size = '0' } = sample.labels;
    const used = values
      .of('slabs_used')
      .find((other) => other.labels.pool === pool && other.labels.class === size);
    return {
      pool,
      class: Number(size),
      used: used ? plainValue(used) : 0,
      total: plainValue(sample),
      // Of topics' slabs none need be free: the newest records stay in them until one is wanted.
      wanting: growthOf(values, pool === 'topics' ? 'slab_pressure' : 'slabs_exhausted', 'pool', pool),
    };
  });
}

function networkOf(values: Values): Reading['network'] {
  const errors = values.of('errors').flatMap((sample) => {
    const total = plainValue(sample);
    const rate = values.seconds > 0 ? values.growth(sample) / values.seconds : 0;
    return total > 0 ? [{ code: sample.labels.code ?? '', rate, total }] : [];
  });
  return {
    connections: values.total('connections_open'),
    accepted: values.rate('connections_accepted'),
    closed: values.rate('connections_closed'),
    refused: values.rate('connections_refused'),
    paused: values.total('paused_connections'),
    pauses: values.rate('backpressure_pauses'),
    inflightFrames: values.total('inflight_frames'),
    inflightBytes: values.total('inflight_bytes'),
    bytesIn: values.rate('bytes_in'),
    bytesOut: values.rate('bytes_out'),
    errors,
    badFrames: values.rate('bad_frames'),
  };
}

/** What of a topic only grows. */
type RatedKey = 'endRecord' | 'endOffset' | 'fetchedRecords' | 'fetchedBytes';

function topicsOf(
  now: readonly TopicFacts[],
  before: readonly TopicFacts[] | undefined,
  seconds: number,
): TopicReading[] {
  const earlier = new Map(before?.map((topic) => [topic.id, topic]));
  return now.map((topic) => {
    const old = earlier.get(topic.id);
    const rate = (key: RatedKey): number | null => {
      const [a, b] = [old?.[key], topic[key]];
      if (b === undefined) return null;
      return a === undefined || seconds <= 0 ? 0 : Math.max(0, (b - a) / seconds);
    };
    return {
      id: topic.id,
      name: topic.name,
      state: topic.state,
      durability: topic.durability ?? null,
      records: rate('endRecord'),
      bytes: rate('endOffset'),
      fetchedRecords: rate('fetchedRecords'),
      fetchedBytes: rate('fetchedBytes'),
      size: topic.bytes ?? null,
      segments: topic.segments ?? null,
      firstOffset: topic.firstOffset ?? null,
      endOffset: topic.endOffset ?? null,
      durableOffset: topic.durableOffset ?? null,
      firstRecord: topic.firstRecord ?? null,
      endRecord: topic.endRecord ?? null,
      retention: topic.retention ?? null,
      lastWriteAt: topic.lastWriteMs === undefined ? null : topic.lastWriteMs / 1000,
      consumerCount: topic.consumerCount ?? null,
      consumers: topic.consumers ? [...topic.consumers] : null,
      lag: topic.lag ?? null,
    };
  });
}

/** Over how many seconds steal is averaged: one bad second is no news. */
const STEAL_SECONDS = 10;

function machineOf(
  now: MachineFacts | undefined,
  before: MachineFacts | undefined,
  seconds: number,
  previous: Reading['machine'] | undefined,
): Reading['machine'] {
  if (now === undefined) return null;
  return {
    cores: [...now.cores],
    stolen: before === undefined ? null : stolenOf(now.cores, seconds, previous?.stolen ?? null),
    irqs: irqsOf(now, before, seconds),
    disk: diskOf(now.disk, before?.disk, seconds),
  };
}

function stolenOf(cores: readonly CoreLoad[], seconds: number, before: number | null): number {
  const share = cores.reduce((sum, core) => sum + core.steal, 0) / Math.max(1, cores.length);
  const kept = before === null ? 0 : Math.exp(-seconds / STEAL_SECONDS);
  return share * (1 - kept) + (before ?? 0) * kept;
}

function irqsOf(now: MachineFacts, before: MachineFacts | undefined, seconds: number): IrqReading[] {
  const earlier = new Map(before?.irqs.map((irq) => [irq.irq, irq.perCpu]));
  return now.irqs.map(({ irq, name, perCpu }) => {
    const old = earlier.get(irq);
    const grown = perCpu.map((count, i) => (old === undefined ? 0 : Math.max(0, count - (old[i] ?? count))));
    const all = grown.reduce((sum, one) => sum + one, 0);
    return {
      irq,
      name,
      rate: seconds > 0 ? all / seconds : 0,
      cpu: all > 0 ? grown.indexOf(Math.max(...grown)) : null,
    };
  });
}

function diskOf(
  now: DiskCounts | undefined,
  before: DiskCounts | undefined,
  seconds: number,
): DiskReading | null {
  if (now === undefined) return null;
  const rate = (key: Exclude<keyof DiskCounts, 'name'>): number =>
    before?.name !== now.name || seconds <= 0 ? 0 : Math.max(0, (now[key] - before[key]) / seconds);
  return {
    name: now.name,
    reads: rate('reads'),
    readBytes: rate('readBytes'),
    writes: rate('writes'),
    writtenBytes: rate('writtenBytes'),
    flushes: rate('flushes'),
    busy: Math.min(1, rate('busyMs') / 1000),
    depth: rate('queueMs') / 1000,
  };
}
