/** Topics that are not there, names that must not be, control payloads that are no such thing (lwp.md, "Control commands"). */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectIngestError, expectOpen, expectServing, topicName } from '../../harness/expectations.js';
import {
  Command,
  commitPayload,
  consumerPayload,
  createWithRetentionPayload,
  ErrorCode,
  fetchPayload,
  fetchWaitPayload,
  locatePayload,
  pack,
  raw,
  subscribePayload,
} from '../../harness/lwp.js';
import { type LanceNode, startNode } from '../../harness/node.js';

let node: LanceNode;
beforeAll(async () => {
  node = await startNode();
});

/** Every command that names a topic, with a payload that is right but for the id. */
const naming: ReadonlyArray<readonly [string, number, (topic: number) => Buffer]> = [
  ['DeleteTopic', Command.deleteTopic, (topic) => pack([4, topic])],
  ['GetTopic', Command.getTopic, (topic) => pack([4, topic])],
  ['SetRetention', Command.setRetention, (topic) => pack([4, topic], [8, 1], [8, 0])],
  ['Fetch', Command.fetch, (topic) => fetchPayload(topic, 0n, 1024)],
  ['Subscribe', Command.subscribe, (topic) => subscribePayload(topic, 0n, 1024, 1n)],
  ['CommitOffset', Command.commitOffset, (topic) => commitPayload(topic, 1n, 0n)],
  ['FetchWait', Command.fetchWait, (topic) => fetchWaitPayload(topic, 0n, 1024, 1, 1000)],
  ['Locate', Command.locate, (topic) => locatePayload(topic, 0, 0n)],
  ['GetCommitted', Command.getCommitted, (topic) => consumerPayload(topic, 1n)],
  [
    'SetTopic',
    Command.setTopic,
    (topic) => Buffer.concat([pack([4, topic]), Buffer.from('{"durability":"written"}')]),
  ],
  ['DescribeTopic', Command.describeTopic, (topic) => pack([4, topic])],
  ['FetchBatches', Command.fetchBatches, (topic) => fetchWaitPayload(topic, 0n, 1024, 1, 1000)],
];

describe('a topic that never was', () => {
  it('refuses an ingest with 0x10 that names the batch; nothing else changes', async () => {
    const connection = await node.connect();
    await connection.ingest(4_000_000, raw('x'), { batchId: 12n });
    await expectIngestError(connection, 12n, ErrorCode.topicNotFound);
    await expectOpen(connection);
    connection.close();
  });

  it.each(naming)('is 0x10 for %s', async (_, command, payload) => {
    const connection = await node.connect('crc32c');
    await connection.hello();
    expect((await connection.refused(command, payload(4_000_000))).code).toBe(ErrorCode.topicNotFound);
    expect((await connection.refused(command, payload(0xffff_ffff))).code).toBe(ErrorCode.topicNotFound);
    await expectOpen(connection);
    connection.close();
  });
});

describe('a deleted topic', () => {
  let deleted: number;
  beforeAll(async () => {
    const connection = await node.connect();
    deleted = await connection.createTopic(topicName('doomed'));
    await connection.ingestAcked(deleted, raw('gone soon'));
    await connection.request(Command.deleteTopic, pack([4, deleted]), Command.topicResponse);
    connection.close();
  });

  it('refuses an ingest with 0x13 that names the batch', async () => {
    const connection = await node.connect();
    await connection.ingest(deleted, raw('x'), { batchId: 13n });
    await expectIngestError(connection, 13n, ErrorCode.topicDeleted);
    await expectOpen(connection);
    connection.close();
  });

  it.each(naming)('is 0x13 for %s', async (_, command, payload) => {
    const connection = await node.connect('crc32c');
    await connection.hello();
    expect((await connection.refused(command, payload(deleted))).code).toBe(ErrorCode.topicDeleted);
    await expectOpen(connection);
    connection.close();
  });
});

