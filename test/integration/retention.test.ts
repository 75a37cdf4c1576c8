/** Retention by size and by age, and what stays true for what is left (formats.md; lwp.md, Fetch at the edges). */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { random, rawRecords } from '../harness/data.js';
import { Command, pack, raw } from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import type { RawConnection } from '../harness/raw-connection.js';
import { SMALL_SEGMENTS } from '../harness/seeded-directory.js';
import { compareKeys } from '../harness/segment-file.js';
import { readMetadata, type StoredRecord, segmentPaths, verifiedTopic } from '../harness/topic-files.js';

const config = `${SMALL_SEGMENTS.replace('[segment]', '[segment]\nmax_age = "1s"')}[retention]\ninterval = "200ms"\n`;

interface Described {
  first_offset: number;
  end_offset: number;
  first_record: number;
  end_record: number;
  bytes: number;
  segments: number;
}

async function describeTopic(connection: RawConnection, topic: number): Promise<Described> {
  const frame = await connection.request(Command.describeTopic, pack([4, topic]), Command.topicResponse);
  return JSON.parse(frame.payload.toString()) as Described;
}

async function setRetention(
  connection: RawConnection,
  topic: number,
  maxAgeSecs: number,
  maxBytes: number,
): Promise<void> {
  const payload = pack([4, topic], [8, maxAgeSecs], [8, maxBytes]);
  await connection.request(Command.setRetention, payload, Command.topicResponse);
}

/** Asks until `done`, for a hundred seconds at most. */
async function until(
  connection: RawConnection,
  topic: number,
  done: (described: Described) => boolean,
): Promise<Described> {
  for (let attempt = 0; ; attempt++) {
    const described = await describeTopic(connection, topic);
    if (done(described)) return described;
    if (attempt > 500) throw new Error(`retention did not act: ${JSON.stringify(described)}`);
    await sleep(200);
  }
}

describe('retention', () => {
  let node: LanceNode;
  beforeAll(async () => {
    node = await startNode({ config });
  });

  async function fill(
    connection: RawConnection,
    topic: number,
    seed: number,
    mebibytes: number,
  ): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let index = 0; index < mebibytes * 8; index++) {
      const payload = Buffer.concat(rawRecords(seed + index, 250, 1_000));
      await connection.ingestAcked(topic, payload);
      parts.push(payload);
    }
    return Buffer.concat(parts);
  }

  it('by size removes whole segments from the front, and what is left keeps offsets, indexes and bytes', {
    timeout: 240_000,
  }, async () => {
    const connection = await node.connect();
    const topic = await connection.createTopic('by-size');
    const stream = await fill(connection, topic, random(1)(), 8);
    await setRetention(connection, topic, 0, 3 * 1024 * 1024);
    const left = await until(
      connection,
      topic,
      (described) => described.first_offset > 0 && described.bytes <= 4 * 1024 * 1024,
    );
    expect(left.end_offset).toBe(stream.length);
    expect(left.bytes).toBeGreaterThan(1024 * 1024);
    // Below the first kept offset: data from the first kept one.
    for (const offset of [0n, 1n, BigInt(left.first_offset) - 1n]) {
      const fetched = await connection.fetch(topic, offset, 1000);
      expect(fetched.nextOffset).toBe(BigInt(left.first_offset + fetched.data.length));
      expect(fetched.data.equals(stream.subarray(left.first_offset, Number(fetched.nextOffset)))).toBe(true);
    }
    const kept = await connection.fetchAll(topic, BigInt(left.first_offset));
    expect(kept.equals(stream.subarray(stream.length - kept.length))).toBe(true);
    connection.close();
  });

  it('by age removes everything in the end; the next record continues offset, index, key and chain, after a restart too', {
    timeout: 240_000,
  }, async () => {
    const own = await startNode({ config });
    const connection = await own.connect();
    const topic = await connection.createTopic('by-age');
    const stream = await fill(connection, topic, 77, 1);
    const before = await describeTopic(connection, topic);
    await connection.ingestAcked(topic, raw('the last one'));
    const end = stream.length + raw('the last one').length;
    await setRetention(connection, topic, 1, 0);
    const empty = await until(connection, topic, (described) => described.first_offset === end);
    expect(empty).toMatchObject({
      end_offset: end,
      first_record: before.end_record + 1,
      end_record: before.end_record + 1,
    });
    expect(await connection.fetch(topic, 0n)).toMatchObject({ nextOffset: BigInt(end), records: 0 });
    connection.close();
    await own.stop();
    expect(readMetadata(own.dataDir, 'by-age').resume).toBeDefined();
    const again = await own.restart();
    const second = await again.connect();
    await setRetention(second, topic, 0, 0);
    await second.ingestAcked(topic, raw('resumed'));
    expect((await second.fetch(topic, BigInt(end))).data.equals(raw('resumed'))).toBe(true);
    expect((await describeTopic(second, topic)).end_record).toBe(before.end_record + 2);
    second.close();
    await again.stop();
    const files = verifiedTopic(own.dataDir, 'by-age');
    expect(files.records.at(-1)).toMatchObject({
      offset: BigInt(end),
      record: BigInt(before.end_record + 1),
    });
    const batch = files.segments.at(-1)?.batches.at(-1);
    expect(batch?.previousChecksum, 'the chain goes on').not.toBe(0);
  });

  it('by age spares what is younger', { timeout: 240_000 }, async () => {
    const connection = await node.connect();
    const topic = await connection.createTopic('young');
    await setRetention(connection, topic, 3600, 0);
    const stream = await fill(connection, topic, 5, 2);
    await sleep(1_500);
    expect((await connection.fetchAll(topic)).equals(stream)).toBe(true);
    connection.close();
  });
});

