/** Who answers when: the orders lwp.md promises. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ingestAnswers, topicName } from '../harness/expectations.js';
import {
  Command,
  commitPayload,
  consumerPayload,
  decodeError,
  decodeFetched,
  ErrorCode,
  encodeFrame,
  Flag,
  fetchPayload,
  fetchWaitPayload,
  isError,
  locatePayload,
  pack,
  raw,
  subscribePayload,
  walkTlvs,
} from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import type { RawConnection } from '../harness/raw-connection.js';

let node: LanceNode;
beforeAll(async () => {
  node = await startNode();
});

async function topics(connection: RawConnection, count: number): Promise<number[]> {
  const ids: number[] = [];
  while (ids.length < count) ids.push(await connection.createTopic(topicName('order')));
  return ids;
}

describe('acks', () => {
  it('leave in the order of the frames, across topics and sizes', { timeout: 240_000 }, async () => {
    const connection = await node.connect();
    const ids = await topics(connection, 7);
    const count = 1_000;
    for (let index = 1; index <= count; index++) {
      // Large frames take the direct path, small ones the journal: their order must hold all the same.
      const size = index % 50 === 0 ? 300_000 : (index * 37) % 900;
      const payload = raw(Buffer.alloc(size, index));
      await connection.ingest(ids[index % ids.length] as number, payload, { batchId: BigInt(index) });
    }
    expect(await ingestAnswers(connection, count)).toEqual(
      Array.from({ length: count }, (_, index) => `ack ${index + 1}`),
    );
    connection.close();
  });

  it('and errors of ingests share one order', async () => {
    const connection = await node.connect();
    const [topic] = (await topics(connection, 1)) as [number];
    const unknown = 3_999_999;
    const expected: string[] = [];
    for (let index = 1; index <= 300; index++) {
      const batchId = BigInt(index);
      if (index % 5 === 0) {
        await connection.ingest(unknown, raw('x'), { batchId });
        expected.push(`error 0x10 of ${index}`);
      } else if (index % 7 === 0) {
        await connection.ingest(topic, raw('x'), { batchId, payloadChecksum: 1 });
        expected.push(`error 0x5 of ${index}`);
      } else if (index % 11 === 0) {
        await connection.ingest(topic, Buffer.alloc(0), { batchId });
        expected.push(`error 0x4 of ${index}`);
      } else {
        await connection.ingest(topic, raw(`record ${index}`), { batchId });
        expected.push(`ack ${index}`);
      }
    }
    expect(await ingestAnswers(connection, 300)).toEqual(expected);
    const stored = walkTlvs(await connection.fetchAll(topic)).map((record) => record.value.toString());
    expect(stored).toEqual(
      expected.flatMap((answer, index) => (answer.startsWith('ack') ? [`record ${index + 1}`] : [])),
    );
    connection.close();
  });

  it('carry the batch id whatever it is, the same one twice too', async () => {
    const connection = await node.connect();
    const [topic] = (await topics(connection, 1)) as [number];
    const ids = [0n, 0xffff_ffff_ffff_ffffn, 1n << 63n, 5n, 5n, 1n];
    for (const batchId of ids) await connection.ingest(topic, raw('x'), { batchId });
    expect(await ingestAnswers(connection, ids.length)).toEqual(ids.map((id) => `ack ${id}`));
    expect((await connection.fetch(topic, 0n)).records).toBe(ids.length);
    connection.close();
  });

  it('name a refused batch exactly, also above 2^53', async () => {
    const connection = await node.connect();
    await connection.ingest(3_999_999, raw('x'), { batchId: 0xffff_ffff_ffff_fffbn });
    const answer = await connection.next();
    expect(decodeError(answer).code).toBe(ErrorCode.topicNotFound);
    expect(answer.payload.toString()).toMatch(/"batch_id":\s*"?18446744073709551611\b/);
    connection.close();
  });

  it('after Hello with order "topic" leave in order per topic', async () => {
    const connection = await node.connect('crc32c');
    await connection.hello({ order: 'topic' });
    const ids = await topics(connection, 5);
    const count = 500;
    for (let index = 0; index < count; index++) {
      const payload = raw(Buffer.alloc(index % 25 === 0 ? 200_000 : 100, index));
      await connection.ingest(ids[index % ids.length] as number, payload, { batchId: BigInt(index) });
    }
    const answers = (await ingestAnswers(connection, count)).map((answer) =>
      Number(answer.replace('ack ', '')),
    );
    for (const residue of ids.keys()) {
      const own = answers.filter((index) => index % ids.length === residue);
      expect(own).toEqual([...own].sort((a, b) => a - b));
      expect(own).toHaveLength(count / ids.length);
    }
    connection.close();
  });
});

describe('two producers', () => {
  it('with the same batch ids do not hide each other', async () => {
    const [one, two] = [await node.connect(), await node.connect('crc32c')];
    const [topic] = (await topics(one, 1)) as [number];
    for (let index = 1; index <= 200; index++) {
      await one.ingest(topic, raw(`one ${index}`), { batchId: BigInt(index) });
      await two.ingest(topic, raw(`two ${index}`), { batchId: BigInt(index) });
    }
    await Promise.all([ingestAnswers(one, 200), ingestAnswers(two, 200)]);
    const stored = walkTlvs(await one.fetchAll(topic)).map((record) => record.value.toString());
    for (const who of ['one', 'two']) {
      const own = stored.filter((value) => value.startsWith(who));
      expect(own).toEqual(Array.from({ length: 200 }, (_, index) => `${who} ${index + 1}`));
    }
    one.close();
    two.close();
  });
});

describe('control answers', () => {
  it('of the engine leave in the order of the requests', async () => {
    const connection = await node.connect('crc32c');
    const [topic] = (await topics(connection, 1)) as [number];
    await connection.ingestAcked(topic, Buffer.concat([raw('a'), raw('b'), raw('c')]));
    const requests: ReadonlyArray<readonly [number, Buffer]> = [
      [Command.fetch, fetchPayload(topic, 0n, 1024)],
      [Command.subscribe, subscribePayload(topic, 0n, 1024, 7n)],
      [Command.commitOffset, commitPayload(topic, 7n, 6n)],
      [Command.getCommitted, consumerPayload(topic, 7n)],
      [Command.locate, locatePayload(topic, 0, 1n)],
      [Command.fetch, fetchPayload(topic, 1n << 40n, 1024)],
      [Command.unsubscribe, consumerPayload(topic, 7n)],
    ];
    const echoes: bigint[] = [];
    for (let round = 0; round < 40; round++) {
      for (const [code, payload] of requests) echoes.push(await connection.control(code, payload));
    }
    const came: bigint[] = [];
    while (came.length < echoes.length) came.push((await connection.next()).timestampNs);
    expect(came).toEqual(echoes);
    connection.close();
  });

  it('of the control plane leave in the order of the requests', async () => {
    const connection = await node.connect();
    const [topic] = (await topics(connection, 1)) as [number];
    const id = pack([4, topic]);
    const requests: ReadonlyArray<readonly [number, Buffer]> = [
      [Command.listTopics, Buffer.alloc(0)],
      [Command.getTopic, id],
      [Command.createTopic, Buffer.from('not a name')],
      [Command.describeTopic, id],
      [Command.setRetention, pack([4, topic], [8, 3600], [8, 0])],
      [Command.getTopic, pack([4, 3_999_999])],
    ];
    const echoes: bigint[] = [];
    for (let round = 0; round < 10; round++) {
      for (const [code, payload] of requests) echoes.push(await connection.control(code, payload));
    }
    const came: bigint[] = [];
    while (came.length < echoes.length) came.push((await connection.next()).timestampNs);
    expect(came).toEqual(echoes);
    connection.close();
  });

  it('with timestamp 0, as published clients send it, are matched by order alone', async () => {
    const connection = await node.connect();
    const [topic] = (await topics(connection, 1)) as [number];
    await connection.ingestAcked(topic, Buffer.concat([raw('0'), raw('1'), raw('2'), raw('3')]));
    for (let index = 0; index < 4; index++) {
      const payload = fetchPayload(topic, BigInt(index * 6), 0);
      await connection.send({ flags: Flag.control, batchId: BigInt(Command.fetch), payload });
    }
    for (let index = 0; index < 4; index++) {
      const frame = await connection.next();
      expect(frame.timestampNs).toBe(0n);
      expect(walkTlvs(decodeFetched(frame.payload).data)[0]?.value.toString()).toBe(String(index));
    }
    connection.close();
  });

  it('answer Unsubscribe by an ack frame with the consumer id, in their order', async () => {
    const connection = await node.connect();
    const [topic] = (await topics(connection, 1)) as [number];
    const first = await connection.control(Command.fetch, fetchPayload(topic, 0n, 10));
    const second = await connection.control(
      Command.unsubscribe,
      consumerPayload(topic, 0xfedc_ba98_7654_3210n),
    );
    const third = await connection.control(Command.fetch, fetchPayload(topic, 0n, 10));
    const frames = [await connection.next(), await connection.next(), await connection.next()];
    expect(frames.map((frame) => frame.timestampNs)).toEqual([first, second, third]);
    expect(frames[1]).toMatchObject({
      flags: Flag.ack,
      batchId: 0xfedc_ba98_7654_3210n,
      payload: Buffer.alloc(0),
    });
    connection.close();
  });
});

describe('FetchWait', () => {
  it('holds up nothing else, and answers as soon as the bytes are there', async () => {
    const connection = await node.connect('crc32c');
    const producer = await node.connect();
    await connection.hello();
    const [topic, second] = (await topics(connection, 2)) as [number, number];
    const waiting = await connection.control(
      Command.fetchWait,
      fetchWaitPayload(topic, 0n, 1 << 20, 1, 600_000),
    );
    // Everything else on this connection goes on while it waits.
    expect((await connection.fetch(topic, 0n)).records).toBe(0);
    await connection.ingestAcked(second, raw('meanwhile'));
    expect((await connection.fetch(second, 0n)).records).toBe(1);
    expect(connection.inbox).toEqual([]);
    await producer.ingestAcked(topic, raw('there'));
    const answer = await connection.take((frame) => frame.timestampNs === waiting, 'the FetchWait');
    expect(walkTlvs(decodeFetched(answer.payload).data)[0]?.value.toString()).toBe('there');
    connection.close();
    producer.close();
  });

  it('waits for min_bytes', async () => {
    const connection = await node.connect('crc32c');
    await connection.hello();
    const [topic] = (await topics(connection, 1)) as [number];
    const record = raw('0123456789');
    const waiting = await connection.control(
      Command.fetchWait,
      fetchWaitPayload(topic, 0n, 1 << 20, 3 * record.length, 600_000),
    );
    await connection.ingestAcked(topic, record);
    await connection.ingestAcked(topic, record);
    expect((await connection.fetch(topic, 0n)).records).toBe(2);
    expect(connection.inbox).toEqual([]);
    await connection.ingestAcked(topic, record);
    const answer = await connection.take((frame) => frame.timestampNs === waiting, 'the FetchWait');
    expect(decodeFetched(answer.payload)).toMatchObject({
      records: 3,
      nextOffset: BigInt(3 * record.length),
    });
    connection.close();
  });

  it('gives what there is when the time is up, nothing included', async () => {
    const connection = await node.connect('crc32c');
    await connection.hello();
    const [topic] = (await topics(connection, 1)) as [number];
    const ask = async (minBytes: number, maxWaitMs: number) => {
      const payload = fetchWaitPayload(topic, 0n, 1 << 20, minBytes, maxWaitMs);
      return decodeFetched(
        (await connection.request(Command.fetchWait, payload, Command.fetchResponse)).payload,
      );
    };
    expect(await ask(1, 100)).toMatchObject({ records: 0, nextOffset: 0n });
    expect(await ask(1, 0)).toMatchObject({ records: 0, nextOffset: 0n });
    expect(await ask(0, 600_000)).toMatchObject({ records: 0, nextOffset: 0n });
    await connection.ingestAcked(topic, raw('one'));
    expect(await ask(1_000_000, 100)).toMatchObject({ records: 1 });
    connection.close();
  });

  it('caps min_bytes at max_bytes', async () => {
    const connection = await node.connect('crc32c');
    await connection.hello();
    const [topic] = (await topics(connection, 1)) as [number];
    await connection.ingestAcked(topic, Buffer.concat([raw('12345'), raw('12345')]));
    const payload = fetchWaitPayload(topic, 0n, 10, 1_000_000, 600_000);
    const frame = await connection.request(Command.fetchWait, payload, Command.fetchResponse);
    expect(decodeFetched(frame.payload).records).toBe(1);
    connection.close();
  });

  it('is answered with 0x13 when its topic is deleted', async () => {
    const connection = await node.connect('crc32c');
    await connection.hello();
    const [topic] = (await topics(connection, 1)) as [number];
    const waiting = await connection.control(
      Command.fetchWait,
      fetchWaitPayload(topic, 0n, 1024, 1, 600_000),
    );
    await connection.request(Command.deleteTopic, pack([4, topic]), Command.topicResponse);
    const answer = await connection.take((frame) => frame.timestampNs === waiting, 'the FetchWait');
    expect(isError(answer) && decodeError(answer).code).toBe(ErrorCode.topicDeleted);
    connection.close();
  });

  it('wakes many waiters of one topic', async () => {
    const producer = await node.connect();
    const [topic] = (await topics(producer, 1)) as [number];
    const waiters = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const connection = await node.connect('crc32c');
        await connection.hello();
        const echo = await connection.control(
          Command.fetchWait,
          fetchWaitPayload(topic, 0n, 1024, 1, 600_000),
        );
        return { connection, echo };
      }),
    );
    // A fetch behind each wait makes sure that the wait was taken before the record comes.
    await Promise.all(waiters.map(({ connection }) => connection.fetch(topic, 0n)));
    await producer.ingestAcked(topic, raw('for all'));
    for (const { connection, echo } of waiters) {
      const answer = await connection.take((frame) => frame.timestampNs === echo, 'a waiter’s answer');
      expect(decodeFetched(answer.payload).records).toBe(1);
      connection.close();
    }
    producer.close();
  });
});

describe('Hello', () => {
  it('tells version, node, cluster, features and limits', async () => {
    const connection = await node.connect('crc32c');
    const answer = await connection.hello();
    expect(answer).toMatchObject({
      node_id: node.ready.nodeId,
      limits: { max_frame: 16_777_216, max_record: 16_773_120 },
    });
    expect(answer.version).toEqual(expect.any(String));
    expect(answer.cluster_id).toEqual(expect.any(String));
    expect(answer.features).toEqual(expect.arrayContaining(['fetch-wait']));
    connection.close();
  });

  it('with ingests in flight is 0x01', async () => {
    const connection = await node.connect('crc32c');
    const [topic] = (await topics(connection, 1)) as [number];
    // In one write, so that the Hello is there before any ack can be.
    const frames = Array.from({ length: 20 }, (_, index) =>
      encodeFrame('crc32c', {
        flags: Flag.batch,
        batchId: BigInt(index),
        topicId: topic,
        payload: raw(Buffer.alloc(50_000)),
      }),
    );
    const body = Buffer.from('{"client":"t","version":"1","features":[],"order":"topic"}');
    const hello = { flags: Flag.control, batchId: BigInt(Command.hello), timestampNs: 1n, payload: body };
    await connection.write(Buffer.concat([...frames, encodeFrame('crc32c', hello)]));
    const answer = await connection.take((frame) => frame.timestampNs === 1n, 'the answer to Hello');
    expect(decodeError(answer).code).toBe(ErrorCode.unknown);
    expect(await ingestAnswers(connection, 20)).toHaveLength(20);
    // Once they are answered it may be said.
    await connection.hello({ order: 'topic' });
    connection.close();
  });
});