describe('topic names', () => {
  const bad: ReadonlyArray<readonly [string, Buffer]> = [
    ['an empty one', Buffer.alloc(0)],
    ['.', Buffer.from('.')],
    ['..', Buffer.from('..')],
    ['a traversal', Buffer.from('../escaped')],
    ['a deep traversal', Buffer.from('../../../../../../tmp/lance-escaped')],
    ['an absolute path', Buffer.from('/tmp/lance-escaped')],
    ['a slash', Buffer.from('a/b')],
    ['a backslash', Buffer.from('a\\b')],
    ['a NUL', Buffer.from('a\0b')],
    ['a tilde', Buffer.from('a~')],
    ['a blank', Buffer.from('a b')],
    ['a newline', Buffer.from('a\n')],
    ['a letter outside ASCII', Buffer.from('größe')],
    ['no UTF-8', Buffer.from([0x61, 0xff, 0xfe])],
    ['250 bytes', Buffer.alloc(250, 'a')],
    ['a mebibyte', Buffer.alloc(1024 * 1024, 'a')],
  ];
  it.each(bad)('are 0x12, and no file appears anywhere: %s', async (_, name) => {
    const segments = join(node.dataDir, 'segments');
    const before = readdirSync(segments).sort();
    // But for the copy of the counters, which comes every few seconds, under a temporary name first.
    const around = () => [
      readdirSync(node.dataDir)
        .filter((one) => !one.startsWith('counters.lcf'))
        .sort(),
      readdirSync(dirname(node.dataDir)).includes('escaped'),
    ];
    const aroundBefore = around();
    const connection = await node.connect();
    expect((await connection.refused(Command.createTopic, name)).code).toBe(ErrorCode.invalidTopicName);
    if (name.length < 65_536) {
      const payload = Buffer.concat([pack([2, name.length]), name, pack([8, 0], [8, 0])]);
      const error = await connection.refused(Command.createTopicWithRetention, payload);
      expect(error.code).toBe(ErrorCode.invalidTopicName);
    }
    await expectOpen(connection);
    connection.close();
    expect(readdirSync(segments).sort()).toEqual(before);
    expect(around()).toEqual(aroundBefore);
    expect(readdirSync('/tmp')).not.toContain('lance-escaped');
  });

  it.each(['a', '-', '_', '...', 'A.b_c-9', '.hidden', 'x'.repeat(249)])('may be %s', async (name) => {
    const connection = await node.connect();
    const topic = await connection.createTopic(name);
    await connection.ingestAcked(topic, raw(name));
    expect(readdirSync(join(node.dataDir, 'segments'))).toContain(name);
    expect((await connection.refused(Command.createTopic, Buffer.from(name))).code).toBe(
      ErrorCode.topicExists,
    );
    connection.close();
  });

  it('differ by case', async () => {
    const connection = await node.connect();
    const lower = await connection.createTopic('case');
    expect(await connection.createTopic('CASE')).not.toBe(lower);
    connection.close();
  });

  it('`default` exists always and cannot be created or deleted', async () => {
    const connection = await node.connect();
    expect((await connection.refused(Command.createTopic, Buffer.from('default'))).code).toBe(
      ErrorCode.topicExists,
    );
    expect((await connection.refused(Command.deleteTopic, pack([4, 0]))).code).toBe(ErrorCode.accessDenied);
    await connection.ingestAcked(0, raw('to the default topic'));
    connection.close();
  });
});

