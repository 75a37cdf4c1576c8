/**
 * A tiny LWP encoder and decoder (lwp.md) that can also say things no sane client would: every header field may be
 * overridden, checksums included. Independent of `src/protocol`.
 */
import { type ChecksumKind, checksum } from './checksum.js';

/** Bytes of a frame header. */
export const HEADER_BYTES = 44;
/** The largest frame with default limits, header included. */
export const MAX_FRAME = 16 * 1024 * 1024;
/** The largest stored record, its TLV header included. */
export const MAX_RECORD = 16 * 1024 * 1024 - 4096;
/** "Where is the end" in a Fetch. */
export const END_OF_TOPIC = 0xffff_ffff_ffff_ffffn;
/** The Python client's END, which pins the end for the connection. */
export const PINNED_END = 0x7fff_ffff_ffff_ffffn;

export const Flag = {
  compressed: 0x01,
  encrypted: 0x02,
  batch: 0x04,
  ack: 0x08,
  backpressure: 0x10,
  keepalive: 0x20,
  control: 0x40,
} as const;

export const Command = {
  createTopic: 0x01,
  deleteTopic: 0x02,
  listTopics: 0x03,
  getTopic: 0x04,
  setRetention: 0x05,
  createTopicWithRetention: 0x06,
  getClusterStatus: 0x07,
  authenticate: 0x08,
  authenticateResponse: 0x09,
  fetch: 0x10,
  fetchResponse: 0x11,
  catchingUp: 0x12,
  subscribe: 0x20,
  unsubscribe: 0x21,
  commitOffset: 0x22,
  subscribeAck: 0x23,
  commitAck: 0x24,
  hello: 0x30,
  helloResponse: 0x31,
  fetchWait: 0x32,
  locate: 0x33,
  locateResponse: 0x34,
  getCommitted: 0x35,
  setTopic: 0x36,
  describeTopic: 0x37,
  fetchBatches: 0x38,
  fetchBatchesResponse: 0x39,
  topicResponse: 0x80,
  clusterStatusResponse: 0x81,
  errorResponse: 0xff,
} as const;

export const ErrorCode = {
  unknown: 0x01,
  tooLarge: 0x03,
  invalidPayload: 0x04,
  checksum: 0x05,
  topicNotFound: 0x10,
  topicExists: 0x11,
  invalidTopicName: 0x12,
  topicDeleted: 0x13,
  rateLimited: 0x30,
  connectionLimit: 0x32,
  accessDenied: 0x42,
  invalidOffset: 0x50,
  offsetOutOfRange: 0x51,
  consumerNotFound: 0x52,
  storage: 0x61,
} as const;

/** What goes into a frame; whatever is left out is what an honest client would put there. */
export interface FrameFields {
  readonly magic?: string;
  readonly version?: number;
  readonly flags: number;
  readonly reserved?: number;
  readonly headerChecksum?: number;
  readonly batchId?: bigint;
  readonly timestampNs?: bigint;
  readonly recordCount?: number;
  readonly payloadLength?: number;
  readonly payloadChecksum?: number;
  readonly topicId?: number;
  readonly payload?: Uint8Array;
}

/** A frame as it came off the wire. */
export interface Frame {
  readonly flags: number;
  readonly reserved: number;
  readonly batchId: bigint;
  readonly timestampNs: bigint;
  readonly recordCount: number;
  readonly topicId: number;
  readonly payload: Buffer;
}

/** Encodes one frame with its payload. */
export function encodeFrame(kind: ChecksumKind, fields: FrameFields): Buffer {
  const payload = fields.payload ?? Buffer.alloc(0);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(fields.magic ?? 'LANC', 0, 4, 'latin1');
  header.writeUInt8(fields.version ?? 1, 4);
  header.writeUInt8(fields.flags, 5);
  header.writeUInt16LE(fields.reserved ?? 0, 6);
  header.writeUInt32LE(fields.headerChecksum ?? checksum(kind, header.subarray(0, 8)), 8);
  header.writeBigUInt64LE(fields.batchId ?? 0n, 12);
  header.writeBigUInt64LE(fields.timestampNs ?? 0n, 20);
  header.writeUInt32LE(fields.recordCount ?? 0, 28);
  header.writeUInt32LE(fields.payloadLength ?? payload.length, 32);
  const honest = payload.length === 0 ? 0 : checksum(kind, payload);
  header.writeUInt32LE(fields.payloadChecksum ?? honest, 36);
  header.writeUInt32LE(fields.topicId ?? 0, 40);
  return Buffer.concat([header, payload]);
}

