/** Committed offsets: kept durably, per topic and consumer (lwp.md, CommitOffset and GetCommitted). */
import { beforeAll, describe, expect, it } from 'vitest';
import { topicName } from '../harness/expectations.js';
import { Command, commitPayload, consumerPayload, ErrorCode, raw } from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import type { RawConnection } from '../harness/raw-connection.js';

const CONSUMER = 0xfedc_ba98_7654_3210n;

async function commit(
  connection: RawConnection,
  topic: number,
  consumer: bigint,
  offset: bigint,
): Promise<void> {
  const payload = commitPayload(topic, consumer, offset);
  const frame = await connection.request(Command.commitOffset, payload, Command.commitAck);
  expect([frame.payload.readBigUInt64LE(0), frame.payload.readBigUInt64LE(8)]).toEqual([consumer, offset]);
}

async function committed(
  connection: RawConnection,
  topic: number,
  consumer: bigint,
): Promise<bigint | number> {
  const frame = await connection.exchange(Command.getCommitted, consumerPayload(topic, consumer));
  if (frame.batchId === BigInt(Command.errorResponse))
    return (JSON.parse(frame.payload.toString()) as { code: number }).code;
  expect(frame.batchId).toBe(BigInt(Command.commitAck));
  expect(frame.payload.readBigUInt64LE(0)).toBe(consumer);
  return frame.payload.readBigUInt64LE(8);
}

describe('committed offsets', () => {
  let node: LanceNode;
  beforeAll(async () => {
    node = await startNode();
  });

  it('come back by consumer and topic; a consumer that never committed is 0x52', async () => {
    const connection = await node.connect('crc32c');
    const [one, two] = [
      await connection.createTopic(topicName('c')),
      await connection.createTopic(topicName('c')),
    ];
    await connection.ingestAcked(one, raw('0123456789'));
    await commit(connection, one, CONSUMER, 15n);
    await commit(connection, one, 1n, 0n);
    expect(await committed(connection, one, CONSUMER)).toBe(15n);
    expect(await committed(connection, one, 1n)).toBe(0n);
    expect(await committed(connection, one, 2n)).toBe(ErrorCode.consumerNotFound);
    expect(await committed(connection, two, CONSUMER)).toBe(ErrorCode.consumerNotFound);
    connection.close();
  });

  it('may go back', async () => {
    const connection = await node.connect();
    const topic = await connection.createTopic(topicName('back'));
    await connection.ingestAcked(topic, Buffer.concat([raw('a'), raw('b')]));
    await commit(connection, topic, 3n, 12n);
    await commit(connection, topic, 3n, 6n);
    expect(await committed(connection, topic, 3n)).toBe(6n);
    connection.close();
  });

  it.each(['drained', 'killed'] as const)(
    'are there after the node was %s',
    { timeout: 240_000 },
    async (how) => {
      const own = await startNode();
      const connection = await own.connect();
      const topic = await connection.createTopic('kept');
      await connection.ingestAcked(topic, Buffer.concat([raw('a'), raw('b'), raw('c')]));
      for (let consumer = 1n; consumer <= 100n; consumer++)
        await commit(connection, topic, consumer, (consumer % 3n) * 6n);
      await commit(connection, topic, 7n, 18n);
      connection.close();
      if (how === 'drained') await own.stop();
      else await own.kill();
      const again = await own.restart();
      const second = await again.connect();
      for (let consumer = 1n; consumer <= 100n; consumer++) {
        expect(await committed(second, topic, consumer)).toBe(consumer === 7n ? 18n : (consumer % 3n) * 6n);
      }
      second.close();
      await again.stop();
    },
  );

  it('go with their topic', async () => {
    const connection = await node.connect();
    const name = topicName('gone');
    const first = await connection.createTopic(name);
    await commit(connection, first, CONSUMER, 0n);
    const id = Buffer.alloc(4);
    id.writeUInt32LE(first);
    await connection.request(Command.deleteTopic, id, Command.topicResponse);
    const second = await connection.createTopic(name);
    expect(await committed(connection, second, CONSUMER)).toBe(ErrorCode.consumerNotFound);
    connection.close();
  });

  it('are limited per topic: one consumer more is refused with RateLimited, those there go on', async () => {
    const own = await startNode({ config: '[limits]\ncommits_per_topic = 3\n' });
    const connection = await own.connect();
    const [one, two] = [await connection.createTopic('one'), await connection.createTopic('two')];
    await connection.ingestAcked(one, Buffer.concat([raw('a'), raw('b')]));
    for (let consumer = 1n; consumer <= 3n; consumer++) await commit(connection, one, consumer, 0n);
    const refused = await connection.exchange(Command.commitOffset, commitPayload(one, 4n, 0n));
    expect(JSON.parse(refused.payload.toString())).toMatchObject({ code: ErrorCode.rateLimited });
    await commit(connection, one, 3n, 6n);
    await commit(connection, two, 4n, 0n);
    connection.close();
    await own.stop();
  });
});
