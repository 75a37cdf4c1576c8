import type { ConsumerFacts, TopicFacts } from './raw.js';

const STATES = ['live', 'frozen', 'removing'] as const;

/** The numbers of a topic's row, in their order there, from place 4 on; null where one is not known. */
const NUMBERS = [
  'firstOffset',
  'endOffset',
  'firstRecord',
  'endRecord',
  'durableOffset',
  'bytes',
  'segments',
  'fetchedBytes',
  'fetchedRecords',
  'lastWriteMs',
  'consumerCount',
  'lag',
] as const satisfies readonly (keyof TopicFacts)[];

/**
 * A topic as a row: a node may have thousands, and a document of `GET /v1/top` has them all. `[id, name, state, durability,
 * numbers..., retention, consumers]`, with consumers as `[id, offset, lag, committedAt]` where `told`.
 */
export function encodeTopic(topic: TopicFacts, told: boolean): unknown[] {
  const { retention, consumers } = topic;
  return [
    topic.id,
    topic.name,
    STATES.indexOf(topic.state),
    topic.durability ?? null,
    ...NUMBERS.map((key) => topic[key] ?? null),
    retention === undefined ? null : [retention.maxAgeSecs, retention.maxBytes],
    told && consumers !== undefined
      ? consumers.map(({ id, offset, lag, committedAt }) => [id, offset, lag, committedAt])
      : null,
  ];
}

/** The row as a topic; undefined where it is none. By hand: thousands a second are too many for a schema. */
export function decodeTopic(row: readonly unknown[]): TopicFacts | undefined {
  const [id, name, place, durability] = row;
  const state = typeof place === 'number' ? STATES[place] : undefined;
  if (typeof id !== 'number' || typeof name !== 'string' || state === undefined) return undefined;
  const numbers = row.slice(4, 4 + NUMBERS.length).map((value) => (value === null ? undefined : value));
  if (numbers.length < NUMBERS.length || !numbers.every(isCount)) return undefined;
  const retention = decodeRetention(row[4 + NUMBERS.length]);
  const consumers = decodeConsumers(row[5 + NUMBERS.length]);
  if (retention === null || consumers === null) return undefined;
  const known = Object.fromEntries(NUMBERS.map((key, i) => [key, numbers[i]])) as Pick<
    TopicFacts,
    (typeof NUMBERS)[number]
  >;
  return {
    id,
    name,
    state,
    durability: typeof durability === 'string' ? durability : undefined,
    ...known,
    retention,
    consumers,
  };
}

const isCount = (value: unknown): value is number | undefined =>
  value === undefined || (typeof value === 'number' && value >= 0);

/** Null: not as expected. */
function decodeRetention(value: unknown): TopicFacts['retention'] | null {
  if (value === null || value === undefined) return undefined;
  if (!Array.isArray(value) || value.length !== 2 || !value.every(isCount)) return null;
  return { maxAgeSecs: Number(value[0]), maxBytes: Number(value[1]) };
}

/** Null: not as expected. */
function decodeConsumers(value: unknown): ConsumerFacts[] | undefined | null {
  if (value === null || value === undefined) return undefined;
  if (!Array.isArray(value)) return null;
  const all = value.map((row: unknown) => {
    if (!Array.isArray(row) || typeof row[0] !== 'string' || !row.slice(1).every(isCount)) return null;
    const [id, offset, lag, committedAt] = row as [string, number, number, number];
    return { id, offset, lag, committedAt };
  });
  return all.includes(null) ? null : all.filter((consumer) => consumer !== null);
}
