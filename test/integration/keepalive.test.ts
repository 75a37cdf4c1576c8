/** Keepalives: a bucket of ten answers a connection, refilled by one a second (lwp.md, "Frames"). */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectOpen } from '../harness/expectations.js';
import { encodeFrame, Flag } from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import type { RawConnection } from '../harness/raw-connection.js';

let node: LanceNode;
beforeAll(async () => {
  node = await startNode();
});

const KEEPALIVE = encodeFrame('crc32', { flags: Flag.keepalive });

/** How many keepalives have been answered and not been taken yet; a control exchange makes sure that all are there. */
async function answered(connection: RawConnection): Promise<number> {
  await expectOpen(connection);
  const count = connection.inbox.filter((frame) => frame.flags === Flag.keepalive).length;
  connection.inbox.length = 0;
  return count;
}

describe('keepalives', () => {
  it('are answered with one, empty but for its flag', async () => {
    const connection = await node.connect();
    await connection.write(KEEPALIVE);
    expect(await connection.next()).toEqual({
      flags: Flag.keepalive,
      reserved: 0,
      batchId: 0n,
      timestampNs: 0n,
      recordCount: 0,
      topicId: 0,
      payload: Buffer.alloc(0),
    });
    connection.close();
  });

  it('thirty at once get ten answers; the eleventh is owed and comes when the bucket refills', async () => {
    const connection = await node.connect();
    const started = performance.now();
    await connection.write(Buffer.concat(Array.from({ length: 30 }, () => KEEPALIVE)));
    const first = await answered(connection);
    const elapsed = (performance.now() - started) / 1000;
    expect(first).toBeGreaterThanOrEqual(10);
    // On a stalled machine the bucket has refilled meanwhile; never by more than one a second.
    expect(first).toBeLessThanOrEqual(11 + Math.floor(elapsed));
    // Exactly one more comes, unasked for: the one that is owed. The other nineteen were absorbed.
    let all = first;
    if (all === 10) {
      await connection.take((frame) => frame.flags === Flag.keepalive, 'the keepalive that is owed');
      all += 1;
    }
    await sleep(2_500);
    expect(all + (await answered(connection))).toBe(11);
    connection.close();
  });

  it('that a client echoes, as the Python one does, do not stay in play for ever', async () => {
    const connection = await node.connect();
    await connection.write(Buffer.concat(Array.from({ length: 5 }, () => KEEPALIVE)));
    // Echo whatever comes, for four seconds: without the bucket thousands would pass.
    let echoed = 0;
    const until = performance.now() + 4_000;
    while (performance.now() < until) {
      const frame = await connection.next('a keepalive', 6_000).catch(() => undefined);
      if (!frame) break;
      echoed += 1;
      await connection.write(KEEPALIVE);
    }
    // Ten from the bucket, one a second after that, and slack for a stalled machine.
    expect(echoed).toBeLessThan(25);
    await expectOpen(connection);
    connection.close();
  });

  it('the bucket belongs to the connection', async () => {
    const [one, two] = [await node.connect(), await node.connect()];
    await one.write(Buffer.concat(Array.from({ length: 30 }, () => KEEPALIVE)));
    await answered(one);
    await two.write(KEEPALIVE);
    expect(await answered(two)).toBe(1);
    one.close();
    two.close();
  });

  it('are never sent unasked', async () => {
    const connection = await node.connect();
    await expectOpen(connection);
    await sleep(2_500);
    expect(connection.inbox).toEqual([]);
    await expectOpen(connection);
    connection.close();
  });
});
