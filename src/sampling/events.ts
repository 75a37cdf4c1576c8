import type { NumberedEvent, RawSample, TopEvent, TopicFacts } from './raw.js';
import type { Reading } from './reading.js';
import type { Values } from './values.js';

type Judged = Omit<Reading, 'health' | 'events'>;

/** Counters whose growth is an event, and its words. Those that the node reports itself, with more to say, are `reported`. */
const WATCHED: readonly { name: string; level: TopEvent['level']; reported?: true; words: string }[] = [
  { name: 'segment_rotations', level: 'info', reported: true, words: 'segment rotated' },
  { name: 'segments_sealed', level: 'info', reported: true, words: 'segment sealed' },
  {
    name: 'backpressure_pauses',
    level: 'warning',
    reported: true,
    words: 'backpressure: a socket was left unread',
  },
  {
    name: 'connections_refused',
    level: 'warning',
    reported: true,
    words: 'limits.connections: a connection was refused',
  },
  { name: 'connections_timed_out', level: 'info', words: 'a connection timed out' },
  {
    name: 'recv_buffers_exhausted',
    level: 'warning',
    reported: true,
    words: 'limit hit: the shared receive buffers ran out',
  },
  { name: 'ring_overflows', level: 'warning', words: 'the completion queue ran over' },
  { name: 'device_errors', level: 'error', words: 'a device operation failed' },
  { name: 'damaged_reads', level: 'error', words: 'a read met damaged bytes' },
];

/** What happened in an interval: what the node reports, and what its counters tell besides. */
export function eventsBetween(
  reading: Judged,
  sample: RawSample,
  before: RawSample | undefined,
  values: Values,
  previous: Reading | undefined,
): TopEvent[] {
  const { atMs } = sample;
  // At the first look what the node still remembers is shown, too.
  const told = [
    ...since(sample.events, before?.events),
    ...since(sample.engineEvents, before?.engineEvents),
  ].sort((a, b) => a.atMs - b.atMs);
  const speaks = sample.events.length + sample.engineEvents.length > 0;
  const counted = WATCHED.filter(({ reported }) => !(reported && speaks)).flatMap(
    ({ name, level, words }) => {
      const grown = values.grown(name);
      return grown > 0 ? [{ atMs, level, text: grown > 1 ? `${words} (${grown} times)` : words }] : [];
    },
  );
  return [
    ...told.map(({ atMs: at, level, text }) => ({ atMs: at, level, text })),
    ...counted,
    ...exhausted(values, atMs),
    ...comings(sample, before),
    ...presence(reading, previous, atMs),
  ];
}

/** At most so many topics that came or went are named one by one. */
const NAMED = 5;

/** Topics that came and went since the look before. */
function comings({ topics, atMs }: RawSample, before: RawSample | undefined): TopEvent[] {
  if (before === undefined) return [];
  const gone = missing(before.topics, topics);
  const fresh = missing(topics, before.topics);
  const tell = (names: readonly string[], what: string): TopEvent[] =>
    names.length > NAMED
      ? [{ atMs, level: 'info', text: `${names.length} topics were ${what}` }]
      : names.map((name) => ({ atMs, level: 'info', text: `topic ${name} was ${what}` }));
  return [...tell(fresh, 'created'), ...tell(gone, 'deleted')];
}

/** Names of the topics of `of` that `from` lacks. */
function missing(of: readonly TopicFacts[], from: readonly TopicFacts[]): string[] {
  const ids = new Set(from.map(({ id }) => id));
  return of.filter(({ id }) => !ids.has(id)).map(({ name }) => name);
}

/** Those that are newer than the ones of the look before. */
function since(
  now: readonly NumberedEvent[],
  before: readonly NumberedEvent[] | undefined,
): readonly NumberedEvent[] {
  const last = before?.at(-1)?.number ?? -1;
  return now.filter((event) => event.number > last);
}

function exhausted(values: Values, atMs: number): TopEvent[] {
  const of = (name: string, label: string, words: (what: string) => string): TopEvent[] =>
    values.of(name).flatMap((one) => {
      const grown = values.growth(one);
      const times = grown > 1 ? ` (${grown} times)` : '';
      return grown > 0
        ? [{ atMs, level: 'warning' as const, text: `${words(one.labels[label] ?? '')}${times}` }]
        : [];
    });
  return [...of('queue_full', 'queue', (queue) => `limit hit: queue ${queue} was full`)];
}

function presence({ node }: Judged, previous: Reading | undefined, atMs: number): TopEvent[] {
  if (previous === undefined) return [];
  const was = previous.node;
  if (was.startedAt !== null && node.startedAt !== was.startedAt && was.source === node.source) {
    return [{ atMs, level: 'warning', text: `the node was restarted (process ${node.pid})` }];
  }
  if (was.presence === node.presence) return [];
  switch (node.presence) {
    case 'serving':
      return [
        { atMs, level: 'info', text: was.presence === 'unreachable' ? 'reached again' : 'serving again' },
      ];
    case 'hanging':
      return [{ atMs, level: 'error', text: 'the data plane shows no heartbeat' }];
    case 'gone':
      return [{ atMs, level: 'error', text: `process ${node.pid} is gone` }];
    default:
      return [{ atMs, level: 'warning', text: 'the node was stopped' }];
  }
}
