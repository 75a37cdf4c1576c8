import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Admin, Connection, parseEndpoints } from '../../src/client/index.js';
import { Command } from '../../src/protocol/index.js';
import { freePort } from '../harness/ports.js';
import { FakeNode } from '../support/fake-node.js';

let node: FakeNode;
let admin: Admin;
beforeEach(async () => {
  node = await FakeNode.start();
  admin = await Admin.open({ endpoint: node.endpoint, timeout: 20_000 });
});
afterEach(async () => {
  admin.close();
  await node.stop();
});

describe('Admin', () => {
  it('creates, lists, describes, changes and deletes topics', async () => {
    const created = await admin.createTopic('events', {
      maxAgeSecs: 60,
      maxBytes: 1024,
      durability: 'written',
    });
    expect(created).toMatchObject({
      id: 1,
      name: 'events',
      durability: 'written',
      retention: { maxAgeSecs: 60, maxBytes: 1024 },
    });
    expect((await admin.listTopics()).map(({ name }) => name)).toEqual(['default', 'events']);
    const changed = await admin.setTopic(1, { maxBytes: 2048 });
    expect(changed.retention).toEqual({ maxAgeSecs: 60, maxBytes: 2048 });
    await admin.deleteTopic(1);
    await expect(admin.describeTopic(1)).rejects.toMatchObject({ code: 'TOPIC_DELETED', lwpCode: 0x13 });
    expect(await admin.clusterStatus()).toMatchObject({ is_leader: true, node_count: 1 });
  });

  it('turns error answers into errors with a code, a message and a hint', async () => {
    await expect(admin.createTopic('default')).rejects.toMatchObject({ code: 'TOPIC_EXISTS', exitCode: 1 });
    await expect(admin.createTopic('no/slash')).rejects.toMatchObject({
      code: 'INVALID_TOPIC_NAME',
      exitCode: 2,
    });
    await expect(admin.findTopic('nowhere')).rejects.toMatchObject({
      code: 'TOPIC_NOT_FOUND',
      message: 'There is no topic "nowhere".',
      hint: expect.stringContaining('lance topic list'),
    });
    await expect(admin.deleteTopic(0)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('keeps committed offsets, and knows of none where there is none', async () => {
    expect(await admin.committedOffset(0, 7n)).toBeUndefined();
    await admin.commitOffset(0, 0xffff_ffff_ffff_fff0n, 4096);
    expect(await admin.committedOffset(0, 0xffff_ffff_ffff_fff0n)).toBe(4096);
  });
});

describe('Connection', () => {
  it('matches answers that come in any order with their requests', async () => {
    let release = () => {};
    node.hold = new Promise<void>((resolve) => {
      release = resolve;
    });
    const answers = Promise.all([
      admin.listTopics(),
      admin.endOffset(0),
      admin.clusterStatus(),
      admin.describeTopic(0),
    ]);
    release();
    const [topics, end, status, described] = await answers;
    expect([topics.length, end, status.node_id, described.name]).toEqual([1, 0, 1, 'default']);
  });

  it('a request that is not answered in time fails, and its late answer disturbs nobody', async () => {
    // Long enough to connect on a machine that stands still for a while.
    const slow = await Admin.open({ endpoint: node.endpoint, timeout: 1_500 });
    let release = () => {};
    node.hold = new Promise<void>((resolve) => {
      release = resolve;
    });
    await expect(slow.listTopics()).rejects.toMatchObject({ code: 'TIMEOUT' });
    release();
    node.hold = undefined;
    expect(await slow.listTopics()).toHaveLength(1);
    slow.close();
  });

  it('rejects all that is owed when the connection is lost', async () => {
    node.hold = new Promise(() => {});
    const owed = [admin.listTopics(), admin.endOffset(0)];
    setTimeout(() => node.hangUp(), 20);
    for (const promise of owed) await expect(promise).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(admin.listTopics()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('takes the first endpoint that answers and names all when none does', async () => {
    const closed = await freePort();
    const second = await Connection.open({ endpoint: `127.0.0.1:${closed},${node.endpoint}` });
    expect(second.endpoint).toBe(node.endpoint);
    second.close();
    await expect(Connection.open({ endpoint: `127.0.0.1:${closed}` })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: `No node answers at 127.0.0.1:${closed} (connection refused).`,
    });
    expect(() => parseEndpoints('nonsense')).toThrow(/"nonsense" is no endpoint/);
  });

  it('says so when what listens there is no LANCE node', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    await expect(Connection.open({ endpoint: `127.0.0.1:${port}` })).rejects.toMatchObject({
      code: 'PROTOCOL',
    });
    server.close();
  });

  it('authenticates before it says Hello, and reports a refused token', async () => {
    node.seen.length = 0;
    const connection = await Connection.open({ endpoint: node.endpoint, token: 'secret' });
    expect(node.seen).toEqual([Command.authenticate, Command.hello]);
    connection.close();
    await expect(Connection.open({ endpoint: node.endpoint, token: 'wrong' })).rejects.toMatchObject({
      code: 'AUTHENTICATION_FAILED',
    });
  });
});