/** Takes the first whole frame off `bytes`, or undefined while it is not all there; checks magic and both checksums. */
export function decodeFrame(kind: ChecksumKind, bytes: Buffer): { frame: Frame; size: number } | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  if (bytes.toString('latin1', 0, 4) !== 'LANC')
    throw new Error(`the node sent a frame without magic: ${bytes.toString('hex', 0, 16)}`);
  if (bytes.readUInt8(4) !== 1) throw new Error(`the node sent version ${bytes.readUInt8(4)}`);
  const expected = checksum(kind, bytes.subarray(0, 8));
  if (bytes.readUInt32LE(8) !== expected) throw new Error(`the node's header checksum is not ${kind}`);
  const length = bytes.readUInt32LE(32);
  const size = HEADER_BYTES + length;
  if (size > MAX_FRAME)
    throw new Error(`the node sent a frame of ${size} bytes: published clients refuse more than 16 MiB`);
  if (bytes.length < size) return undefined;
  const payload = Buffer.from(bytes.subarray(HEADER_BYTES, size));
  const sum = bytes.readUInt32LE(36);
  if (length > 0 && sum !== checksum(kind, payload))
    throw new Error(`the node's payload checksum is not the ${kind} of its payload`);
  if (length === 0 && sum !== 0) throw new Error('the node sent a payload checksum without payload');
  return {
    frame: {
      flags: bytes.readUInt8(5),
      reserved: bytes.readUInt16LE(6),
      batchId: bytes.readBigUInt64LE(12),
      timestampNs: bytes.readBigUInt64LE(20),
      recordCount: bytes.readUInt32LE(28),
      topicId: bytes.readUInt32LE(40),
      payload,
    },
    size,
  };
}

/** One TLV record: `type:1 | length:4 | value`. */
export function tlv(type: number, value: Uint8Array | string): Buffer {
  const body = typeof value === 'string' ? Buffer.from(value) : value;
  const header = Buffer.alloc(5);
  header.writeUInt8(type, 0);
  header.writeUInt32LE(body.length, 1);
  return Buffer.concat([header, body]);
}

/** A RawData record. */
export function raw(value: Uint8Array | string): Buffer {
  return tlv(0x01, value);
}

export interface Tlv {
  readonly type: number;
  readonly value: Buffer;
  /** Where the TLV header starts in the bytes that were walked. */
  readonly at: number;
}

/** Walks TLVs; throws where they do not tile `bytes` exactly. */
export function walkTlvs(bytes: Buffer): Tlv[] {
  const found: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 5) throw new Error(`a TLV header is cut at byte ${at}`);
    const length = bytes.readUInt32LE(at + 1);
    if (at + 5 + length > bytes.length)
      throw new Error(`the TLV at byte ${at} overruns by ${at + 5 + length - bytes.length}`);
    found.push({ type: bytes.readUInt8(at), value: bytes.subarray(at + 5, at + 5 + length), at });
    at += 5 + length;
  }
  return found;
}

/** Little-endian integers packed one after the other: `[size in bytes, value]`. */
export function pack(...fields: ReadonlyArray<readonly [1 | 2 | 4 | 8, number | bigint]>): Buffer {
  return Buffer.concat(
    fields.map(([size, value]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes.subarray(0, size);
    }),
  );
}

/** Payload of Fetch. */
export function fetchPayload(topic: number, offset: bigint, maxBytes: number): Buffer {
  return pack([4, topic], [8, offset], [4, maxBytes]);
}

