import { checksum } from './checksum.js';
import { ProtocolError } from './errors.js';
import { RECORD_HEADER_BYTES, RecordType } from './tlv.js';

/** Bytes of a batch header's value (formats.md, "Segment"). */
export const BATCH_HEADER_BYTES = 128;

/** What a batch header says, as far as readers need it. */
export interface BatchHeader {
  payloadLength: number;
  recordCount: number;
  topicId: number;
  /** Of the first record's sort key. */
  timestampNs: bigint;
  /** `node_id:16 | actor_id:8 | sequence:40` of the first record; record i has sequence + i. */
  nodeActorSequence: bigint;
  baseRecord: bigint;
  baseOffset: bigint;
  producerTimestampNs: bigint;
}

/** A batch as FetchBatches gives it: its header and its records' bytes. */
export interface Batch {
  header: BatchHeader;
  payload: Buffer;
}

/** Walks whole batches, headers included, and checks the checksums of each; throws ProtocolError where one is wrong. */
export function* walkBatches(data: Buffer): Generator<Batch, void, undefined> {
  for (let at = 0; at < data.length; ) {
    const start = at + RECORD_HEADER_BYTES;
    const end = start + BATCH_HEADER_BYTES;
    if (
      end > data.length ||
      data.readUInt8(at) !== RecordType.engine ||
      data.readUInt32LE(at + 1) !== BATCH_HEADER_BYTES
    ) {
      throw new ProtocolError(`There is no batch header at byte ${at} of the answer.`);
    }
    const bytes = data.subarray(start, end);
    if (
      bytes.toString('latin1', 0, 4) !== 'LNB1' ||
      checksum('crc32c', bytes.subarray(8)) !== bytes.readUInt32LE(4)
    ) {
      throw new ProtocolError(`The batch header at byte ${at} of the answer is damaged.`);
    }
    const header = readHeader(bytes);
    const payload = data.subarray(end, end + header.payloadLength);
    const kind = bytes.readUInt16LE(24) & 1 ? 'crc32' : 'crc32c';
    if (payload.length < header.payloadLength || checksum(kind, payload) !== bytes.readUInt32LE(12)) {
      throw new ProtocolError(`The batch at offset ${header.baseOffset} is cut short or damaged.`);
    }
    yield { header, payload };
    at = end + header.payloadLength;
  }
}

function readHeader(bytes: Buffer): BatchHeader {
  return {
    payloadLength: bytes.readUInt32LE(16),
    recordCount: bytes.readUInt32LE(20),
    topicId: bytes.readUInt32LE(28),
    timestampNs: bytes.readBigUInt64LE(40),
    nodeActorSequence: bytes.readBigUInt64LE(48),
    baseRecord: bytes.readBigUInt64LE(56),
    baseOffset: bytes.readBigUInt64LE(64),
    producerTimestampNs: bytes.readBigUInt64LE(72),
  };
}

/** A sort key as 32 hex digits, timestamp first (cli.md, "--json"). */
export function formatSortKey(timestampNs: bigint, nodeActorSequence: bigint): string {
  return timestampNs.toString(16).padStart(16, '0') + nodeActorSequence.toString(16).padStart(16, '0');
}

/** A sort key as it lies in `.idx` and LocateResponse, as 32 hex digits. */
export function formatSortKeyBytes(bytes: Buffer): string {
  return formatSortKey(bytes.readBigUInt64LE(0), bytes.readBigUInt64LE(8));
}
