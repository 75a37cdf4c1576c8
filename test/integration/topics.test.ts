/** Topics over LWP: creating, listing, changing, deleting, and their ids (lwp.md, formats.md). */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { topicName } from '../harness/expectations.js';
import { Command, createWithRetentionPayload, ErrorCode, pack, raw } from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import { NodeError, type RawConnection } from '../harness/raw-connection.js';
import { readMetadata, topicDirectory, verifiedTopic } from '../harness/topic-files.js';

interface TopicJson {
  id: number;
  name: string;
  created_at: number;
  topic_epoch: number;
  retention?: { max_age_secs: number; max_bytes: number };
  [more: string]: unknown;
}

async function topicJson(connection: RawConnection, code: number, payload: Buffer): Promise<TopicJson> {
  const frame = await connection.request(code, payload, Command.topicResponse);
  return JSON.parse(frame.payload.toString()) as TopicJson;
}

async function listed(connection: RawConnection): Promise<TopicJson[]> {
  const frame = await connection.request(Command.listTopics, Buffer.alloc(0), Command.topicResponse);
  return (JSON.parse(frame.payload.toString()) as { topics: TopicJson[] }).topics;
}

async function deleteTopic(connection: RawConnection, id: number): Promise<void> {
  const frame = await connection.request(Command.deleteTopic, pack([4, id]), Command.topicResponse);
  expect(JSON.parse(frame.payload.toString())).toEqual({ deleted: id });
}

