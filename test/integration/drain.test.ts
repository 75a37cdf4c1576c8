/** The end of a node: drain on SIGTERM and SIGINT, a second signal, and what is left on disk (issue 3; design.md, section 1). */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Command, encodeFrame, Flag, fetchWaitPayload, raw } from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import { faultsOf, ProducerLoad, SequenceLog } from '../harness/producer-load.js';
import { RawConnection } from '../harness/raw-connection.js';
import { copyDirectory, SMALL_SEGMENTS } from '../harness/seeded-directory.js';
import { tempDir } from '../harness/temp.js';
import { verifiedTopic } from '../harness/topic-files.js';

interface Busy {
  readonly node: LanceNode;
  readonly logs: readonly SequenceLog[];
  readonly load: readonly ProducerLoad[];
}

/** A node with four producers on two topics, at work for a while. */
async function busyNode(): Promise<Busy> {
  const node = await startNode({ config: SMALL_SEGMENTS });
  const setUp = await node.connect();
  const [one, two] = [await setUp.createTopic('one'), await setUp.createTopic('two')];
  setUp.close();
  const logs = [1, 2, 3, 4].map(
    (producer) => new SequenceLog(producer, producer <= 2 ? one : two, producer <= 2 ? 5_000 : 100),
  );
  const load = await Promise.all(logs.map((log) => ProducerLoad.start(node, log)));
  await sleep(700);
  while (logs.some((log) => log.acknowledged.length === 0)) await sleep(10);
  return { node, logs, load };
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s under load', (signal) => {
  it('drains: exit 0, every acknowledged record in the segments, the directory complete without its journal', {
    timeout: 240_000,
  }, async () => {
    const { node, logs, load } = await busyNode();
    node.signal(signal);
    const exit = await node.exit();
    await Promise.all(load.map((producer) => producer.done));
    expect({ code: exit.code, signal: exit.signal }).toEqual({ code: 0, signal: null });
    expect(logs.every((log) => log.acknowledged.length > 0)).toBe(true);
    const copy = join(tempDir('no-journal'), 'data');
    copyDirectory(node.dataDir, copy);
    rmSync(join(copy, 'journal'), { recursive: true });
    const byTopic = { one: logs.slice(0, 2), two: logs.slice(2) };
    for (const [topic, own] of Object.entries(byTopic)) {
      expect(faultsOf(verifiedTopic(copy, topic).stream, own)).toEqual([]);
    }
    // And a node takes it over as it is.
    const again = await startNode({ dataDir: copy, config: SMALL_SEGMENTS });
    const reader = await again.connect();
    for (const [topic, own] of Object.entries(byTopic)) {
      const id = own[0]?.topic as number;
      expect(faultsOf(await reader.fetchAll(id), own), topic).toEqual([]);
    }
    reader.close();
    await again.stop();
  });
});

describe('a drain', () => {
  it('does not wait for half a frame, nor for a FetchWait of ten minutes, nor for idle connections', {
    timeout: 240_000,
  }, async () => {
    // Waiting for the frame would take longer than drain.timeout, and the node end with 1.
    const node = await startNode({ config: '[limits]\nframe_timeout = "10m"\n' });
    const connections = [
      await node.connect('crc32c'),
      await node.connect('crc32c'),
      await node.connect('crc32c'),
    ];
    const [waiting, half] = connections as [RawConnection, RawConnection];
    const topic = await waiting.createTopic('waited-for');
    await waiting.hello();
    await waiting.control(Command.fetchWait, fetchWaitPayload(topic, 0n, 1024, 1, 600_000));
    const frame = encodeFrame('crc32c', {
      flags: Flag.batch,
      topicId: topic,
      payload: raw('x'.repeat(1000)),
    });
    await half.write(frame.subarray(0, 100));
    expect((await node.stop()).stderr).not.toContain('not drained');
    for (const connection of connections) connection.close();
  });

  it('accepts nobody any more once it is over, and answered what it had taken', {
    timeout: 240_000,
  }, async () => {
    const node = await startNode();
    const connection = await node.connect();
    const topic = await connection.createTopic('last-words');
    for (let index = 0; index < 200; index++)
      await connection.ingest(topic, raw(`r${index}`), { batchId: BigInt(index) });
    await connection.ack(0n);
    await node.stop();
    await connection.closed();
    // Acks came in order without a gap; what was acknowledged is stored.
    const acked = connection.inbox.filter((frame) => frame.flags === Flag.ack).map((frame) => frame.batchId);
    expect(acked).toEqual(acked.map((_, index) => BigInt(index + 1)));
    expect(verifiedTopic(node.dataDir, 'last-words').records.length).toBeGreaterThanOrEqual(acked.length + 1);
    await expect(RawConnection.open(node.lwp)).rejects.toThrow(/ECONNREFUSED/);
  });
});

describe('a second signal', () => {
  it('ends the node at once with exit 1, and nothing acknowledged is lost', {
    timeout: 240_000,
  }, async () => {
    const { node, logs, load } = await busyNode();
    // Both at once for the node, whatever comes between the two here: the drain could be over by then.
    node.signal('SIGSTOP');
    node.signal('SIGTERM');
    node.signal('SIGINT');
    node.signal('SIGCONT');
    const exit = await node.exit();
    await Promise.all(load.map((producer) => producer.done));
    expect({ code: exit.code, signal: exit.signal }).toEqual({ code: 1, signal: null });
    const again = await node.restart();
    const reader = await again.connect();
    for (const own of [logs.slice(0, 2), logs.slice(2)]) {
      expect(faultsOf(await reader.fetchAll(own[0]?.topic as number), own)).toEqual([]);
    }
    reader.close();
    await again.stop();
  });
});
