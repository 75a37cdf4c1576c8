import { cut, malformed, number } from './bytes.js';

/** Where a topic stands (docs/formats.md, "Counters", "Topics"). Offsets and sizes in bytes. */
export interface TopicRow {
  id: number;
  state: 'live' | 'frozen' | 'removing';
  /** Of the last record, ns; 0: none. */
  lastTimestampNs: number;
  firstOffset: number;
  firstRecord: number;
  endOffset: number;
  endRecord: number;
  durableOffset: number;
  /** Of its segment files. */
  bytes: number;
  segments: number;
  /** Handed to consumers since the node's start. */
  fetchedBytes: number;
  fetchedRecords: number;
  fetches: number;
}

/** A committed offset. */
export interface CommitRow {
  topic: number;
  /** Ids use all 64 bits. */
  consumer: bigint;
  offset: number;
  /** Seconds since 1970. */
  atS: number;
}

/** An event of the engine; what its numbers are is the kind's (docs/formats.md, "Counters", "Events"). */
export interface EventRow {
  /** Counted from 1 since the node's start. */
  number: number;
  atNs: number;
  kind: number;
  topic: number;
  numbers: readonly [number, number, number];
  text: string;
}

/** What stands beside the counters. */
export interface Tables {
  topics: TopicRow[];
  commits: CommitRow[];
  /** Those that are still there, oldest first. */
  events: EventRow[];
}

/** Header fields that name the tables. */
const TOPICS = 192;
const COMMITS = 208;
const EVENTS = 224;
/** Least bytes of a row: a newer writer's may be longer. */
const TOPIC_BYTES = 96;
const COMMIT_BYTES = 32;
const EVENT_BYTES = 56;
const STATES = { 1: 'live', 2: 'frozen', 3: 'removing' } as const;

/** The tables of a counters file, whose header was checked; undefined where an older writer has none. Throws CountersError. */
export function readTables(bytes: Buffer): Tables | undefined {
  if (number(bytes, TOPICS) === 0) return undefined;
  return {
    topics: rowsOf(bytes, TOPICS, TOPIC_BYTES, topicAt),
    commits: rowsOf(bytes, COMMITS, COMMIT_BYTES, commitAt),
    events: rowsOf(bytes, EVENTS, EVENT_BYTES, eventAt).sort((a, b) => a.number - b.number),
  };
}

/** The rows of a table that are in use. */
function rowsOf<T>(
  bytes: Buffer,
  field: number,
  least: number,
  read: (bytes: Buffer, at: number, rowBytes: number) => T | undefined,
): T[] {
  const at = number(bytes, field);
  const count = bytes.readUInt32LE(field + 8);
  const rowBytes = bytes.readUInt32LE(field + 12);
  if (at === 0 || count === 0) return [];
  if (rowBytes < least) {
    throw malformed(`The header says at byte ${field} that rows have ${rowBytes} bytes, which cannot be.`);
  }
  if (at + count * rowBytes > bytes.length) throw cut(at + count * rowBytes, bytes.length);
  const rows: T[] = [];
  for (let i = 0; i < count; i += 1) {
    const row = read(bytes, at + i * rowBytes, rowBytes);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

function topicAt(bytes: Buffer, at: number): TopicRow | undefined {
  const state = STATES[bytes.readUInt32LE(at + 4) as keyof typeof STATES];
  if (state === undefined) return undefined;
  return {
    id: bytes.readUInt32LE(at),
    state,
    lastTimestampNs: number(bytes, at + 8),
    firstOffset: number(bytes, at + 16),
    firstRecord: number(bytes, at + 24),
    endOffset: number(bytes, at + 32),
    endRecord: number(bytes, at + 40),
    durableOffset: number(bytes, at + 48),
    bytes: number(bytes, at + 56),
    segments: number(bytes, at + 64),
    fetchedBytes: number(bytes, at + 72),
    fetchedRecords: number(bytes, at + 80),
    fetches: number(bytes, at + 88),
  };
}

function commitAt(bytes: Buffer, at: number): CommitRow | undefined {
  const atS = number(bytes, at + 24);
  if (atS === 0) return undefined;
  return {
    topic: bytes.readUInt32LE(at),
    consumer: bytes.readBigUInt64LE(at + 8),
    offset: number(bytes, at + 16),
    atS,
  };
}

function eventAt(bytes: Buffer, at: number, rowBytes: number): EventRow | undefined {
  const count = number(bytes, at);
  // Being written right now, or not yet.
  if (count === 0) return undefined;
  const length = Math.min(number(bytes, at + 48), rowBytes - EVENT_BYTES);
  return {
    number: count,
    atNs: number(bytes, at + 8),
    kind: bytes.readUInt32LE(at + 16),
    topic: bytes.readUInt32LE(at + 20),
    numbers: [number(bytes, at + 24), number(bytes, at + 32), number(bytes, at + 40)],
    text: bytes.toString('utf8', at + EVENT_BYTES, at + EVENT_BYTES + length),
  };
}
