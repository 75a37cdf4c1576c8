/**
 * Reads one segment file byte by byte as formats.md describes it ("Segment, .lnc" and "Sparse indexes"), apart from
 * the engine and from `src/segment`: the oracle of the integration tests. It never stops at the first fault; what is
 * wrong is collected as sentences.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { crc32, crc32c } from './checksum.js';
import { MAX_RECORD, type Tlv, walkTlvs } from './lwp.js';

const BATCH_HEADER_BYTES = 128;
/** The batch header with the TLV header before it. */
const BATCH_HEADER_TLV_BYTES = 5 + BATCH_HEADER_BYTES;
const INDEX_ENTRY_BYTES = 24;

/** A sort key in its two halves. */
export interface SortKey {
  readonly timestampNs: bigint;
  readonly nodeActorSequence: bigint;
}

/** One batch, as its header says. */
export interface Batch {
  /** Byte position of the header's TLV in the file. */
  readonly position: number;
  readonly headerChecksum: number;
  readonly previousChecksum: number;
  readonly flags: number;
  readonly topicId: number;
  readonly topicEpoch: number;
  readonly firstKey: SortKey;
  readonly baseRecord: bigint;
  readonly baseOffset: bigint;
  readonly producerTimestampNs: bigint;
  readonly durableOffset: bigint;
  readonly payload: Buffer;
  readonly recordCount: number;
  /** The records' TLVs; empty where they do not tile the payload. */
  readonly tlvs: readonly Tlv[];
}

export interface IndexEntries {
  readonly keys: ReadonlyArray<{ readonly key: SortKey; readonly position: bigint }>;
  readonly positions: ReadonlyArray<{
    readonly baseOffset: bigint;
    readonly baseRecord: bigint;
    readonly position: bigint;
  }>;
}

export interface SegmentFile {
  readonly path: string;
  readonly state: 'active' | 'sealed';
  /** From the file's name. */
  readonly baseOffset: bigint;
  readonly baseRecord: bigint;
  readonly startNs: bigint;
  readonly endNs: bigint | undefined;
  readonly fileBytes: number;
  /** Bytes before the fill. */
  readonly dataBytes: number;
  readonly batches: readonly Batch[];
  readonly index: IndexEntries | undefined;
  readonly problems: readonly string[];
}

const NAME = /^(\d{20,})_(\d{20,})_(\d+)(?:-(\d+))?\.lnc$/;

/** Whether a file name is a segment's. */
export function isSegmentName(name: string): boolean {
  return NAME.test(name);
}

/** Compares two keys; negative where `a` is the lower one. */
export function compareKeys(a: SortKey, b: SortKey): number {
  if (a.timestampNs !== b.timestampNs) return a.timestampNs < b.timestampNs ? -1 : 1;
  if (a.nodeActorSequence !== b.nodeActorSequence) return a.nodeActorSequence < b.nodeActorSequence ? -1 : 1;
  return 0;
}

/** The key of record `index` of a batch: its sequence is the first one's plus `index`. */
export function keyOf(batch: Batch, index: number): SortKey {
  return {
    timestampNs: batch.firstKey.timestampNs,
    nodeActorSequence: batch.firstKey.nodeActorSequence + BigInt(index),
  };
}

/** Reads and checks one segment with its indexes. */
export function readSegment(path: string): SegmentFile {
  const problems: string[] = [];
  const name = NAME.exec(basename(path));
  if (!name) throw new Error(`${path}: not a segment's name`);
  const bytes = readFileSync(path);
  const state = name[4] === undefined ? 'active' : 'sealed';
  const batches: Batch[] = [];
  let at = 0;
  while (at < bytes.length && !isFill(bytes, at)) {
    const batch = readBatch(bytes, at, problems);
    if (!batch) break;
    batches.push(batch);
    at += BATCH_HEADER_TLV_BYTES + batch.payload.length;
  }
  checkFill(bytes, at, state, problems);
  const segment: SegmentFile = {
    path,
    state,
    baseOffset: BigInt(name[1] as string),
    baseRecord: BigInt(name[2] as string),
    startNs: BigInt(name[3] as string),
    endNs: name[4] === undefined ? undefined : BigInt(name[4]),
    fileBytes: bytes.length,
    dataBytes: at,
    batches,
    index: readIndexes(path, problems),
    problems,
  };
  checkName(segment, problems);
  checkIndexes(segment, problems);
  return segment;
}

