/** Many connections that do nothing, or half of something, beside one that works. */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { rawRecords } from '../../harness/data.js';
import { expectOpen, expectServing } from '../../harness/expectations.js';
import { Command, decodeError, ErrorCode, encodeFrame, Flag, raw, walkTlvs } from '../../harness/lwp.js';
import { type LanceNode, startNode } from '../../harness/node.js';
import { RawConnection } from '../../harness/raw-connection.js';

const CROWD = 2_000;

/** Opens `count` connections, a hundred at a time. */
async function crowd(node: LanceNode, count: number): Promise<RawConnection[]> {
  const connections: RawConnection[] = [];
  while (connections.length < count) {
    const next = Array.from({ length: Math.min(100, count - connections.length) }, () => node.connect());
    connections.push(...(await Promise.all(next)));
  }
  return connections;
}

/** A client that produces 500 pipelined frames and reads them back. */
async function expectWorking(node: LanceNode, label: string): Promise<void> {
  const connection = await node.connect('crc32c');
  const topic = await connection.createTopic(`crowd-${label}`);
  const records = rawRecords(label.length, 500);
  for (const [index, record] of records.entries())
    await connection.ingest(topic, record, { batchId: BigInt(index) });
  for (let index = 0; index < records.length; index++) await connection.ack(BigInt(index));
  expect((await connection.fetchAll(topic)).equals(Buffer.concat(records))).toBe(true);
  connection.close();
}

describe('a crowd', () => {
  let node: LanceNode;
  beforeAll(async () => {
    // Whoever says nothing, or half of something, is closed after this: no race with it here.
    node = await startNode({ config: '[limits]\nframe_timeout = "30m"\n' });
  });

  it(`of ${CROWD} connections that send nothing does not keep others from being served`, {
    timeout: 240_000,
  }, async () => {
    const idle = await crowd(node, CROWD);
    await expectWorking(node, 'silent');
    expect(idle.filter((connection) => connection.isClosed)).toHaveLength(0);
    // Each of them is served when it wakes up.
    for (const connection of idle.filter((_, index) => index % 100 === 0)) await expectOpen(connection);
    for (const connection of idle) connection.close();
    await expectServing(node);
  });

  it(`of ${CROWD} half-sent frames does not either`, { timeout: 240_000 }, async () => {
    const connection = await node.connect();
    const topic = await connection.createTopic('half-sent');
    const halves = await crowd(node, CROWD);
    const frames = halves.map((_, index) =>
      encodeFrame('crc32', {
        flags: Flag.batch,
        batchId: BigInt(index),
        topicId: topic,
        payload: raw(`frame ${index} `.repeat(100)),
      }),
    );
    // Some stop within the header, some within the payload.
    const cutOf = (index: number) => (index % 2 === 0 ? 20 : 500);
    await Promise.all(
      halves.map((half, index) => half.write((frames[index] as Buffer).subarray(0, cutOf(index)))),
    );
    await expectWorking(node, 'half');
    // Nothing of a half frame is stored; finished, it is stored once.
    expect((await connection.fetch(topic, 0n)).records).toBe(0);
    const finished = [0, 1, 998, 999];
    for (const index of finished) {
      await (halves[index] as RawConnection).write((frames[index] as Buffer).subarray(cutOf(index)));
      await (halves[index] as RawConnection).ack(BigInt(index));
    }
    for (const half of halves) half.close();
    const stored = walkTlvs(await connection.fetchAll(topic)).map((record) => record.value.toString());
    expect(stored).toEqual(finished.map((index) => `frame ${index} `.repeat(100)));
    connection.close();
    await expectServing(node);
  });

  it('that comes and goes leaves nothing behind', { timeout: 240_000 }, async () => {
    const before = await node.residentBytes();
    for (let round = 0; round < 5; round++) {
      for (const connection of await crowd(node, 500)) connection.close();
    }
    await expectWorking(node, 'after-rounds');
    expect((await node.residentBytes()) - before).toBeLessThan(48 * 1024 * 1024);
  });
});

describe('limits.connections', () => {
  it('answers the first frame of one too many with 0x32 and closes it; a freed place is given again', async () => {
    const node = await startNode({ config: '[limits]\nconnections = 8\n' });
    const allowed = await crowd(node, 8);
    for (const connection of allowed) await expectOpen(connection);
    const surplus = await node.connect();
    const batch = await surplus.ingest(0, raw('too many'));
    const error = decodeError(await surplus.next());
    expect(error.code).toBe(ErrorCode.connectionLimit);
    expect(error.details).toMatchObject({ batch_id: Number(batch) });
    await surplus.closed();
    for (const connection of allowed) await expectOpen(connection);
    allowed.pop()?.close();
    for (let attempt = 0; ; attempt++) {
      const again = await RawConnection.open(node.lwp);
      await again.control(Command.listTopics);
      const answer = await again.next();
      again.close();
      if (answer.batchId === BigInt(Command.topicResponse)) break;
      expect(attempt, 'the freed place must be given again').toBeLessThan(1_000);
      await sleep(50);
    }
    for (const connection of allowed) connection.close();
    await node.stop();
  });
});
