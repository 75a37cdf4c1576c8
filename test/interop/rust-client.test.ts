/** `lnc-client` from crates.io as a black box. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { random } from '../harness/data.js';
import { walkTlvs } from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import { needs } from '../harness/programs.js';
import { verifiedTopic } from '../harness/topic-files.js';
import { prepareRustClient } from './prepare.js';

const RECORDS = 100_000;
const client = await prepareRustClient();

/** As `make_records` in rust-client/src/main.rs. */
function makeRecords(seed: number, count: number): Buffer[] {
  const next = random(seed);
  return Array.from({ length: count }, (_, index) => {
    const body = Buffer.alloc(next() % 60);
    for (let at = 0; at < body.length; at++) body[at] = next() & 0xff;
    return Buffer.concat([Buffer.from(`${seed}/${index}/`), body]);
  });
}

describe('the Rust client', () => {
  let node: LanceNode;
  const run = async (
    command: string,
    topic: string,
    records: number,
    seed: number,
  ): Promise<Record<string, unknown>> => {
    if ('missing' in client) throw new Error(client.missing);
    return (await client.run([command, node.endpoint, topic, String(records), String(seed)])) as Record<
      string,
      unknown
    >;
  };
  beforeAll(async () => {
    if (!('missing' in client)) node = await startNode();
  });
  beforeEach((context) => needs(context, 'missing' in client ? client.missing : undefined));

  it('produces and consumes 100,000 records, byte for byte', { timeout: 600_000 }, async () => {
    const result = await run('roundtrip', 'rust-plain', RECORDS, 5);
    expect(result).toMatchObject({ equal: true, received: RECORDS, sentRecords: RECORDS, errors: 0 });
    const raw = await node.connect('crc32c');
    const stream = await raw.fetchAll(result.topicId as number);
    raw.close();
    expect(result.end).toBe(stream.length);
    expect(walkTlvs(stream).map((record) => record.value)).toEqual(makeRecords(5, RECORDS));
  });

  it('subscribes by name, commits, seeks to the end and unsubscribes', { timeout: 240_000 }, async () => {
    const result = await run('standalone', 'rust-plain', RECORDS, 5);
    expect(result).toMatchObject({ equal: true, received: RECORDS, atEnd: true, ping: true });
    expect(result.committed).toBe(result.end);
  });

  it('stores bare bytes without TLV headers, frame by frame', { timeout: 240_000 }, async () => {
    const count = 50;
    const { topicId } = await run('bare', 'rust-bare', count, 6);
    const raw = await node.connect();
    const stream = await raw.fetchAll(topicId as number);
    raw.close();
    const stored = walkTlvs(stream);
    expect(stored.every((record) => record.type === 0x01)).toBe(true);
    expect(Buffer.concat(stored.map((record) => record.value))).toEqual(Buffer.concat(makeRecords(6, count)));
  });

  it('finds topics, retention, errors, subscriptions and status as it expects them', {
    timeout: 240_000,
  }, async () => {
    expect(await run('manage', 'rust-manage', 0, 0)).toMatchObject({
      sameId: true,
      name: 'rust-manage',
      epoch: 1,
      noRetention: true,
      retention: [3600, 2 ** 30],
      gone: true,
      refused: true,
      subscribedAt: 0,
      committed: 6,
      leader: true,
      nodes: 1,
      quorum: true,
      pooled: true,
    });
  });

  it('leaves a segment behind that holds exactly what it was told was stored', {
    timeout: 240_000,
  }, async () => {
    await node.stop();
    expect(verifiedTopic(node.dataDir, 'rust-plain').records).toHaveLength(RECORDS);
  });
});