describe('topics', () => {
  let node: LanceNode;
  beforeAll(async () => {
    node = await startNode();
  });

  it('a fresh node has `default` alone, with id 0', async () => {
    const fresh = await startNode();
    const connection = await fresh.connect();
    expect(await listed(connection)).toMatchObject([{ id: 0, name: 'default', topic_epoch: 1 }]);
    connection.close();
    await fresh.stop();
  });

  it('tell id, name, time of creation and epoch; retention only once one is set', async () => {
    const connection = await node.connect();
    const name = topicName('facts');
    const before = Math.floor(Date.now() / 1000);
    const created = await topicJson(connection, Command.createTopic, Buffer.from(name));
    expect(created).toEqual({ id: created.id, name, created_at: created.created_at, topic_epoch: 1 });
    expect(created.created_at).toBeGreaterThanOrEqual(before - 1);
    expect(created.created_at).toBeLessThanOrEqual(Date.now() / 1000 + 1);
    expect(await topicJson(connection, Command.getTopic, pack([4, created.id]))).toEqual(created);
    const kept = await topicJson(
      connection,
      Command.setRetention,
      pack([4, created.id], [8, 3600], [8, 1 << 20]),
    );
    const withRetention = { ...created, retention: { max_age_secs: 3600, max_bytes: 1 << 20 } };
    expect(kept).toEqual(withRetention);
    expect(await topicJson(connection, Command.getTopic, pack([4, created.id]))).toEqual(withRetention);
    expect(await listed(connection)).toContainEqual(withRetention);
    expect(readMetadata(node.dataDir, name)).toMatchObject({
      format: 1,
      ...withRetention,
      durability: 'durable',
    });
    connection.close();
  });

  it('can be created with a retention', async () => {
    const connection = await node.connect();
    const name = topicName('kept');
    const payload = createWithRetentionPayload(name, 60n, 5_000_000n);
    const created = await topicJson(connection, Command.createTopicWithRetention, payload);
    expect(created).toMatchObject({ name, retention: { max_age_secs: 60, max_bytes: 5_000_000 } });
    connection.close();
  });

  it('get ids without gaps, which are never given again, not after a restart either', {
    timeout: 240_000,
  }, async () => {
    const own = await startNode();
    const connection = await own.connect();
    const ids: number[] = [];
    for (let index = 0; index < 5; index++) ids.push(await connection.createTopic(`t${index}`));
    expect(ids).toEqual([1, 2, 3, 4, 5]);
    await deleteTopic(connection, 2);
    await deleteTopic(connection, 5);
    expect(await connection.createTopic('t5')).toBe(6);
    await deleteTopic(connection, 6);
    connection.close();
    await own.kill();
    const again = await own.restart();
    const second = await again.connect();
    expect((await listed(second)).map((topic) => topic.id).sort((a, b) => a - b)).toEqual([0, 1, 3, 4]);
    expect(await second.createTopic('t5')).toBe(7);
    for (const id of [2, 5, 6]) {
      expect((await second.refused(Command.getTopic, pack([4, id]))).code).toBe(ErrorCode.topicDeleted);
    }
    expect((await second.refused(Command.getTopic, pack([4, 8]))).code).toBe(ErrorCode.topicNotFound);
    second.close();
    await again.stop();
  });

  it('take their files with them when they are deleted, and a namesake starts empty', {
    timeout: 240_000,
  }, async () => {
    const connection = await node.connect();
    const name = topicName('mortal');
    const first = await connection.createTopic(name);
    for (let index = 0; index < 20; index++)
      await connection.ingestAcked(first, raw(Buffer.alloc(100_000, index)));
    expect(readdirSync(topicDirectory(node.dataDir, name)).length).toBeGreaterThan(1);
    await deleteTopic(connection, first);
    for (let attempt = 0; existsSync(topicDirectory(node.dataDir, name)); attempt++) {
      expect(attempt, 'the files must go').toBeLessThan(1_000);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const second = await connection.createTopic(name);
    expect(second).not.toBe(first);
    expect(await connection.fetch(second, 0n)).toMatchObject({ nextOffset: 0n, records: 0 });
    await connection.ingestAcked(second, raw('new life'));
    expect((await connection.fetch(second, 0n)).data.equals(raw('new life'))).toBe(true);
    connection.close();
  });

  it('can be deleted under load: each frame is acknowledged or refused with 0x13, none is lost elsewhere', {
    timeout: 240_000,
  }, async () => {
    const connection = await node.connect();
    const other = await node.connect();
    const doomed = await connection.createTopic(topicName('doomed'));
    const safe = await connection.createTopic(topicName('safe'));
    for (let index = 0; index < 400; index++) {
      await connection.ingest(index % 2 === 0 ? doomed : safe, raw(`r${index}`), { batchId: BigInt(index) });
      if (index === 200) void other.control(Command.deleteTopic, pack([4, doomed]));
    }
    let refused = 0;
    for (let index = 0; index < 400; index++) {
      await connection.ack(BigInt(index)).catch((error: unknown) => {
        if (!(error instanceof NodeError) || index % 2 === 1) throw error;
        expect(error.wire.code).toBe(ErrorCode.topicDeleted);
        refused += 1;
      });
    }
    expect((await connection.fetch(safe, 0n)).records).toBe(200);
    expect(refused).toBeLessThanOrEqual(200);
    connection.close();
    other.close();
  });

  it('may be created by many connections at once: one wins each name, the others get 0x11', async () => {
    const connections = await Promise.all(Array.from({ length: 8 }, () => node.connect()));
    const name = topicName('race');
    const results = await Promise.allSettled(connections.map((connection) => connection.createTopic(name)));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected')
        expect((result.reason as NodeError).wire.code).toBe(ErrorCode.topicExists);
    }
    for (const connection of connections) connection.close();
  });

  it('500 of them take records each and survive a restart', { timeout: 240_000 }, async () => {
    const own = await startNode();
    const connection = await own.connect();
    const ids: number[] = [];
    for (let index = 0; index < 500; index++) ids.push(await connection.createTopic(`many-${index}`));
    for (const [index, id] of ids.entries())
      await connection.ingest(id, raw(`of ${index}`), { batchId: BigInt(index) });
    for (const index of ids.keys()) await connection.ack(BigInt(index));
    connection.close();
    await own.stop();
    const again = await own.restart();
    const second = await again.connect();
    for (const [index, id] of ids.entries()) {
      expect((await second.fetch(id, 0n)).data.equals(raw(`of ${index}`))).toBe(true);
    }
    second.close();
    await again.stop();
    expect(readdirSync(join(own.dataDir, 'segments'))).toHaveLength(501);
    for (const index of [0, 250, 499])
      expect(verifiedTopic(own.dataDir, `many-${index}`).records).toHaveLength(1);
  });

  it('DescribeTopic tells durability, range and size', async () => {
    const connection = await node.connect();
    const topic = await connection.createTopic(topicName('described'));
    const payload = Buffer.concat([raw('one'), raw('two'), raw('three')]);
    const empty = await topicJson(connection, Command.describeTopic, pack([4, topic]));
    expect(empty).toMatchObject({
      id: topic,
      durability: 'durable',
      first_offset: 0,
      end_offset: 0,
      first_record: 0,
      end_record: 0,
    });
    await connection.ingestAcked(topic, payload);
    const filled = await topicJson(connection, Command.describeTopic, pack([4, topic]));
    expect(filled).toMatchObject({
      first_offset: 0,
      end_offset: payload.length,
      first_record: 0,
      end_record: 3,
    });
    expect(filled.bytes).toBeGreaterThanOrEqual(payload.length);
    expect(filled.segments).toEqual(expect.any(Number));
    connection.close();
  });

  it('GetClusterStatus answers for one node', async () => {
    const connection = await node.connect();
    const frame = await connection.request(
      Command.getClusterStatus,
      Buffer.alloc(0),
      Command.clusterStatusResponse,
    );
    const id = node.ready.nodeId;
    expect(JSON.parse(frame.payload.toString())).toMatchObject({
      node_id: id,
      is_leader: true,
      leader_id: id,
      current_term: expect.any(Number),
      node_count: 1,
      healthy_nodes: 1,
      quorum_available: true,
      peer_states: expect.any(Object),
    });
    connection.close();
  });
});