/** A batch header starts with type 0x00 and length 128; fill has length 0. */
function isFill(bytes: Buffer, at: number): boolean {
  return bytes.length - at < 5 || (bytes[at] === 0 && bytes.readUInt32LE(at + 1) === 0);
}

function readBatch(bytes: Buffer, position: number, problems: string[]): Batch | undefined {
  const say = (text: string) => problems.push(`byte ${position}: ${text}`);
  if (bytes.length - position < BATCH_HEADER_TLV_BYTES) {
    say('a batch header is cut');
    return undefined;
  }
  const type = bytes.readUInt8(position);
  const length = bytes.readUInt32LE(position + 1);
  if (type !== 0 || length !== BATCH_HEADER_BYTES) {
    say(
      `expected a batch header (type 0x00, length 128), found type 0x${type.toString(16)}, length ${length}`,
    );
    return undefined;
  }
  const header = bytes.subarray(position + 5, position + BATCH_HEADER_TLV_BYTES);
  if (header.toString('latin1', 0, 4) !== 'LNB1')
    say(`magic is ${JSON.stringify(header.toString('latin1', 0, 4))}`);
  const headerChecksum = header.readUInt32LE(4);
  if (headerChecksum !== crc32c(header.subarray(8)))
    say('header checksum is not the CRC-32C of bytes 8..128');
  const payloadLength = header.readUInt32LE(16);
  const start = position + BATCH_HEADER_TLV_BYTES;
  if (start + payloadLength > bytes.length) {
    say(`payload of ${payloadLength} bytes overruns the file`);
    return undefined;
  }
  if (payloadLength > MAX_RECORD) say(`payload of ${payloadLength} bytes: a batch has at most ${MAX_RECORD}`);
  const payload = bytes.subarray(start, start + payloadLength);
  const flags = header.readUInt16LE(24);
  if (flags & ~1) say(`flags 0x${flags.toString(16)}: only bit 0 is known`);
  const sum = flags & 1 ? crc32(payload) : crc32c(payload);
  if (header.readUInt32LE(12) !== sum)
    say(`payload checksum is not the ${flags & 1 ? 'CRC-32' : 'CRC-32C'} of the payload`);
  const zeros: ReadonlyArray<readonly [number, number]> = [
    [26, 2],
    [36, 4],
    [120, 8],
  ];
  for (const [at, size] of zeros) {
    if (header.subarray(at, at + size).some((byte) => byte !== 0))
      say(`header bytes ${at}..${at + size} are not 0`);
  }
  for (const [at, field] of [
    [88, 'term'],
    [96, 'log index'],
  ] as const) {
    if (header.readBigUInt64LE(at) !== 0n) say(`${field} is not 0 outside a cluster`);
  }
  const recordCount = header.readUInt32LE(20);
  if (recordCount < 1) say('no records');
  const tlvs = tilesOf(payload, recordCount, say);
  return {
    position,
    headerChecksum,
    previousChecksum: header.readUInt32LE(8),
    flags,
    topicId: header.readUInt32LE(28),
    topicEpoch: header.readUInt32LE(32),
    firstKey: { timestampNs: header.readBigUInt64LE(40), nodeActorSequence: header.readBigUInt64LE(48) },
    baseRecord: header.readBigUInt64LE(56),
    baseOffset: header.readBigUInt64LE(64),
    producerTimestampNs: header.readBigUInt64LE(72),
    durableOffset: header.readBigUInt64LE(80),
    payload,
    recordCount,
    tlvs,
  };
}

function tilesOf(payload: Buffer, recordCount: number, say: (text: string) => void): readonly Tlv[] {
  try {
    const tlvs = walkTlvs(payload);
    if (tlvs.length !== recordCount) say(`${tlvs.length} records, the header claims ${recordCount}`);
    for (const tlv of tlvs) {
      if (tlv.type === 0) say('a record of type 0x00');
      if (tlv.type === 0xff && tlv.value.length > 0) say('a Null record with a value');
      if (tlv.value.length + 5 > MAX_RECORD)
        say(`a record of ${tlv.value.length + 5} bytes: at most ${MAX_RECORD}`);
    }
    return tlvs;
  } catch (error) {
    say(`records do not tile the payload: ${(error as Error).message}`);
    return [];
  }
}

