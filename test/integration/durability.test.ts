/** `durable` and `written`, by topic and by default (design.md, "Write path"). */
import { describe, expect, it } from 'vitest';
import { Command, pack, raw } from '../harness/lwp.js';
import { startNode } from '../harness/node.js';
import { setWritten } from '../harness/producer-load.js';
import type { RawConnection } from '../harness/raw-connection.js';
import { readMetadata, verifiedTopic } from '../harness/topic-files.js';

async function durabilityOf(connection: RawConnection, topic: number): Promise<unknown> {
  const frame = await connection.request(Command.describeTopic, pack([4, topic]), Command.topicResponse);
  return (JSON.parse(frame.payload.toString()) as { durability: unknown }).durability;
}

describe('durability', () => {
  it('is durable by default; SetTopic changes it, and a restart keeps it', { timeout: 240_000 }, async () => {
    const node = await startNode();
    expect(node.ready.durability).toBe('durable');
    const connection = await node.connect();
    const topic = await connection.createTopic('changing');
    expect(await durabilityOf(connection, topic)).toBe('durable');
    await setWritten(connection, topic);
    expect(await durabilityOf(connection, topic)).toBe('written');
    connection.close();
    await node.stop();
    expect(readMetadata(node.dataDir, 'changing').durability).toBe('written');
    const again = await node.restart();
    const second = await again.connect();
    expect(await durabilityOf(second, topic)).toBe('written');
    second.close();
    await again.stop();
  });

  it('io.durability sets what new topics get', { timeout: 240_000 }, async () => {
    const node = await startNode({ config: '[io]\ndurability = "written"\n' });
    expect(node.ready.durability).toBe('written');
    const connection = await node.connect();
    expect(await durabilityOf(connection, await connection.createTopic('new'))).toBe('written');
    connection.close();
    await node.stop();
  });

  it('a written topic is readable at its ack, survives SIGKILL of the process, and is whole on disk', {
    timeout: 240_000,
  }, async () => {
    const node = await startNode();
    const connection = await node.connect();
    const topic = await connection.createTopic('fast');
    await setWritten(connection, topic);
    const parts: Buffer[] = [];
    for (let index = 0; index < 300; index++) {
      const record = raw(Buffer.alloc(index % 10 === 0 ? 100_000 : 300, index));
      await connection.ingestAcked(topic, record);
      parts.push(record);
      if (index % 50 === 0)
        expect(
          (await connection.fetch(topic, BigInt(Buffer.concat(parts).length - record.length))).records,
        ).toBe(1);
    }
    await node.kill();
    const again = await node.restart();
    const second = await again.connect();
    expect((await second.fetchAll(topic)).equals(Buffer.concat(parts))).toBe(true);
    second.close();
    await again.stop();
    expect(verifiedTopic(node.dataDir, 'fast').stream.equals(Buffer.concat(parts))).toBe(true);
  });

  it.each([
    ['large frames', 64_000, 400],
    ['small ones, through the journal', 4_000, 6_000],
  ])(
    'what is written is flushed ahead of a long interval where the device has time: %s',
    {
      timeout: 240_000,
    },
    async (_, bytes, frames) => {
      const node = await startNode({ config: '[io]\nflush_interval = "1h"\n' });
      const connection = await node.connect();
      const topic = await connection.createTopic('flushed');
      await setWritten(connection, topic);
      const record = raw(Buffer.alloc(bytes, 7));
      for (let index = 0; index < frames; index++) await connection.ingestAcked(topic, record);
      connection.close();
      await node.stop();
      const batches = verifiedTopic(node.dataDir, 'flushed').segments.flatMap((segment) => segment.batches);
      const last = batches.at(-1);
      // Of 24 MB, no more than some of the last is not durable yet when the last batch is made.
      expect(Number(last?.baseOffset)).toBeGreaterThan(20_000_000);
      expect(Number(last?.durableOffset)).toBeGreaterThan(Number(last?.baseOffset) / 2);
    },
  );
});
