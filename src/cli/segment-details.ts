import { isUtf8 } from 'node:buffer';
import { parseTime } from '../client/index.js';
import { ExitCode, LanceError } from '../errors.js';
import { formatSortKey } from '../protocol/index.js';
import {
  type Address,
  type BatchSeen,
  eachBatch,
  eachEntry,
  type IndexEntry,
  parseSegmentName,
  type SeenRecord,
} from '../segment/index.js';
import { type Json, stringify } from '../server/json.js';
import { recordDocument } from './consume-output.js';
import { type Output, timeText, typeName } from './segment.js';

/** What `inspect` lists besides its summary. */
export interface Details {
  batches: boolean;
  records: boolean;
  index: boolean;
  at: Address | undefined;
  limit: number | undefined;
  json: boolean;
}

/** Reads `offset:N`, `record:N`, `time:T` or `key:HEX`. Throws LanceError with exit code 2 for anything else. */
export function parseAddress(text: string, now = Date.now()): Address {
  const [, kind = '', value = ''] = /^(offset|record|time|key):(.+)$/.exec(text) ?? [];
  const number =
    kind === 'time'
      ? parseTime(value, now)
      : kind === 'key'
        ? /^[0-9a-f]{1,32}$/i.test(value)
          ? BigInt(`0x${value.padEnd(32, '0')}`)
          : undefined
        : /^\d{1,20}$/.test(value)
          ? BigInt(value)
          : undefined;
  if (number !== undefined) return { kind: kind as Address['kind'], value: number };
  throw new LanceError(`"${text}" is no address.`, {
    code: 'BAD_ADDRESS',
    hint: 'Write offset:N, record:N, time:T (2026-01-31T12:00:00Z, 15m ago, or s, ms, ns since 1970) or key:HEX.',
    exitCode: ExitCode.usage,
  });
}

/** Lists what is asked for, of one segment after the other; true when damage was met. Throws LanceError when there is nothing at or after the address. */
export async function listDetails(
  paths: readonly string[],
  { at, limit, json, ...what }: Details,
  out: Output,
): Promise<boolean> {
  let damaged = false;
  const passed = () => {
    damaged = true;
  };
  const records = what.records || (at !== undefined && !what.batches && !what.index);
  let left = limit ?? (at !== undefined && !what.batches && !what.records ? 1 : Number.POSITIVE_INFINITY);
  let found = 0;
  const print = (document: Record<string, unknown>, text: () => string) => {
    out.print(json ? stringify(document as { [key: string]: Json }) : text());
    found += 1;
    left -= 1;
  };
  for (const path of paths) {
    if (what.index) {
      for await (const entry of eachEntry(path)) {
        if (left <= 0) return damaged;
        print({ path, ...entryDocument(entry) }, () => entryText(path, entry));
      }
    }
    if (!records && !what.batches) continue;
    for await (const { batch, records: inside } of eachBatch(
      path,
      at,
      sealedName(path) ? passed : undefined,
    )) {
      if (left <= 0) return damaged;
      if (what.batches) print({ path, ...batchDocument(batch) }, () => batchText(path, batch));
      if (!records) continue;
      for (const record of inside()) {
        if (left <= 0) return damaged;
        print({ path, position: record.position, ...recordJson(record) }, () =>
          recordText(record, at !== undefined),
        );
      }
    }
  }
  if (at !== undefined && found === 0)
    throw new LanceError(`There is nothing at or after ${at.kind} ${at.value}.`, {
      code: 'OUT_OF_RANGE',
      hint: 'See what there is with `lance segment inspect` without --at.',
    });
  return damaged;
}

function sealedName(path: string): boolean {
  return parseSegmentName(path)?.endNs !== undefined;
}

/** The JSON of a record, as `lance consume` prints it; numbers may be beyond 2^53. */
export function recordJson(record: SeenRecord): Record<string, unknown> {
  const { record: index, offset, nextOffset } = record;
  const document = recordDocument({
    ...record,
    record: Number(index),
    offset: Number(offset),
    nextOffset: Number(nextOffset),
  });
  return { ...document, record: index, offset };
}