describe('segment.max_age', () => {
  it('seals an active segment by age alone, and its name tells first and last timestamp', {
    timeout: 240_000,
  }, async () => {
    const node = await startNode({ config });
    const connection = await node.connect();
    const topic = await connection.createTopic('aging');
    for (let round = 0; round < 3; round++) {
      await connection.ingestAcked(topic, raw(`round ${round}`));
      const sealed = () =>
        segmentPaths(node.dataDir, 'aging').filter((path) => /_\d+-\d+\.lnc$/.test(path)).length;
      while (sealed() <= round) await sleep(50);
    }
    connection.close();
    await node.stop();
    const files = verifiedTopic(node.dataDir, 'aging');
    expect(files.records.map((record) => record.value.toString())).toEqual(['round 0', 'round 1', 'round 2']);
    expect(files.segments.filter((segment) => segment.state === 'sealed').length).toBe(3);
    for (const [index, record] of files.records.entries()) {
      if (index > 0)
        expect(compareKeys((files.records[index - 1] as StoredRecord).key, record.key)).toBeLessThan(0);
    }
  });
});

describe('a topic that is written without a pause', () => {
  it('goes on losing its oldest bytes, though its active segment has to be sealed again and again', {
    timeout: 240_000,
  }, async () => {
    // Segments never rotate by size here: each goes because retention seals it.
    const node = await startNode({ config: '[retention]\ninterval = "100ms"\n' });
    const connection = await node.connect();
    const topic = await connection.createTopic('never-idle');
    await setRetention(connection, topic, 0, 4 * 1024 * 1024);
    let writing = true;
    const producer = async () => {
      const own = await node.connect();
      const payload = Buffer.concat(rawRecords(7, 64, 1_000));
      while (writing) await own.ingestAcked(topic, payload);
      own.close();
    };
    const producers = [producer(), producer(), producer(), producer()];
    const ends: number[] = [];
    for (let removals = 0; removals < 4; removals++) {
      const last = ends.at(-1) ?? 0;
      ends.push((await until(connection, topic, ({ first_offset }) => first_offset > last)).first_offset);
    }
    writing = false;
    await Promise.all(producers);
    connection.close();
    // And the drain does not wait for a look that never ends.
    await node.stop();
  });
});
