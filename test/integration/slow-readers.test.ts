/** Clients that ask for much and read nothing: they hold only what is theirs (design.md, "Memory"). */
import { beforeAll, describe, expect, it } from 'vitest';
import { expectServing } from '../harness/expectations.js';
import { Command, fetchPayload, raw } from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import type { RawConnection } from '../harness/raw-connection.js';

const MEBIBYTE = 1024 * 1024;

describe('clients that do not read', () => {
  let node: LanceNode;
  let topic: number;
  let stream: Buffer;
  beforeAll(async () => {
    node = await startNode();
    const connection = await node.connect();
    topic = await connection.createTopic('large');
    const records = Array.from({ length: 64 }, (_, index) => raw(Buffer.alloc(MEBIBYTE / 2, index)));
    for (const record of records) await connection.ingestAcked(topic, record);
    stream = Buffer.concat(records);
    connection.close();
  }, 240_000);

  it('thirty of them with gigabytes asked for grow nothing, and others are served at once', {
    timeout: 240_000,
  }, async () => {
    const before = await node.residentBytes();
    const deaf: RawConnection[] = [];
    for (let index = 0; index < 30; index++) {
      const connection = await node.connect();
      connection.socket.pause();
      // Sixty fetches of 4 MiB each: 7 GiB in all.
      for (let fetch = 0; fetch < 60; fetch++)
        await connection.control(Command.fetch, fetchPayload(topic, 0n, 4 * MEBIBYTE));
      deaf.push(connection);
    }
    for (let round = 0; round < 5; round++) await expectServing(node);
    const reader = await node.connect('crc32c');
    expect((await reader.fetchAll(topic)).equals(stream)).toBe(true);
    reader.close();
    expect((await node.residentBytes()) - before).toBeLessThan(128 * MEBIBYTE);
    // One that starts to read after all gets answers that are right, as many as the node kept it for.
    const late = deaf.pop() as RawConnection;
    late.socket.resume();
    for (let fetch = 0; fetch < 60; fetch++) {
      const frame = await late.next().catch((error: unknown) => {
        if (!late.isClosed) throw error;
      });
      if (!frame) break;
      expect(frame.batchId).toBe(BigInt(Command.fetchResponse));
      expect(frame.payload.subarray(16).equals(stream.subarray(0, frame.payload.length - 16))).toBe(true);
    }
    for (const connection of [...deaf, late]) connection.close();
    await expectServing(node);
  });

  it('a producer that never reads its acks is not read for a while, and goes on when it does', {
    timeout: 240_000,
  }, async () => {
    const connection = await node.connect();
    const own = await connection.createTopic('unread-acks');
    connection.socket.pause();
    const count = 60_000;
    // Small frames, whose acks are larger than they are: the acks pile up first.
    const writes: Promise<unknown>[] = [];
    for (let index = 0; index < count; index++) {
      writes.push(connection.ingest(own, raw('x'), { batchId: BigInt(index) }));
      if (index % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await expectServing(node);
    connection.socket.resume();
    for (let index = 0; index < count; index++) await connection.ack(BigInt(index));
    await Promise.all(writes);
    expect((await connection.fetchAll(own)).length).toBe(count * 6);
    connection.close();
  });
});
