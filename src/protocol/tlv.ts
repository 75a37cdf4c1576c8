import { ProtocolError } from './errors.js';

/** Bytes in front of a record's value: `type:1 | length:4` (lwp.md, "TLV records"). */
export const RECORD_HEADER_BYTES = 5;

/** Record types that LWP names; 0x80..0xFE are the application's. */
export const RecordType = {
  /** The engine's own: batch headers. Clients may not send it. */
  engine: 0x00,
  raw: 0x01,
  json: 0x02,
  messagePack: 0x03,
  protobuf: 0x04,
  avro: 0x05,
  keyValue: 0x10,
  timestamped: 0x11,
  keyTimestamped: 0x12,
  null: 0xff,
} as const;

/** A record as it lies in a payload: `value` shares the payload's memory. */
export interface TlvRecord {
  type: number;
  value: Buffer;
  /** Where its header begins, from the payload's start. */
  at: number;
}

/** Walks records that must tile `payload` exactly; throws ProtocolError where they do not. */
export function* walkRecords(payload: Buffer): Generator<TlvRecord, void, undefined> {
  for (let at = 0; at < payload.length; ) {
    const start = at + RECORD_HEADER_BYTES;
    const end = start <= payload.length ? start + payload.readUInt32LE(at + 1) : Number.POSITIVE_INFINITY;
    if (end > payload.length)
      throw new ProtocolError(`The record at byte ${at} runs past the end of its ${payload.length} bytes.`);
    yield { type: payload.readUInt8(at), value: payload.subarray(start, end), at };
    at = end;
  }
}

/** Key, value and time that a record of types 0x10 to 0x12 holds; any other is all value. */
export interface RecordContent {
  value: Buffer;
  key?: Buffer;
  /** The application's own time, nanoseconds. */
  timestampNs?: bigint;
}

/** Takes a record's value apart by its type. One that is shorter than its own parts is given back as it is. */
export function contentOf(type: number, bytes: Buffer): RecordContent {
  let at = 0;
  const content: RecordContent = { value: bytes };
  if (type === RecordType.timestamped || type === RecordType.keyTimestamped) {
    if (bytes.length < 8) return content;
    content.timestampNs = bytes.readBigUInt64LE(0);
    at = 8;
  }
  if (type === RecordType.keyValue || type === RecordType.keyTimestamped) {
    const keyAt = at + 2;
    const keyEnd = keyAt <= bytes.length ? keyAt + bytes.readUInt16LE(at) : Number.POSITIVE_INFINITY;
    if (keyEnd > bytes.length) return { value: bytes };
    content.key = bytes.subarray(keyAt, keyEnd);
    at = keyEnd;
  }
  content.value = bytes.subarray(at);
  return content;
}

/** A record to send. With a key or a time it becomes type 0x10, 0x11 or 0x12; else `type`, or raw. */
export interface RecordInput {
  value: Buffer;
  type?: number | undefined;
  key?: Buffer | undefined;
  timestampNs?: bigint | undefined;
}

/** The bytes in front of a record's value: TLV header and, by type, time and key. */
export function encodePrefix(record: RecordInput): Buffer {
  const { value, key, timestampNs } = record;
  const keyed = key === undefined ? 0 : 2 + key.length;
  const timed = timestampNs === undefined ? 0 : 8;
  const prefix = Buffer.alloc(RECORD_HEADER_BYTES + timed + keyed);
  prefix.writeUInt8(typeOf(record), 0);
  prefix.writeUInt32LE(timed + keyed + value.length, 1);
  if (timestampNs !== undefined) prefix.writeBigUInt64LE(timestampNs, RECORD_HEADER_BYTES);
  if (key !== undefined) {
    prefix.writeUInt16LE(key.length, RECORD_HEADER_BYTES + timed);
    key.copy(prefix, RECORD_HEADER_BYTES + timed + 2);
  }
  return prefix;
}

/** A whole record. */
export function encodeRecord(record: RecordInput): Buffer {
  return Buffer.concat([encodePrefix(record), record.value]);
}

function typeOf({ type, key, timestampNs }: RecordInput): number {
  if (key !== undefined) return timestampNs === undefined ? RecordType.keyValue : RecordType.keyTimestamped;
  if (timestampNs !== undefined) return RecordType.timestamped;
  return type ?? RecordType.raw;
}
