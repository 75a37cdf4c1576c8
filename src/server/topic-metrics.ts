import type { Engine, TopicMetadata } from '../engine/index.js';
import type { Catalogue } from './catalogue.js';
import { type Family, familyText } from './metrics.js';

/** What the metrics of topics are told from. */
export interface TopicMetricsParts {
  engine: Pick<Engine, 'listCommits' | 'describe'>;
  catalogue: Pick<Catalogue, 'list'>;
}

/** At most so many topics have series of their own, the oldest first: what a scrape costs has a limit. */
export const TOPICS_SHOWN = 100;

/** A scrape goes on without what the engine has not answered within this, ms. */
const PATIENCE_MS = 1_000;

interface TopicState {
  name: string;
  endOffset: bigint;
  endRecord: bigint;
  bytes: bigint;
  segments: number;
  frozen: boolean;
  consumers: number;
  /** Of the consumer that is furthest behind, bytes; 0 without consumers. */
  largestLag: number;
}

type Column = [name: string, kind: Family['kind'], help: string, value: (state: TopicState) => number];

const COLUMNS: readonly Column[] = [
  [
    'lance_topic_appended_bytes_total',
    'counter',
    'End offset of a topic: bytes of records ever appended and readable',
    (state) => Number(state.endOffset),
  ],
  [
    'lance_topic_appended_records_total',
    'counter',
    'Records ever appended to a topic and readable',
    (state) => Number(state.endRecord),
  ],
  ['lance_topic_stored_bytes', 'gauge', 'Bytes of the segments of a topic', (state) => Number(state.bytes)],
  ['lance_topic_segments', 'gauge', 'Segments of a topic', (state) => state.segments],
  ['lance_topic_frozen', 'gauge', 'Whether a topic takes no writes', (state) => Number(state.frozen)],
  ['lance_topic_consumers', 'gauge', 'Consumers with an offset committed', (state) => state.consumers],
  [
    'lance_topic_consumer_lag_max_bytes',
    'gauge',
    'How far the last of the consumers of a topic is behind its end',
    (state) => state.largestLag,
  ],
];

/** The first topics' state in Prometheus' text format, labelled by topic. */
export async function topicMetrics(parts: TopicMetricsParts, patienceMs?: number): Promise<string> {
  return (await topicFamilies(parts, patienceMs)).map(familyText).join('');
}

/** The same by name. They are asked for one after the other, so that the engine never has more than one such question to answer. */
export async function topicFamilies(
  { engine, catalogue }: TopicMetricsParts,
  patienceMs: number = PATIENCE_MS,
): Promise<Family[]> {
  const topics = catalogue.list();
  const states: TopicState[] = [];
  const until = Date.now() + patienceMs;
  for (const topic of topics.slice(0, TOPICS_SHOWN)) {
    const state = await within(until - Date.now(), stateOf(topic, engine));
    if (state === 'late') break;
    if (state !== 'gone') states.push(state);
  }
  const families = COLUMNS.map(([name, kind, help, value]) => ({
    name,
    kind,
    help,
    series: states.map((state) => ({ labels: { topic: state.name }, value: value(state) })),
  }));
  const unlisted: Family = {
    name: 'lance_topics_unlisted',
    kind: 'gauge',
    help: `Topics without series of their own: beyond the first ${TOPICS_SHOWN}, or not answered for in time`,
    series: [{ labels: {}, value: topics.length - states.length }],
  };
  return [...families, unlisted];
}

/** `gone`: deleted, or the engine stops. */
async function stateOf({ id, name }: TopicMetadata, engine: TopicMetricsParts['engine']) {
  try {
    const { endOffset, endRecord, bytes, segments, frozen } = await engine.describe(id);
    const commits = await engine.listCommits(id);
    const largestLag = Math.max(0, ...commits.map(({ offset }) => Number(endOffset - offset)));
    return { name, endOffset, endRecord, bytes, segments, frozen, consumers: commits.length, largestLag };
  } catch {
    return 'gone';
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), Math.max(0, ms));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
