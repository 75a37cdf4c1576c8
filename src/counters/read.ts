import { cut, malformed, number } from './bytes.js';
import { CountersError } from './errors.js';
import { Histogram } from './histogram.js';
import { readTables, type Tables } from './tables.js';

/** What a value counts. */
export type Unit = 'count' | 'bytes' | 'nanoseconds';

interface SampleBase {
  /** Number of the key, for good. */
  key: number;
  /** `frames_in`: without prefix. */
  name: string;
  /** What tells samples of one name apart. */
  labels: Readonly<Record<string, string>>;
  unit: Unit;
  help: string;
}

/** A counter (only grows) or a gauge. */
export interface NumberSample extends SampleBase {
  kind: 'counter' | 'gauge';
  value: number;
}

/** A distribution. */
export interface HistogramSample extends SampleBase {
  kind: 'histogram';
  histogram: Histogram;
}

export type Sample = NumberSample | HistogramSample;

/** A counters file at one moment. */
export interface Snapshot {
  /** Process that writes, or wrote, the file. */
  pid: number;
  /** When the writer started, wall clock, ns. */
  startNs: bigint;
  /** When the writer last showed that it lives, wall clock, ns. */
  heartbeatNs: bigint;
  /** Bytes of the file up to the end of the last value: a copy needs no more. */
  bytes: number;
  samples: readonly Sample[];
  /** Topics, committed offsets, events; undefined where an older lance wrote the file. */
  tables: Tables | undefined;
}

/** A heartbeat older than this, in ns, means that the writer hangs or is dead (docs/formats.md, "Counters"). */
export const HEARTBEAT_STALE_NS = 5_000_000_000n;

const VERSION = 1;
const HEADER_BYTES = 4096;
const DESCRIPTOR_BYTES = 256;
const CACHE_LINE = 64;
const KINDS = { 1: 'counter', 2: 'gauge', 3: 'histogram' } as const;
const UNITS: Readonly<Record<number, Unit>> = { 0: 'count', 1: 'bytes', 2: 'nanoseconds' };

/**
 * Reads the bytes of a counters file, live or copied (docs/formats.md, "Counters"). The writer may be at work or dead.
 * Throws CountersError when the bytes end too early, are of another version, or are no counters at all.
 */
export function readCounters(bytes: Buffer): Snapshot {
  readHeader(bytes);
  const stride = bytes.readUInt32LE(12);
  const first = place(bytes, 24);
  const count = bytes.readUInt32LE(64);
  const capacity = bytes.readUInt32LE(48);
  if (stride < DESCRIPTOR_BYTES || count > capacity) {
    throw malformed(
      `The header says ${count} of ${capacity} descriptors of ${stride} bytes, which cannot be.`,
    );
  }
  const samples: Sample[] = [];
  for (let i = 0; i < count; i += 1) samples.push(...readSample(bytes, first + i * stride));
  return {
    pid: bytes.readUInt32LE(8),
    startNs: bytes.readBigUInt64LE(16),
    heartbeatNs: bytes.readBigUInt64LE(128),
    bytes: place(bytes, 72),
    samples,
    tables: readTables(bytes),
  };
}

/** How many bytes the file has up to the end of the last value, by its header, which alone is looked at. Throws CountersError as `readCounters`. */
export function countersLength(bytes: Buffer): number {
  readHeader(bytes);
  return place(bytes, 72);
}

/** Whether the writer showed life shortly before `nowNs` (wall clock). */
export function isAlive(snapshot: Snapshot, nowNs: bigint = BigInt(Date.now()) * 1_000_000n): boolean {
  return nowNs - snapshot.heartbeatNs <= HEARTBEAT_STALE_NS;
}

/** Throws unless the bytes begin with the header of a counters file of this version. */
function readHeader(bytes: Buffer): void {
  const magic = bytes.toString('latin1', 0, 4);
  if (magic !== 'LNCF') {
    if ('LNCF'.startsWith(magic)) throw cut(HEADER_BYTES, bytes.length);
    throw malformed('The file does not begin with LNCF at byte 0, so it holds no counters.');
  }
  need(bytes, 0, HEADER_BYTES);
  const version = bytes.readUInt32LE(4);
  if (version !== VERSION) {
    throw new CountersError(
      'COUNTERS_VERSION',
      `The counters are of version ${version}, and this lance reads version ${VERSION}.`,
      'Use the lance that the node runs.',
    );
  }
}

/** The descriptor at `at` with its value; nothing where a newer writer has a kind that is not known here. */
function readSample(bytes: Buffer, at: number): Sample[] {
  need(bytes, at, DESCRIPTOR_BYTES);
  const kind = KINDS[bytes.readUInt8(at + 4) as keyof typeof KINDS];
  if (kind === undefined) return [];
  const valueAt = place(bytes, at + 8);
  if (valueAt % CACHE_LINE !== 0) {
    throw malformed(`The descriptor at byte ${at} puts its value at byte ${valueAt}, no multiple of 64.`);
  }
  const base: SampleBase = {
    key: bytes.readUInt32LE(at),
    name: text(bytes, at, 20, 32, 48),
    labels: parseLabels(text(bytes, at, 21, 80, 80)),
    unit: UNITS[bytes.readUInt8(at + 5)] ?? 'count',
    help: text(bytes, at, 22, 160, 96),
  };
  if (kind === 'histogram') return [{ ...base, kind, histogram: readHistogram(bytes, at, valueAt) }];
  need(bytes, valueAt, 8);
  return [{ ...base, kind, value: number(bytes, valueAt) }];
}

function readHistogram(bytes: Buffer, at: number, valueAt: number): Histogram {
  const subBits = bytes.readUInt8(at + 6);
  const valueBits = bytes.readUInt8(at + 7);
  if (subBits < 1 || subBits > 16 || valueBits <= subBits || valueBits > 52) {
    throw malformed(`The descriptor at byte ${at} has a histogram of ${subBits} and ${valueBits} bits.`);
  }
  const count = (valueBits - subBits + 1) * 2 ** subBits;
  need(bytes, valueAt, CACHE_LINE + count * 8);
  const buckets = Array.from({ length: count }, (_, i) => number(bytes, valueAt + CACHE_LINE + i * 8));
  return new Histogram(
    buckets,
    subBits,
    number(bytes, valueAt + 8),
    number(bytes, valueAt + 16),
    number(bytes, valueAt + 24),
  );
}

/** `agent=net-0,code=0x10` as an object. */
function parseLabels(label: string): Record<string, string> {
  return Object.fromEntries(
    label
      .split(',')
      .filter((pair) => pair.includes('='))
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}

function text(bytes: Buffer, at: number, lengthAt: number, textAt: number, most: number): string {
  const length = bytes.readUInt8(at + lengthAt);
  if (length > most)
    throw malformed(`The descriptor at byte ${at} has a text of ${length} bytes; ${most} fit.`);
  return bytes.toString('utf8', at + textAt, at + textAt + length);
}

/** A position in the file. */
function place(bytes: Buffer, at: number): number {
  const position = number(bytes, at);
  if (!Number.isSafeInteger(position)) throw malformed(`The position at byte ${at} is beyond any file.`);
  return position;
}

function need(bytes: Buffer, at: number, length: number): void {
  if (at + length > bytes.length) throw cut(at + length, bytes.length);
}
