import * as lwp from '../../src/protocol/index.js';

interface StoredBatch {
  baseOffset: number;
  baseRecord: number;
  count: number;
  payload: Buffer;
}

/** A topic of the fake node: what was taken in, in memory. */
export interface FakeTopic {
  id: number;
  name: string;
  retention: { max_age_secs: number; max_bytes: number } | undefined;
  durability: string;
  batches: StoredBatch[];
  endOffset: number;
  endRecord: number;
  commits: Map<bigint, bigint>;
}

/** Batch n was received n milliseconds after this. */
export const FAKE_EPOCH_NS = 1_700_000_000_000_000_000n;

/** An answer with an error code instead of what was asked for. */
export class Refusal extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly details?: Record<string, unknown>,
  ) {
    super(message);
  }
}

/** Records from an offset on, as Fetch gives them. */
export function records(topic: FakeTopic, offset: number, maxBytes: number): Buffer {
  if (offset > topic.endOffset) throw new Refusal(0x51, `Offset ${offset} is past the end`);
  const all = Buffer.concat(topic.batches.map(({ payload }) => payload)).subarray(offset);
  let end = 0;
  let records = 0;
  for (const { at, value } of lwp.walkRecords(all)) {
    if (records > 0 && at + 5 + value.length > maxBytes) break;
    end = at + 5 + value.length;
    records += 1;
  }
  const head = lwp.FetchAnswer.encode({ nextOffset: BigInt(offset + end), bytes: end, records });
  return Buffer.concat([head, all.subarray(0, end)]);
}

/** Batches that reach over an offset, as FetchBatches gives them. */
export function wholeBatches(topic: FakeTopic, offset: number, maxBytes: number): Buffer {
  const parts: Buffer[] = [];
  let bytes = 0;
  let records = 0;
  let nextOffset = offset;
  for (const batch of topic.batches) {
    const end = batch.baseOffset + batch.payload.length;
    if (end <= offset) continue;
    const whole = Buffer.concat([batchHeader(topic, batch), batch.payload]);
    if (bytes > 0 && bytes + whole.length > maxBytes) break;
    parts.push(whole);
    bytes += whole.length;
    records += batch.count;
    nextOffset = end;
  }
  const head = lwp.FetchAnswer.encode({ nextOffset: BigInt(nextOffset), bytes, records });
  return Buffer.concat([head, ...parts]);
}

/** formats.md, "Segment". */
function batchHeader(topic: FakeTopic, batch: StoredBatch): Buffer {
  const header = Buffer.alloc(5 + lwp.BATCH_HEADER_BYTES);
  header.writeUInt32LE(lwp.BATCH_HEADER_BYTES, 1);
  const value = header.subarray(5);
  value.write('LNB1', 0, 'latin1');
  value.writeUInt32LE(lwp.checksum('crc32c', batch.payload), 12);
  value.writeUInt32LE(batch.payload.length, 16);
  value.writeUInt32LE(batch.count, 20);
  value.writeUInt32LE(topic.id, 28);
  value.writeBigUInt64LE(receivedAt(topic, batch), 40);
  value.writeBigUInt64LE((1n << 48n) | BigInt(batch.baseRecord), 48);
  value.writeBigUInt64LE(BigInt(batch.baseRecord), 56);
  value.writeBigUInt64LE(BigInt(batch.baseOffset), 64);
  value.writeUInt32LE(lwp.checksum('crc32c', value.subarray(8)), 4);
  return header;
}

function receivedAt(topic: FakeTopic, batch: StoredBatch): bigint {
  return FAKE_EPOCH_NS + BigInt(topic.batches.indexOf(batch)) * 1_000_000n;
}

/** Where the first record of a number or of a time is. */
export function locate(topic: FakeTopic, payload: Buffer): Buffer {
  const { kind, value } = lwp.LocateRequest.decode(payload);
  const wanted = value.readBigUInt64LE(0);
  for (const batch of topic.batches) {
    let record = batch.baseRecord;
    for (const { at } of lwp.walkRecords(batch.payload)) {
      const found =
        kind === lwp.LocateKind.record ? BigInt(record) >= wanted : receivedAt(topic, batch) >= wanted;
      if (found) {
        const answer = {
          offset: BigInt(batch.baseOffset + at),
          record: BigInt(record),
          sortKey: Buffer.alloc(16),
        };
        return lwp.LocateAnswer.encode(answer);
      }
      record += 1;
    }
  }
  throw new Refusal(0x51, 'Past the end');
}
