import { isUtf8 } from 'node:buffer';
import { RecordType } from '../protocol/index.js';
import type { BatchSeen, BlockOfChunk, IndexEntry, SeenRecord } from '../segment/index.js';

const TYPES: Record<number, string> = {
  [RecordType.engine]: "the engine's",
  [RecordType.raw]: 'raw',
  [RecordType.json]: 'JSON',
  [RecordType.messagePack]: 'MessagePack',
  [RecordType.protobuf]: 'Protobuf',
  [RecordType.avro]: 'Avro',
  [RecordType.keyValue]: 'KeyValue',
  [RecordType.timestamped]: 'Timestamped',
  [RecordType.keyTimestamped]: 'KeyTimestamped',
  [RecordType.null]: 'Null',
};

/** What a record type is called. */
export function typeName(type: number): string {
  return TYPES[type] ?? (type >= 0x80 && type < 0xff ? 'application' : 'unknown');
}

/** A time of a key, readable. */
export function timeText(ns: bigint): string {
  const ms = ns / 1_000_000n;
  if (ms > 8_640_000_000_000_000n) return `${ns} ns`;
  const rest = (ns % 1_000_000_000n).toString().padStart(9, '0');
  return `${new Date(Number(ms)).toISOString().slice(0, 19)}.${rest}Z`;
}

/** A checksum, 8 hexadecimal digits. */
export function checksumText(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** An ordinal of both indexes. */
export function entryText(path: string, entry: IndexEntry): string {
  const { ordinal, position, posPosition, baseOffset, baseRecord, timestampNs, nodeActorSequence } = entry;
  const other = posPosition === position ? '' : ` (by the .pos: byte ${posPosition})`;
  return `${path}: entry ${ordinal}: byte ${position}${other}, offset ${baseOffset}, record ${baseRecord}, ${timeText(timestampNs)}, ${placeText(nodeActorSequence)}`;
}

/** Every field of a batch header. */
export function batchText(path: string, batch: BatchSeen): string {
  return [
    `${path}: batch at byte ${batch.position}, ${batch.length} bytes`,
    `  records    ${batch.baseRecord} to ${batch.baseRecord + BigInt(batch.recordCount - 1)} (${batch.recordCount})`,
    `  offsets    ${batch.baseOffset} to ${batch.baseOffset + BigInt(batch.payloadLength)} (${batch.payloadLength} bytes)`,
    `  topic      id ${batch.topic}, epoch ${batch.epoch}`,
    `  key        ${timeText(batch.timestampNs)}, ${placeText(batch.nodeActorSequence)}`,
    `  producer   ${timeText(batch.producerNs)}, id ${batch.producerId}, sequence ${batch.producerSequence}`,
    `  checksums  header ${checksumText(batch.checksum)}, previous ${checksumText(batch.previous)}, payload ${checksumText(batch.payloadChecksum)} (${batch.payloadKind})`,
    `  durable    to offset ${batch.durableOffset} when it was made; term ${batch.term}, log index ${batch.logIndex}`,
  ].join('\n');
}

/** Node, actor and sequence of a sort key. */
export function placeText(sequence: bigint): string {
  return `node ${sequence >> 48n}, actor ${(sequence >> 40n) & 0xffn}, sequence ${sequence & 0xff_ffff_ffffn}`;
}

/** Every field of a journal block and of what is in it. */
export function blockText(path: string, { block, entries }: BlockOfChunk): string {
  return [
    `${path}: block at byte ${block.position}, ${block.length} bytes of entries`,
    `  sequence   ${block.sequence}, generation ${block.generation}; ${block.firstSequence} was the first after the node's start`,
    `  checksums  block ${checksumText(block.checksum)}, previous ${checksumText(block.previous)}`,
    `  durable    up to block ${block.durableSequence} when it was made; generations from ${block.oldestGeneration} on are needed`,
    ...entries.map((one) => `  ${journalEntryText(one)}`),
  ].join('\n');
}

function journalEntryText({ entry, batch }: BlockOfChunk['entries'][number]): string {
  const { kind, topic, epoch, segment, position, length, offset, consumer, committedAt } = entry;
  const head = `${kind.padEnd(9)}  topic ${topic} (epoch ${epoch})`;
  switch (kind) {
    case 'batch':
    case 'tail': {
      const place = `for byte ${position} of the segment with base offset ${segment}`;
      const what = batch
        ? `records ${batch.baseRecord} to ${batch.baseRecord + BigInt(batch.recordCount - 1)}, offsets ${batch.baseOffset} to ${batch.baseOffset + BigInt(batch.payloadLength)}, `
        : '';
      return `${head}: ${what}${length} bytes ${place}`;
    }
    case 'watermark':
      return `${head}: durable to offset ${offset}`;
    case 'commit':
      return `${head}: consumer ${consumer} at offset ${offset}, ${secondsText(committedAt ?? 0)}`;
    default:
      return 'unreadable: of a kind that this lance does not know, or of an impossible length';
  }
}

/** Seconds since 1970, readable. */
export function secondsText(seconds: number): string {
  return seconds <= 8_640_000_000_000
    ? new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
    : `${seconds} s`;
}

/** A record on one line; `full`: its value as hexadecimal and text below, and a JSON document as such. */
export function recordText(record: SeenRecord, full: boolean): string {
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
  if (!full) return `${head}  ${shown(value.subarray(0, 80))}`;
  const document = type === RecordType.json ? jsonLines(value) : [];
  return [head, hexDump(value, record.valuePosition), ...document].filter((line) => line !== '').join('\n');
}

const JSON_BYTES = 64 * 1024;

/** A JSON document over several lines, or what is wrong with it; nothing of one that is too long to be looked at. */
export function jsonLines(value: Buffer): string[] {
  if (value.length > JSON_BYTES) return [];
  try {
    return JSON.stringify(JSON.parse(value.toString()), undefined, 2)
      .split('\n')
      .map((line) => `  ${escaped(line)}`);
  } catch (error) {
    return [`  this is no JSON: ${escaped(error instanceof Error ? error.message : String(error))}`];
  }
}

function shown(bytes: Buffer): string {
  return isUtf8(bytes) ? escaped(JSON.stringify(bytes.toString())) : `0x${bytes.toString('hex')}`;
}

/** Without control characters that JSON lets stand: what is in a record must not steer the terminal. */
function escaped(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const SHOWN_BYTES = 512;

/** Bytes as hexadecimal and text, 16 a line; `at` is the position of the first. */
export function hexDump(bytes: Buffer, at: number, most = SHOWN_BYTES): string {
  const lines: string[] = [];
  for (let from = 0; from < Math.min(bytes.length, most); from += 16) {
    const row = bytes.subarray(from, Math.min(from + 16, bytes.length));
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    lines.push(`  ${(at + from).toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${printable(row)}`);
  }
  if (bytes.length > most) lines.push(`  ... and ${bytes.length - most} bytes more`);
  return lines.join('\n');
}

/** Bytes as ASCII, what is none of it as dots. */
export function printable(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[^\x20-\x7e]/g, '.');
}