/** Payload of FetchWait and FetchBatches. */
export function fetchWaitPayload(
  topic: number,
  offset: bigint,
  maxBytes: number,
  minBytes: number,
  maxWaitMs: number,
): Buffer {
  return pack([4, topic], [8, offset], [4, maxBytes], [4, minBytes], [4, maxWaitMs]);
}

/** Payload of Subscribe. */
export function subscribePayload(topic: number, offset: bigint, maxBatch: number, consumer: bigint): Buffer {
  return pack([4, topic], [8, offset], [4, maxBatch], [8, consumer]);
}

/** Payload of CommitOffset. */
export function commitPayload(topic: number, consumer: bigint, offset: bigint): Buffer {
  return pack([4, topic], [8, consumer], [8, offset]);
}

/** Payload of Unsubscribe and GetCommitted. */
export function consumerPayload(topic: number, consumer: bigint): Buffer {
  return pack([4, topic], [8, consumer]);
}

/** Payload of Locate; `kind` 0 record index, 1 time, 2 sort key, 3 offset. */
export function locatePayload(topic: number, kind: number, first: bigint, rest = 0n): Buffer {
  return pack([4, topic], [1, kind], [8, first], [8, rest]);
}

/** Payload of CreateTopicWithRetention. */
export function createWithRetentionPayload(name: string, maxAgeSecs: bigint, maxBytes: bigint): Buffer {
  const bytes = Buffer.from(name);
  return Buffer.concat([pack([2, bytes.length]), bytes, pack([8, maxAgeSecs], [8, maxBytes])]);
}

/** A FetchResponse (0x11) or the answer to FetchBatches (0x39). */
export interface Fetched {
  readonly nextOffset: bigint;
  readonly bytes: number;
  readonly records: number;
  readonly data: Buffer;
}

/** Decodes the payload of a FetchResponse; `bytes` must be the exact length of the data (the Python client slices by it). */
export function decodeFetched(payload: Buffer): Fetched {
  if (payload.length < 16) throw new Error(`a FetchResponse of ${payload.length} bytes: 16 at least`);
  const fetched = {
    nextOffset: payload.readBigUInt64LE(0),
    bytes: payload.readUInt32LE(8),
    records: payload.readUInt32LE(12),
    data: payload.subarray(16),
  };
  if (fetched.bytes !== fetched.data.length)
    throw new Error(`a FetchResponse claims ${fetched.bytes} bytes and has ${fetched.data.length}`);
  return fetched;
}

/** The JSON of an ErrorResponse. */
export interface WireError {
  readonly code: number;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Whether a frame is an ErrorResponse. */
export function isError(frame: Frame): boolean {
  return frame.flags === Flag.control && frame.batchId === BigInt(Command.errorResponse);
}

/** Decodes an ErrorResponse and checks its shape. */
export function decodeError(frame: Frame): WireError {
  if (!isError(frame)) throw new Error(`expected an ErrorResponse, got ${describeFrame(frame)}`);
  const body: unknown = JSON.parse(frame.payload.toString());
  if (typeof body !== 'object' || body === null) throw new Error('an ErrorResponse that is no JSON object');
  const { code, message, details } = body as Record<string, unknown>;
  if (typeof code !== 'number' || typeof message !== 'string' || message === '') {
    throw new Error(`an ErrorResponse without code or message: ${frame.payload.toString()}`);
  }
  return details === undefined
    ? { code, message }
    : { code, message, details: details as Record<string, unknown> };
}

/** A frame in words, for the messages of failing tests. */
export function describeFrame(frame: Frame): string {
  const kinds = Object.entries(Flag)
    .filter(([, bit]) => frame.flags & bit)
    .map(([name]) => name)
    .join('+');
  const payload = isError(frame) ? frame.payload.toString() : `${frame.payload.length} bytes`;
  return `${kinds || 'no flags'}, batch id 0x${frame.batchId.toString(16)}, timestamp ${frame.timestampNs}, ${payload}`;
}
