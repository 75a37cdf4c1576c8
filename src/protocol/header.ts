import { type ChecksumKind, checksum } from './checksum.js';
import { ProtocolError } from './errors.js';

/** Bytes of a frame header (lwp.md, "Header, 44 bytes"). */
export const HEADER_BYTES = 44;
/** `LANC`, as the little-endian number that the first four bytes are. */
export const MAGIC = 0x434e414c;
/** The only version there is. */
export const VERSION = 1;

/** Bits of the flags byte. */
export const Flag = {
  compressed: 0x01,
  encrypted: 0x02,
  batch: 0x04,
  ack: 0x08,
  backpressure: 0x10,
  keepalive: 0x20,
  control: 0x40,
} as const;

/** A frame header; its checksums are computed on writing and checked on reading. */
export interface FrameHeader {
  flags: number;
  /** 64 bits; the command code of a control frame. */
  batchId: bigint;
  /** Nanoseconds, 64 bits; control answers echo the request's. */
  timestampNs: bigint;
  recordCount: number;
  payloadLength: number;
  /** Of the payload; 0 where there is none. */
  payloadChecksum: number;
  topicId: number;
}

/** What a sender decides about a frame; the rest of the header follows from the payload. */
export interface FrameFields {
  flags: number;
  batchId?: bigint;
  timestampNs?: bigint;
  recordCount?: number;
  topicId?: number;
}

/** The 44 bytes in front of `payload`. */
export function encodeHeader(kind: ChecksumKind, fields: FrameFields, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt8(VERSION, 4);
  header.writeUInt8(fields.flags, 5);
  header.writeUInt32LE(checksum(kind, header.subarray(0, 8)), 8);
  header.writeBigUInt64LE(fields.batchId ?? 0n, 12);
  header.writeBigUInt64LE(fields.timestampNs ?? 0n, 20);
  header.writeUInt32LE(fields.recordCount ?? 0, 28);
  header.writeUInt32LE(payload.length, 32);
  header.writeUInt32LE(checksum(kind, payload), 36);
  header.writeUInt32LE(fields.topicId ?? 0, 40);
  return header;
}

/** Header and payload as one buffer, for frames that are small. */
export function encodeFrame(
  kind: ChecksumKind,
  fields: FrameFields,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  return Buffer.concat([encodeHeader(kind, fields, payload), payload]);
}

/**
 * Reads a header. Throws ProtocolError for a wrong magic, version or header checksum, which end a connection; what the
 * flags mean is for the caller to judge.
 */
export function decodeHeader(kind: ChecksumKind, bytes: Buffer): FrameHeader {
  if (bytes.readUInt32LE(0) !== MAGIC) {
    throw new ProtocolError(
      `What came is no LWP frame: it begins with ${bytes.toString('hex', 0, 4)}, not with LANC.`,
    );
  }
  const version = bytes.readUInt8(4);
  if (version !== VERSION)
    throw new ProtocolError(`The frame has version ${version}; this client speaks version ${VERSION}.`);
  if (checksum(kind, bytes.subarray(0, 8)) !== bytes.readUInt32LE(8)) {
    throw new ProtocolError(
      'The header checksum of a frame is wrong.',
      'The bytes were damaged on their way: check the network between.',
    );
  }
  return {
    flags: bytes.readUInt8(5),
    batchId: bytes.readBigUInt64LE(12),
    timestampNs: bytes.readBigUInt64LE(20),
    recordCount: bytes.readUInt32LE(28),
    payloadLength: bytes.readUInt32LE(32),
    payloadChecksum: bytes.readUInt32LE(36),
    topicId: bytes.readUInt32LE(40),
  };
}

/** The checksum whose value stands in the header of a connection's first frame; undefined when it is neither. */
export function detectChecksum(header: Buffer): ChecksumKind | undefined {
  const stated = header.readUInt32LE(8);
  return (['crc32c', 'crc32'] as const).find((kind) => checksum(kind, header.subarray(0, 8)) === stated);
}
