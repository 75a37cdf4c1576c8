/** Fetch at every edge that lwp.md names, and the same edges for FetchWait and FetchBatches. */
import { beforeAll, describe, expect, it } from 'vitest';
import { topicName } from '../../harness/expectations.js';
import {
  Command,
  decodeError,
  decodeFetched,
  END_OF_TOPIC,
  ErrorCode,
  type Fetched,
  type Frame,
  fetchPayload,
  fetchWaitPayload,
  isError,
  PINNED_END,
  raw,
  subscribePayload,
  walkTlvs,
} from '../../harness/lwp.js';
import { type LanceNode, startNode } from '../../harness/node.js';
import type { RawConnection } from '../../harness/raw-connection.js';

/** Three records of 15 bytes each, in two batches. */
const RECORD = raw('0123456789');
const SIZE = BigInt(RECORD.length);
const END = 3n * SIZE;

let node: LanceNode;
beforeAll(async () => {
  node = await startNode();
});

async function threeRecords(connection: RawConnection): Promise<number> {
  const topic = await connection.createTopic(topicName('edges'));
  await connection.ingestAcked(topic, Buffer.concat([RECORD, RECORD]));
  await connection.ingestAcked(topic, RECORD);
  return topic;
}

type Ask = (connection: RawConnection, topic: number, offset: bigint, maxBytes?: number) => Promise<Frame>;

const asks: ReadonlyArray<readonly [string, number, Ask]> = [
  [
    'Fetch',
    Command.fetchResponse,
    (connection, topic, offset, maxBytes = 1 << 20) =>
      connection.exchange(Command.fetch, fetchPayload(topic, offset, maxBytes)),
  ],
  [
    'FetchWait',
    Command.fetchResponse,
    // It would wait for ten minutes: an edge must be answered at once.
    (connection, topic, offset, maxBytes = 1 << 20) =>
      connection.exchange(Command.fetchWait, fetchWaitPayload(topic, offset, maxBytes, 1, 600_000)),
  ],
  [
    'FetchBatches',
    Command.fetchBatchesResponse,
    (connection, topic, offset, maxBytes = 1 << 20) =>
      connection.exchange(Command.fetchBatches, fetchWaitPayload(topic, offset, maxBytes, 1, 600_000)),
  ],
];

describe.each(asks)('%s', (name, answer, ask) => {
  let connection: RawConnection;
  let topic: number;
  beforeAll(async () => {
    connection = await node.connect('crc32c');
    if (name !== 'Fetch') await connection.hello({ features: ['fetch-wait', 'fetch-batches'] });
    topic = await threeRecords(connection);
  });
  const fetched = async (offset: bigint, maxBytes?: number, of = topic): Promise<Fetched> => {
    const frame = await ask(connection, of, offset, maxBytes);
    if (isError(frame)) throw new Error(frame.payload.toString());
    expect(frame.batchId).toBe(BigInt(answer));
    return decodeFetched(frame.payload);
  };
  const refused = async (offset: bigint, of = topic) => decodeError(await ask(connection, of, offset));

  it('u64::MAX tells the end: empty, next_offset = end', async () => {
    expect(await fetched(END_OF_TOPIC)).toMatchObject({ nextOffset: END, bytes: 0, records: 0 });
    expect(await fetched(END_OF_TOPIC, 1)).toMatchObject({ nextOffset: END, bytes: 0 });
  });

  it('u64::MAX on an empty topic tells 0', async () => {
    const empty = await connection.createTopic(topicName('empty'));
    expect(await fetched(END_OF_TOPIC, 1, empty)).toMatchObject({ nextOffset: 0n, bytes: 0, records: 0 });
  });

  it('beyond the end is 0x51', async () => {
    expect(await refused(END + 1n)).toMatchObject({ code: ErrorCode.offsetOutOfRange });
    expect(await refused(1n << 40n)).toMatchObject({ code: ErrorCode.offsetOutOfRange });
    expect(await refused(PINNED_END - 1n)).toMatchObject({ code: ErrorCode.offsetOutOfRange });
    expect(await refused(END_OF_TOPIC - 1n)).toMatchObject({ code: ErrorCode.offsetOutOfRange });
  });

  it('of a topic that never was is 0x10', async () => {
    expect(await refused(0n, 0xffff_fff0)).toMatchObject({ code: ErrorCode.topicNotFound });
  });

  it('of a deleted topic is 0x13', async () => {
    const doomed = await threeRecords(connection);
    const id = Buffer.alloc(4);
    id.writeUInt32LE(doomed);
    await connection.request(Command.deleteTopic, id, Command.topicResponse);
    expect(await refused(0n, doomed)).toMatchObject({ code: ErrorCode.topicDeleted });
  });

  if (name !== 'FetchBatches') {
    it('inside a record is 0x50 and says where that record starts', async () => {
      for (const [offset, start] of [
        [1n, 0n],
        [SIZE - 1n, 0n],
        [SIZE + 1n, SIZE],
        [END - 1n, 2n * SIZE],
      ] as const) {
        expect(await refused(offset)).toMatchObject({
          code: ErrorCode.invalidOffset,
          details: { record_offset: Number(start) },
        });
      }
    });

    it('max_bytes 0 gives one record', async () => {
      expect(await fetched(SIZE, 0)).toMatchObject({ nextOffset: 2n * SIZE, records: 1, data: RECORD });
    });

    it('gives whole records only, and one at least', async () => {
      expect(await fetched(0n, RECORD.length - 1)).toMatchObject({ nextOffset: SIZE, records: 1 });
      expect(await fetched(0n, 2 * RECORD.length - 1)).toMatchObject({ nextOffset: SIZE, records: 1 });
      expect(await fetched(0n, 2 * RECORD.length)).toMatchObject({ nextOffset: 2n * SIZE, records: 2 });
    });

    it('starts in the middle of a batch', async () => {
      expect(await fetched(SIZE)).toMatchObject({ nextOffset: END, records: 2 });
    });
  }

  it('caps max_bytes so that the answer stays within 16 MiB', { timeout: 240_000 }, async () => {
    const large = await connection.createTopic(topicName('large'));
    const record = raw(Buffer.alloc(1024 * 1024 - 5, 0x6c));
    // One after the other, so that each is a batch of its own.
    for (let index = 0; index < 18; index++) await connection.ingestAcked(large, record);
    const { bytes, records, nextOffset } = await fetched(0n, 0xffff_ffff, large);
    // The harness refuses an answer of more than 16 MiB. Fifteen records of 1 MiB fit, a sixteenth does not.
    expect(bytes).toBeLessThanOrEqual(16 * 1024 * 1024 - 60);
    expect(records).toBe(15);
    expect(nextOffset).toBe(15n * BigInt(record.length));
  });
});