function batchDocument(batch: BatchSeen): Record<string, unknown> {
  const { timestampNs, producerNs, producerId, producerSequence, nodeActorSequence, ...rest } = batch;
  const sortKey = formatSortKey(timestampNs, nodeActorSequence);
  return {
    ...rest,
    sortKey,
    timestampNs: timestampNs.toString(),
    producerTimestampNs: producerNs.toString(),
    producerId: producerId.toString(),
    producerSequence,
    nodeId: Number(nodeActorSequence >> 48n),
    actorId: Number((nodeActorSequence >> 40n) & 0xffn),
    sequence: nodeActorSequence & 0xff_ffff_ffffn,
  };
}

function entryDocument({
  timestampNs,
  nodeActorSequence,
  posPosition,
  ...entry
}: IndexEntry): Record<string, unknown> {
  return {
    ...entry,
    sortKey: formatSortKey(timestampNs, nodeActorSequence),
    timestampNs: timestampNs.toString(),
    ...(posPosition === entry.position ? {} : { posPosition }),
  };
}

function entryText(path: string, entry: IndexEntry): string {
  return `${path}: entry ${entry.ordinal}: byte ${entry.position}, offset ${entry.baseOffset}, record ${entry.baseRecord}, ${timeText(entry.timestampNs)}`;
}

function batchText(path: string, batch: BatchSeen): string {
  const hex = (value: number) => value.toString(16).padStart(8, '0');
  const sequence = batch.nodeActorSequence;
  return [
    `${path}: batch at byte ${batch.position}, ${batch.length} bytes`,
    `  records    ${batch.baseRecord} to ${batch.baseRecord + BigInt(batch.recordCount - 1)} (${batch.recordCount})`,
    `  offsets    ${batch.baseOffset} to ${batch.baseOffset + BigInt(batch.payloadLength)} (${batch.payloadLength} bytes)`,
    `  topic      id ${batch.topic}, epoch ${batch.epoch}`,
    `  key        ${timeText(batch.timestampNs)}, node ${sequence >> 48n}, actor ${(sequence >> 40n) & 0xffn}, sequence ${sequence & 0xff_ffff_ffffn}`,
    `  producer   ${timeText(batch.producerNs)}, id ${batch.producerId}, sequence ${batch.producerSequence}`,
    `  checksums  header ${hex(batch.checksum)}, previous ${hex(batch.previous)}, payload ${hex(batch.payloadChecksum)} (${batch.payloadKind})`,
    `  durable    to offset ${batch.durableOffset} when it was made; term ${batch.term}, log index ${batch.logIndex}`,
  ].join('\n');
}

const SHOWN_BYTES = 512;

function recordText(record: SeenRecord, full: boolean): string {
  const { key, producerTimestampNs, value, type } = record;
  const head = [
    `record ${record.record}`,
    `offset ${record.offset}`,
    `byte ${record.position}`,
    timeText(record.timestampNs),
    `${type.toString(16).padStart(2, '0')} ${typeName(type)}`,
    `${value.length} B`,
    ...(key ? [`key ${shown(key)}`] : []),
    ...(producerTimestampNs === undefined ? [] : [`at ${timeText(producerTimestampNs)}`]),
  ].join('  ');
  return full ? `${head}\n${hexDump(value, record.position)}` : `${head}  ${shown(value.subarray(0, 80))}`;
}

function shown(bytes: Buffer): string {
  return isUtf8(bytes) ? JSON.stringify(bytes.toString()) : `0x${bytes.toString('hex')}`;
}

/** Bytes as hexadecimal and text, 16 a line; `at` is the position of the first. */
export function hexDump(bytes: Buffer, at: number, most = SHOWN_BYTES): string {
  const lines: string[] = [];
  for (let from = 0; from < Math.min(bytes.length, most); from += 16) {
    const row = bytes.subarray(from, Math.min(from + 16, bytes.length));
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = [...row]
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'))
      .join('');
    lines.push(`  ${(at + from).toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${text}`);
  }
  if (bytes.length > most) lines.push(`  ... and ${bytes.length - most} bytes more`);
  return lines.join('\n');
}