function checkFill(bytes: Buffer, at: number, state: 'active' | 'sealed', problems: string[]): void {
  if (state === 'sealed' && at !== bytes.length)
    problems.push(`sealed, but ${bytes.length - at} bytes follow the last batch`);
  const dirty = bytes.subarray(at).findIndex((byte) => byte !== 0);
  if (dirty >= 0) problems.push(`byte ${at + dirty}: the fill is not zero`);
}

function checkName(segment: SegmentFile, problems: string[]): void {
  const first = segment.batches[0];
  const last = segment.batches.at(-1);
  if (!first || !last) {
    problems.push('a named segment without a batch');
    return;
  }
  if (first.baseOffset !== segment.baseOffset)
    problems.push(`the name's base offset is not the first batch's (${first.baseOffset})`);
  if (first.baseRecord !== segment.baseRecord)
    problems.push(`the name's base record is not the first batch's (${first.baseRecord})`);
  if (first.firstKey.timestampNs !== segment.startNs)
    problems.push(`the name's start is not the first record's timestamp (${first.firstKey.timestampNs})`);
  if (segment.endNs !== undefined && last.firstKey.timestampNs !== segment.endNs) {
    problems.push(`the name's end is not the last record's timestamp (${last.firstKey.timestampNs})`);
  }
}

function readIndexes(path: string, problems: string[]): IndexEntries | undefined {
  const stem = path.slice(0, -'.lnc'.length);
  const read = (suffix: string): Buffer | undefined => {
    if (!existsSync(stem + suffix)) {
      problems.push(`no ${suffix} beside the segment`);
      return undefined;
    }
    const bytes = readFileSync(stem + suffix);
    if (bytes.length % INDEX_ENTRY_BYTES !== 0)
      problems.push(`${suffix} is not a whole number of entries (${bytes.length} bytes)`);
    return bytes.subarray(0, bytes.length - (bytes.length % INDEX_ENTRY_BYTES));
  };
  const idx = read('.idx');
  const pos = read('.pos');
  if (!idx || !pos) return undefined;
  const entries = <T>(bytes: Buffer, decode: (at: number) => T): T[] =>
    Array.from({ length: bytes.length / INDEX_ENTRY_BYTES }, (_, index) => decode(index * INDEX_ENTRY_BYTES));
  return {
    keys: entries(idx, (at) => ({
      key: { timestampNs: idx.readBigUInt64LE(at), nodeActorSequence: idx.readBigUInt64LE(at + 8) },
      position: idx.readBigUInt64LE(at + 16),
    })),
    positions: entries(pos, (at) => ({
      baseOffset: pos.readBigUInt64LE(at),
      baseRecord: pos.readBigUInt64LE(at + 8),
      position: pos.readBigUInt64LE(at + 16),
    })),
  };
}

function checkIndexes(segment: SegmentFile, problems: string[]): void {
  if (!segment.index) return;
  const { keys, positions } = segment.index;
  if (keys.length !== positions.length)
    problems.push(`.idx has ${keys.length} entries, .pos ${positions.length}`);
  if (keys.length === 0 || keys[0]?.position !== 0n) problems.push('no index entry for the first batch');
  const byPosition = new Map(segment.batches.map((batch) => [BigInt(batch.position), batch]));
  let previous = -1n;
  for (let ordinal = 0; ordinal < Math.min(keys.length, positions.length); ordinal++) {
    const key = keys[ordinal] as IndexEntries['keys'][number];
    const position = positions[ordinal] as IndexEntries['positions'][number];
    const say = (text: string) => problems.push(`index entry ${ordinal}: ${text}`);
    if (key.position !== position.position) say('.idx and .pos point at different bytes');
    if (key.position <= previous) say('positions do not rise');
    previous = key.position;
    const batch = byPosition.get(key.position);
    if (!batch) {
      say(`points at byte ${key.position}, where no batch starts`);
      continue;
    }
    if (compareKeys(batch.firstKey, key.key) !== 0) say("its key is not the batch's");
    if (batch.baseOffset !== position.baseOffset || batch.baseRecord !== position.baseRecord)
      say("its offset or record is not the batch's");
  }
}

/** The largest stretch of a segment, in bytes, between a batch with an index entry and the next one with one (or the end). */
export function widestIndexGap(segment: SegmentFile): number {
  const positions = (segment.index?.keys ?? []).map((entry) => Number(entry.position));
  const ends = [...positions.slice(1), segment.dataBytes];
  return Math.max(...positions.map((position, ordinal) => (ends[ordinal] as number) - position), 0);
}
