import { Histogram, type Sample } from '../../src/counters/index.js';
import type { RawSample, TopicFacts } from '../../src/sampling/index.js';

/** A counter or gauge by its name, label (`key=value,...`) and value. */
export type MadeNumber = readonly [name: string, label: string, value: number];

/** A sample of a node that serves, with what is given in place of nothing. */
export function sampleAt(
  atMs: number,
  {
    numbers = [],
    histograms = {},
    startNs = 1_000_000_000n,
    ...rest
  }: Partial<Omit<RawSample, 'counters'>> & {
    numbers?: readonly MadeNumber[];
    histograms?: Readonly<Record<string, readonly number[]>>;
    startNs?: bigint;
  } = {},
): RawSample {
  const samples: Sample[] = [
    ...numbers.map(
      ([name, label, value]): Sample => ({
        key: 1,
        name,
        labels: Object.fromEntries(label === '' ? [] : label.split(',').map((pair) => pair.split('='))),
        unit: 'count',
        help: '',
        kind: 'counter',
        value,
      }),
    ),
    ...Object.entries(histograms).map(
      ([name, counted]): Sample => ({
        key: 2,
        name,
        labels: {},
        unit: 'nanoseconds',
        help: '',
        kind: 'histogram',
        histogram: histogramOf(counted),
      }),
    ),
  ];
  return {
    atMs,
    identity: { nodeId: 1, clusterId: 'c', version: '1', dataDir: '/d' },
    topics: [],
    readiness: undefined,
    events: [],
    engineEvents: [],
    machine: undefined,
    cluster: undefined,
    ...rest,
    counters: { pid: 5, startNs, heartbeatNs: BigInt(atMs) * 1_000_000n, samples },
  };
}

/** A histogram with a bucket for each whole number below 256: exact. */
function histogramOf(counted: readonly number[]): Histogram {
  const buckets = new Array<number>(3_840).fill(0);
  for (const value of counted) buckets[value] = (buckets[value] ?? 0) + 1;
  const sum = counted.reduce((all, one) => all + one, 0);
  return new Histogram(buckets, 7, sum, Math.min(...counted, 0), Math.max(...counted, 0));
}

/** A topic of which everything is known. */
export function topicOf(id: number, known: Partial<TopicFacts> = {}): TopicFacts {
  return {
    id,
    name: `topic-${id}`,
    durability: 'durable',
    state: 'live',
    firstOffset: 0,
    endOffset: 0,
    firstRecord: 0,
    endRecord: 0,
    durableOffset: 0,
    bytes: 0,
    segments: 1,
    fetchedBytes: 0,
    fetchedRecords: 0,
    lastWriteMs: undefined,
    retention: undefined,
    consumerCount: 0,
    lag: undefined,
    consumers: [],
    ...known,
  };
}
