import { basename, dirname } from 'node:path';
import { checksum } from '../protocol/index.js';
import type { ProblemList } from './problems.js';

/** What `metadata.json` of a topic says, as far as other files are compared with it (docs/formats.md). */
export interface Metadata {
  id: number;
  name: string;
  epoch: number;
}

/** What `node.json` says, as far as it matters here. */
export interface NodeDocument {
  nodeId: number;
  nextTopicId: number;
}

/** A JSON file: the document whatever it says, and what it means if it is right. */
export interface Read<T> {
  document: unknown;
  meaning: T | undefined;
}

type Check = [key: string, holds: (value: unknown) => boolean, must: string];

const whole = (least: number, most: number) => (value: unknown) =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
const U32 = 0xffff_ffff;

/** Reads a topic's `metadata.json`; what is wrong goes to `problems`. */
export function readMetadata(path: string, text: string, problems: ProblemList): Read<Metadata> {
  const document = parse(text, problems);
  const folder = basename(dirname(path));
  const right = holds(document, problems, [
    ['id', whole(0, U32), 'a topic id'],
    ['name', (value) => typeof value === 'string', 'the name of the topic'],
    ['created_at', whole(0, Number.MAX_SAFE_INTEGER), 'seconds since 1970'],
    ['topic_epoch', whole(0, U32), 'a number'],
    ['durability', (value) => value === 'durable' || value === 'written', '"durable" or "written"'],
    ['retention', isRetention, 'absent, or {"max_age_secs","max_bytes"}, whole numbers'],
    ['resume', isResume, 'absent, or {"offset","record","key","chain"}, the key as 32 hexadecimal digits'],
  ]);
  if (!right) return { document, meaning: undefined };
  const { id, name, topic_epoch: epoch } = document as { id: number; name: string; topic_epoch: number };
  if (name !== folder && folder !== '.')
    problems.add('name', 0, `it says that the topic is called "${name}", the directory "${folder}"`);
  return { document, meaning: { id, name, epoch } };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

// As far as JSON.parse keeps numbers: beyond 2^53 a double is near enough to tell a number from none.
const count = (value: unknown) => typeof value === 'number' && value >= 0 && Number.isInteger(value);

function isRetention(value: unknown): boolean {
  const { max_age_secs: age, max_bytes: bytes } = fieldsOf(value);
  const holds = (one: unknown) => one === undefined || count(one);
  return value === undefined || value === null || (typeof value === 'object' && holds(age) && holds(bytes));
}

function isResume(value: unknown): boolean {
  const { offset, record, key, chain } = fieldsOf(value);
  const hex = typeof key === 'string' && /^[0-9a-f]{32}$/i.test(key);
  return (
    value === undefined || value === null || (count(offset) && count(record) && hex && whole(0, U32)(chain))
  );
}

/** Reads `node.json`; what is wrong goes to `problems`. */
export function readNode(text: string, problems: ProblemList): Read<NodeDocument> {
  const document = parse(text, problems);
  const right = holds(document, problems, [
    ['nodeId', whole(0, 0xffff), 'a number up to 65535'],
    ['clusterId', (value) => typeof value === 'string' && value !== '', 'a UUID'],
    ['nextTopicId', whole(1, U32), 'the id that the next topic gets'],
    ['counters', (value) => typeof value === 'string' && value !== '', 'a path'],
  ]);
  return { document, meaning: right ? (document as NodeDocument) : undefined };
}

/** Reads `quarantine.json`, whose being there is the problem (docs/formats.md, "quarantine.json"). */
export function readQuarantine(text: string, problems: ProblemList): Read<undefined> {
  const document = parse(text, problems);
  const right = holds(document, problems, [
    ...(['segment', 'from', 'to', 'offset', 'durable_offset', 'found_ns'] as const).map(
      (key): Check => [key, count, 'a whole number'],
    ),
    ['node', whole(0, 0xffff), 'the id of a node'],
    ['reason', (value) => typeof value === 'string', 'a sentence'],
  ]);
  if (right) {
    const { offset, from, to, segment, reason } = fieldsOf(document);
    problems.add(
      'quarantine',
      0,
      `the topic takes no writes: offset ${offset} is missing, bytes ${from} to ${to} of the segment with base offset ${segment} (${reason})`,
    );
  }
  return { document, meaning: undefined };
}

function parse(text: string, problems: ProblemList): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    problems.add('format', 0, `this is no JSON: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function holds(document: unknown, problems: ProblemList, checks: readonly Check[]): boolean {
  if (document === undefined) return false;
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.add('format', 0, 'this is no JSON object');
    return false;
  }
  const fields = document as Record<string, unknown>;
  if (typeof fields.format === 'number' && fields.format > 1) {
    problems.add(
      'newer',
      0,
      `format ${fields.format} is newer than this lance reads (1); use the version that wrote it`,
    );
    return false;
  }
  const wrong = [['format', (value: unknown) => value === 1, '1'] as Check, ...checks].filter(
    ([key, check]) => !check(fields[key]),
  );
  for (const [key, , must] of wrong)
    problems.add('format', 0, `${key} must be ${must}, it is ${JSON.stringify(fields[key]) ?? 'missing'}`);
  return wrong.length === 0;
}

/** A committed offset (docs/formats.md, "Committed offsets"). */
export interface CommittedEntry {
  topic: number;
  epoch: number;
  /** Decimal. */
  consumer: string;
  offset: bigint;
  /** Seconds since 1970. */
  committedAt: number;
}

/** Reads `consumers/offsets.lco`. */
export function readOffsets(bytes: Buffer, problems: ProblemList): CommittedEntry[] {
  const count = header(bytes, 'LCO', 16, 32, 8, problems);
  return Array.from({ length: count }, (_, n) => {
    const at = 16 + n * 32;
    return {
      topic: bytes.readUInt32LE(at),
      epoch: bytes.readUInt32LE(at + 4),
      consumer: bytes.readBigUInt64LE(at + 8).toString(),
      offset: bytes.readBigUInt64LE(at + 16),
      committedAt: Number(bytes.readBigUInt64LE(at + 24)),
    };
  });
}

/** What `journal/start.lns` says. */
export interface JournalStart {
  nextGeneration: bigint;
  nextSequence: bigint;
  durable: { topic: number; epoch: number; offset: bigint }[];
}

/** Reads `journal/start.lns`; undefined when it does not hold. */
export function readStart(bytes: Buffer, problems: ProblemList): JournalStart | undefined {
  const before = problems.list.length;
  const count = header(bytes, 'LNS', 32, 16, 24, problems);
  if (problems.list.length > before) return undefined;
  const durable = Array.from({ length: count }, (_, n) => {
    const at = 32 + n * 16;
    return {
      topic: bytes.readUInt32LE(at),
      epoch: bytes.readUInt32LE(at + 4),
      offset: bytes.readBigUInt64LE(at + 8),
    };
  });
  return {
    nextGeneration: bytes.readBigUInt64LE(8),
    nextSequence: bytes.readBigUInt64LE(16),
    durable,
  };
}

/** Checks magic, checksum and length of a counted file; the count, 0 when something is wrong. */
function header(
  bytes: Buffer,
  magic: string,
  headerBytes: number,
  entryBytes: number,
  countAt: number,
  problems: ProblemList,
): number {
  if (bytes.length < headerBytes || bytes.toString('latin1', 0, 3) !== magic) {
    problems.add('format', 0, `this does not begin with ${magic}1 and ${headerBytes} bytes of header`);
    return 0;
  }
  const [stored, computed] = [bytes.readUInt32LE(4), checksum('crc32c', bytes.subarray(8))];
  if (stored !== computed) {
    problems.add(
      'checksum',
      4,
      `the checksum does not hold (stored ${hex(stored)}, computed ${hex(computed)})`,
    );
    return 0;
  }
  const version = String.fromCharCode(bytes[3] as number);
  if (version !== '1') {
    const newer = version >= '2' && version <= '9';
    problems.add(
      newer ? 'newer' : 'format',
      3,
      newer ? `version ${version} is newer than this lance reads` : 'the magic is damaged',
    );
    return 0;
  }
  const count = bytes.readUInt32LE(countAt);
  if (bytes.length === headerBytes + count * entryBytes) return count;
  problems.add('format', countAt, `${count} entries do not fill ${bytes.length} bytes`);
  return 0;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
