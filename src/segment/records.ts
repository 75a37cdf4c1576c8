import type { BatchSeen, LogFile } from '../engine/index.js';
import { contentOf, formatSortKey, RECORD_HEADER_BYTES } from '../protocol/index.js';
import { WINDOW_BYTES } from './scan.js';

/** A place to start from (cli.md, `--at`): in a topic, or a byte of one file. Times in nanoseconds since 1970; a key as one number, timestamp first. */
export interface Address {
  kind: 'offset' | 'record' | 'time' | 'key' | 'byte';
  value: bigint;
}

/** A record in a segment. */
export interface SeenRecord {
  batch: BatchSeen;
  /** Byte position of its TLV in the file, and of its value behind type, length, time and key. */
  position: number;
  valuePosition: number;
  record: bigint;
  offset: bigint;
  nextOffset: bigint;
  sortKey: string;
  timestampNs: bigint;
  type: number;
  value: Buffer;
  key?: Buffer;
  /** The application's own time, where the record carries one. */
  producerTimestampNs?: bigint;
}

/** Bytes of a file between whole batches that were passed over, up to the next batch; `to` is undefined where none follows. */
export interface Passed {
  from: number;
  to: number | undefined;
  why: string;
}

const HEADERS_AT_ONCE = 512;

/** How a segment's batches are followed. */
export interface Following {
  sealed: boolean;
  from?: Address | undefined;
  /** Byte position of a batch that is known not to lie behind the address. */
  start?: number;
  passed?: (gap: Passed) => void;
}

/**
 * The whole batches of a segment from a place on, both checksums checked. What does not hold is told to `passed`: in a
 * sealed segment the next batch follows, in one that is still written that was the end.
 */
export async function* wholeBatches(
  file: LogFile,
  { sealed, from, start = 0, passed }: Following,
): AsyncGenerator<BatchSeen, void, undefined> {
  let at = from === undefined ? start : await positionOf(file, from, start);
  while (at !== undefined) {
    const { end, stop, last } = await file.follow(at, {}, WINDOW_BYTES / 4);
    while (at < end) {
      const batches: BatchSeen[] = file.headers(at, HEADERS_AT_ONCE).filter(({ position }) => position < end);
      yield* batches;
      const final: BatchSeen | undefined = batches.at(-1);
      if (!final) break;
      at = final.position + final.length;
    }
    at = end;
    if (stop.kind === 'budget' || (last && (stop.kind === 'chain' || stop.kind === 'foreign'))) continue;
    if (stop.kind === 'end' || (stop.kind === 'fill' && (await file.firstNonzero(at)) === null)) return;
    const gap = at;
    at = sealed ? (await file.findHeader(gap + (stop.batch?.length ?? 1)))?.position : undefined;
    passed?.({ from: gap, to: at, why: stop.detail });
  }
}

/** Position of the first batch that reaches to the address or beyond it, by the headers alone; undefined when none does. */
async function positionOf(file: LogFile, address: Address, start: number): Promise<number | undefined> {
  let at = start;
  for (;;) {
    const headers = file.headers(at, HEADERS_AT_ONCE);
    const found = headers.find((batch) => reaches(batch, address));
    if (found) return found.position;
    const last = headers.at(-1);
    const next = last ? last.position + last.length : at + 1;
    if (headers.length === HEADERS_AT_ONCE) {
      at = next;
      continue;
    }
    const beyond = await file.findHeader(next);
    if (!beyond) return undefined;
    at = beyond.position;
  }
}

function reaches(batch: BatchSeen, { kind, value }: Address): boolean {
  switch (kind) {
    case 'byte':
      return value < BigInt(batch.position + batch.length);
    case 'offset':
      return value < batch.baseOffset + BigInt(batch.payloadLength);
    case 'record':
      return value < batch.baseRecord + BigInt(batch.recordCount);
    case 'time':
      return value <= batch.timestampNs;
    case 'key':
      return value <= keyNumber(batch, BigInt(batch.recordCount - 1));
  }
}

function keyNumber(batch: BatchSeen, index: bigint): bigint {
  return (batch.timestampNs << 64n) | (batch.nodeActorSequence + index);
}

/** The records of a whole batch, from the address on. */
export function* recordsOf(
  file: LogFile,
  batch: BatchSeen,
  from?: Address,
): Generator<SeenRecord, void, undefined> {
  const start = batch.position + batch.length - batch.payloadLength;
  const payload = file.read(start, batch.payloadLength);
  let index = 0n;
  for (let at = 0; at + RECORD_HEADER_BYTES <= payload.length; index++) {
    const type = payload.readUInt8(at);
    const end = at + RECORD_HEADER_BYTES + payload.readUInt32LE(at + 1);
    if (end > payload.length) return;
    const offset = batch.baseOffset + BigInt(at);
    const nextOffset = batch.baseOffset + BigInt(end);
    const record = batch.baseRecord + index;
    if (
      from === undefined ||
      isAtOrAfter(from, { batch, index, record, nextOffset, end: BigInt(start + end) })
    ) {
      const content = contentOf(type, payload.subarray(at + RECORD_HEADER_BYTES, end));
      yield {
        batch,
        position: start + at,
        valuePosition: start + end - content.value.length,
        record,
        offset,
        nextOffset,
        sortKey: formatSortKey(batch.timestampNs, batch.nodeActorSequence + index),
        timestampNs: batch.timestampNs,
        type,
        value: content.value,
        ...(content.key && { key: content.key }),
        ...(content.timestampNs !== undefined && { producerTimestampNs: content.timestampNs }),
      };
    }
    at = end;
  }
}

function isAtOrAfter(
  { kind, value }: Address,
  {
    batch,
    index,
    record,
    nextOffset,
    end,
  }: { batch: BatchSeen; index: bigint; record: bigint; nextOffset: bigint; end: bigint },
): boolean {
  switch (kind) {
    case 'byte':
      return value < end;
    case 'offset':
      return value < nextOffset;
    case 'record':
      return value <= record;
    case 'time':
      return value <= batch.timestampNs;
    case 'key':
      return value <= keyNumber(batch, index);
  }
}