describe('at the end', () => {
  it('Fetch gives an empty answer whose next_offset is the end', async () => {
    const connection = await node.connect();
    const topic = await threeRecords(connection);
    expect(await connection.fetch(topic, END)).toMatchObject({ nextOffset: END, bytes: 0, records: 0 });
    const empty = await connection.createTopic(topicName('empty'));
    expect(await connection.fetch(empty, 0n)).toMatchObject({ nextOffset: 0n, bytes: 0, records: 0 });
    connection.close();
  });

  it('2^63-1 pins the end for this connection and topic; later ones read from the pin', async () => {
    const connection = await node.connect();
    const other = await node.connect();
    const topic = await threeRecords(connection);
    expect(await connection.fetch(topic, PINNED_END)).toMatchObject({ nextOffset: END, bytes: 0 });
    await other.ingestAcked(topic, RECORD);
    await other.ingestAcked(topic, RECORD);
    // Not "the end as it is now": nothing that came after the first poll may be missed.
    expect(await connection.fetch(topic, PINNED_END)).toMatchObject({
      nextOffset: END + 2n * SIZE,
      records: 2,
    });
    expect(await connection.fetch(topic, PINNED_END, 0)).toMatchObject({
      nextOffset: END + SIZE,
      records: 1,
    });
    // Another connection has no pin yet, nor has this one for another topic.
    expect(await other.fetch(topic, PINNED_END)).toMatchObject({ nextOffset: END + 2n * SIZE, bytes: 0 });
    const second = await threeRecords(connection);
    expect(await connection.fetch(second, PINNED_END)).toMatchObject({ nextOffset: END, bytes: 0 });
    connection.close();
    other.close();
  });

  it('Subscribe at u64::MAX and at 2^63-1 resolves to the end', async () => {
    const connection = await node.connect();
    const topic = await threeRecords(connection);
    for (const offset of [END_OF_TOPIC, PINNED_END]) {
      const payload = subscribePayload(topic, offset, 65_536, 9n);
      const frame = await connection.request(Command.subscribe, payload, Command.subscribeAck);
      expect(frame.payload.readBigUInt64LE(0)).toBe(9n);
      expect(frame.payload.readBigUInt64LE(8)).toBe(END);
    }
    connection.close();
  });
});

describe('FetchBatches', () => {
  it('gives whole batches for an offset inside one, and the first also where max_bytes is smaller', async () => {
    const connection = await node.connect('crc32c');
    await connection.hello({ features: ['fetch-batches'] });
    const topic = await threeRecords(connection);
    for (const offset of [0n, 1n, SIZE]) {
      const payload = fetchWaitPayload(topic, offset, 1, 0, 0);
      const frame = await connection.request(Command.fetchBatches, payload, Command.fetchBatchesResponse);
      const { data, records, nextOffset } = decodeFetched(frame.payload);
      expect(records).toBe(2);
      expect(nextOffset).toBe(2n * SIZE);
      const [header, ...tlvs] = walkTlvs(data);
      expect(header).toMatchObject({ type: 0x00 });
      expect(header?.value.length).toBe(128);
      expect(header?.value.toString('latin1', 0, 4)).toBe('LNB1');
      expect(tlvs.map((record) => record.value.toString())).toEqual(['0123456789', '0123456789']);
    }
    connection.close();
  });
});

describe('commands that need Hello', () => {
  it('are 0x01 without it', async () => {
    const connection = await node.connect();
    const topic = await threeRecords(connection);
    for (const command of [Command.fetchWait, Command.fetchBatches]) {
      const error = await connection.refused(command, fetchWaitPayload(topic, 0n, 1024, 0, 0));
      expect(error.code).toBe(ErrorCode.unknown);
    }
    connection.close();
  });
});
