import { z } from 'zod';
import { Histogram, type Sample } from '../counters/index.js';
import type { RawSample } from './raw.js';
import { decodeTopic, encodeTopic } from './topic-document.js';

/** What of a sample goes into a document. */
export interface Wanted {
  /** Consumers one by one of this topic alone; of all topics where they are few. */
  readonly topic?: number | undefined;
  /** Events of the control plane above this number. */
  readonly since?: number | undefined;
}

/** At most so many consumers are told one by one; of the others each topic has the number and the largest lag. */
const CONSUMERS_TOLD = 256;

/** `GET /v1/top` as JSON: a RawSample whose histograms list the buckets that are not empty, whose 64-bit times are strings, and whose topics are rows. */
export function encodeSample(sample: RawSample, { topic, since = -1 }: Wanted = {}): unknown {
  const { counters, topics } = sample;
  const all = topics.reduce((sum, { consumerCount = 0 }) => sum + consumerCount, 0);
  return {
    ...sample,
    events: sample.events.filter((event) => event.number > since),
    engineEvents: [],
    topics: topics.map((one) => encodeTopic(one, all <= CONSUMERS_TOLD || one.id === topic)),
    counters: counters && {
      pid: counters.pid,
      startNs: counters.startNs.toString(),
      heartbeatNs: counters.heartbeatNs.toString(),
      samples: counters.samples.map(encodeValue),
    },
  };
}

function encodeValue(sample: Sample): unknown {
  const { key, name, labels, kind, unit } = sample;
  if (sample.kind !== 'histogram') return { key, name, labels, kind, unit, value: sample.value };
  const { buckets, subBits, sum, min, max } = sample.histogram;
  const filled: number[] = [];
  for (const [i, count] of buckets.entries()) if (count > 0) filled.push(i, count);
  return { key, name, labels, kind, unit, size: buckets.length, filled, subBits, sum, min, max };
}

const count = z.number().min(0);
const valueBase = {
  key: z.int(),
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  unit: z.enum(['count', 'bytes', 'nanoseconds']),
};
const numberSchema = z.object({ ...valueBase, kind: z.enum(['counter', 'gauge']), value: z.number() });
const histogramSchema = z.object({
  ...valueBase,
  kind: z.literal('histogram'),
  size: z
    .int()
    .min(1)
    .max(1 << 20),
  filled: z.array(count),
  subBits: z.int().min(1).max(16),
  sum: count,
  min: count,
  max: count,
});
const machineSchema = z.object({
  cores: z.array(
    z.object({
      cpu: z.int(),
      busy: z.number(),
      user: z.number(),
      system: z.number(),
      irq: z.number(),
      // Not in recordings of older versions.
      steal: z.number().default(0),
    }),
  ),
  irqs: z.array(z.object({ irq: z.int(), name: z.string(), perCpu: z.array(z.number()) })),
  threads: z.array(
    z.object({
      name: z.string(),
      tid: z.int(),
      cpuSeconds: z.number(),
      cpu: z.int(),
      node: z.int().optional(),
    }),
  ),
  disk: z
    .object({
      name: z.string(),
      reads: count,
      readBytes: count,
      writes: count,
      writtenBytes: count,
      flushes: count,
      busyMs: count,
      queueMs: count,
      inFlight: count,
    })
    .optional(),
});
const clusterSchema = z.object({
  role: z.string(),
  leaderId: z.int().optional(),
  term: z.number(),
  peers: z.array(
    z.object({ id: z.int(), state: z.string(), lag: z.number().optional(), evicted: z.boolean() }),
  ),
});
const sampleSchema = z.object({
  atMs: z.number(),
  identity: z.object({
    nodeId: z.int().optional(),
    clusterId: z.string().optional(),
    version: z.string().optional(),
    dataDir: z.string().optional(),
  }),
  counters: z
    .object({
      pid: z.int(),
      startNs: z.string().regex(/^\d{1,20}$/),
      heartbeatNs: z.string().regex(/^\d{1,20}$/),
      samples: z.array(z.union([numberSchema, histogramSchema])),
    })
    .optional(),
  topics: z.array(z.array(z.unknown())),
  readiness: z
    .object({ ready: z.boolean(), reasons: z.array(z.string()), warnings: z.array(z.string()) })
    .optional(),
  events: z.array(
    z.object({
      number: z.int(),
      atMs: z.number(),
      level: z.enum(['info', 'warning', 'error']),
      text: z.string(),
    }),
  ),
  machine: machineSchema.optional(),
  cluster: clusterSchema.optional(),
});

/** The document of `GET /v1/top` as a RawSample, or what is wrong with it in one sentence. */
export function decodeSample(document: unknown): RawSample | string {
  const checked = sampleSchema.safeParse(document);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    return `${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'not as expected'}`;
  }
  const { counters, topics: rows, ...rest } = checked.data;
  const topics = rows.map(decodeTopic);
  const wrong = topics.indexOf(undefined);
  if (wrong >= 0) return `topics.${wrong}: not as expected`;
  const filledIn: RawSample = {
    ...withEveryKey(rest),
    topics: topics.filter((topic) => topic !== undefined),
    counters: counters && {
      pid: counters.pid,
      startNs: BigInt(counters.startNs),
      heartbeatNs: BigInt(counters.heartbeatNs),
      samples: counters.samples.map(decodeValue),
    },
  };
  return filledIn;
}

type Checked = Omit<z.infer<typeof sampleSchema>, 'counters' | 'topics'>;

/** JSON leaves out what is undefined; a RawSample says it. */
function withEveryKey(rest: Checked): Omit<RawSample, 'counters' | 'topics'> {
  const { identity, machine, cluster, readiness } = rest;
  return {
    atMs: rest.atMs,
    events: rest.events,
    engineEvents: [],
    readiness,
    identity: {
      nodeId: identity.nodeId,
      clusterId: identity.clusterId,
      version: identity.version,
      dataDir: identity.dataDir,
    },
    machine: machine && {
      ...machine,
      threads: machine.threads.map((thread) => ({ ...thread, node: thread.node })),
      disk: machine.disk,
    },
    cluster: cluster && {
      ...cluster,
      leaderId: cluster.leaderId,
      peers: cluster.peers.map((peer) => ({ ...peer, lag: peer.lag })),
    },
  };
}

function decodeValue(value: z.infer<typeof numberSchema> | z.infer<typeof histogramSchema>): Sample {
  if (value.kind !== 'histogram') return { ...value, help: '' };
  const { key, name, labels, kind, unit, size, filled, subBits, sum, min, max } = value;
  const buckets = new Array<number>(size).fill(0);
  for (let i = 0; i + 1 < filled.length; i += 2) {
    const bucket = filled[i] ?? size;
    if (Number.isInteger(bucket) && bucket < size) buckets[bucket] = filled[i + 1] ?? 0;
  }
  return {
    key,
    name,
    labels,
    kind,
    unit,
    help: '',
    histogram: new Histogram(buckets, subBits, sum, min, max),
  };
}