describe('control payloads', () => {
  const exact: ReadonlyArray<readonly [string, number, (topic: number) => Buffer]> = naming.filter(
    ([name]) => name !== 'SetTopic',
  );
  it.each([
    ...exact,
    ['Unsubscribe', Command.unsubscribe, (topic: number) => consumerPayload(topic, 1n)] as const,
  ])('are 0x04 when %s is a byte short, a byte long or empty', async (_, command, payload) => {
    const connection = await node.connect('crc32c');
    await connection.hello();
    const topic = await connection.createTopic(topicName('exact'));
    const whole = payload(topic);
    for (const wrong of [whole.subarray(1), Buffer.concat([whole, Buffer.of(0)]), Buffer.alloc(0)]) {
      expect((await connection.refused(command, wrong)).code).toBe(ErrorCode.invalidPayload);
    }
    await expectOpen(connection);
    connection.close();
  });

  it.each([
    ['ListTopics', Command.listTopics],
    ['GetClusterStatus', Command.getClusterStatus],
  ])('are 0x04 when %s has one at all', async (_, command) => {
    const connection = await node.connect();
    expect((await connection.refused(command, Buffer.of(1))).code).toBe(ErrorCode.invalidPayload);
    await expectOpen(connection);
    connection.close();
  });

  it('are 0x04 when CreateTopicWithRetention lies about the length of its name', async () => {
    const connection = await node.connect();
    const payload = createWithRetentionPayload('liar', 1n, 1n);
    const lying = Buffer.from(payload);
    for (const length of [3, 5, 0xffff]) {
      lying.writeUInt16LE(length, 0);
      const error = await connection.refused(Command.createTopicWithRetention, lying);
      expect(error.code).toBe(ErrorCode.invalidPayload);
    }
    for (const wrong of [Buffer.alloc(0), Buffer.of(4), payload.subarray(0, payload.length - 1)]) {
      const error = await connection.refused(Command.createTopicWithRetention, wrong);
      expect(error.code).toBe(ErrorCode.invalidPayload);
    }
    connection.close();
  });

  it.each([
    '',
    '[]',
    'null',
    '"hello"',
    '{',
    '{"client":"x"} trailing',
    '{"order":"random"}',
    '{"reads":"maybe"}',
  ])('are 0x04 when Hello says %s', async (text) => {
    const connection = await node.connect();
    expect((await connection.refused(Command.hello, Buffer.from(text))).code).toBe(ErrorCode.invalidPayload);
    await expectOpen(connection);
    connection.close();
  });

  it.each(['', '[]', '{"durability":"sometimes"}', '{"durability":1}', '{"colour":"red"}', 'not json'])(
    'are 0x04 when SetTopic says %s',
    async (text) => {
      const connection = await node.connect();
      const topic = await connection.createTopic(topicName('set'));
      const payload = Buffer.concat([pack([4, topic]), Buffer.from(text)]);
      expect((await connection.refused(Command.setTopic, payload)).code).toBe(ErrorCode.invalidPayload);
      await expectOpen(connection);
      connection.close();
    },
  );

  it('are 0x04 when Locate asks for a kind that is none', async () => {
    const connection = await node.connect();
    const topic = await connection.createTopic(topicName('locate'));
    for (const kind of [4, 9, 255]) {
      const error = await connection.refused(Command.locate, locatePayload(topic, kind, 0n));
      expect(error.code).toBe(ErrorCode.invalidPayload);
    }
    await expectOpen(connection);
    connection.close();
  });

  it('may be anything for Authenticate while there is no authentication', async () => {
    const connection = await node.connect();
    for (const token of [Buffer.alloc(0), Buffer.from('secret'), Buffer.from([0xff, 0x00])]) {
      const frame = await connection.request(Command.authenticate, token, Command.authenticateResponse);
      expect(frame.payload[0]).toBe(1);
      expect(frame.payload.toString('utf8', 1)).toBe('not required');
    }
    connection.close();
  });

  it('of 12 MiB do no harm', { timeout: 240_000 }, async () => {
    const connection = await node.connect();
    const error = await connection.refused(Command.setTopic, Buffer.alloc(12 * 1024 * 1024, '{'));
    expect([ErrorCode.invalidPayload, ErrorCode.topicNotFound]).toContain(error.code);
    await expectOpen(connection);
    connection.close();
    await expectServing(node);
  });
});
