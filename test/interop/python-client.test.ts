/** `lnc-client` from PyPI as a black box. */
import { createHash } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { walkTlvs } from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import { needs } from '../harness/programs.js';
import { verifiedTopic } from '../harness/topic-files.js';
import { preparePythonClient } from './prepare.js';

const RECORDS = 100_000;
const client = preparePythonClient();

interface Roundtrip {
  topicId: number;
  sent: string;
  received: string;
  receivedRecords: number;
  pendingAcks: number;
  pinged: boolean;
}

/** As `digest` in roundtrip.py. */
function digest(stream: Buffer): string {
  const sha = createHash('sha256');
  for (const record of walkTlvs(stream)) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(record.value.length);
    sha.update(length).update(record.value);
  }
  return sha.digest('hex');
}

describe('the Python client', () => {
  let node: LanceNode;
  const run = async (command: string, topic: string, ...more: string[]): Promise<unknown> => {
    if ('missing' in client) throw new Error(client.missing);
    return client.run([command, '--address', node.endpoint, '--topic', topic, ...more]);
  };
  beforeAll(async () => {
    if (!('missing' in client)) node = await startNode();
  });
  beforeEach((context) => needs(context, 'missing' in client ? client.missing : undefined));

  async function roundtrip(topic: string, records: number, seed: number, ...more: string[]): Promise<void> {
    const result = (await run(
      'roundtrip',
      topic,
      '--records',
      String(records),
      '--seed',
      String(seed),
      ...more,
    )) as Roundtrip;
    expect(result).toMatchObject({ receivedRecords: records, pendingAcks: 0, pinged: true });
    expect(result.received).toBe(result.sent);
    const raw = await node.connect('crc32c');
    const stream = await raw.fetchAll(result.topicId);
    raw.close();
    expect(digest(stream)).toBe(result.sent);
  }

  it('produces and consumes 100,000 records, byte for byte', { timeout: 600_000 }, () =>
    roundtrip('python-plain', RECORDS, 1),
  );

  it('produces and consumes 100,000 records with compression, byte for byte', { timeout: 600_000 }, () =>
    roundtrip('python-lz4', RECORDS, 2, '--compress'),
  );

  it('pipelines frames of one record without waiting, in order', { timeout: 600_000 }, () =>
    roundtrip('python-async', 10_000, 3, '--pipelined'),
  );

  it('pipelines compressed frames of one record in order', { timeout: 600_000 }, () =>
    roundtrip('python-async-lz4', 2_000, 4, '--pipelined', '--compress'),
  );

  it('finds topics, retention, errors and pings as it expects them', { timeout: 240_000 }, async () => {
    const result = (await run('manage', 'python-manage')) as Record<string, unknown>;
    expect(result).toMatchObject({
      created: { name: 'python-manage', epoch: 1 },
      again: 'TopicAlreadyExistsError',
      noRetention: true,
      retention: [3600, 2 ** 30],
      createdRetention: [60, 2 ** 20],
      deleted: true,
      afterDelete: 'TopicNotFoundError',
      pings: [true, true, true, true, true],
    });
    expect(result.ensured).toBe((result.created as { id: number }).id);
    expect(result.listed).toContain('default');
  });

  it('waits at the end and gets what is produced afterwards, nothing else', {
    timeout: 240_000,
  }, async () => {
    const result = (await run('tail', 'python-tail')) as { idle: boolean[]; got: string[]; sent: string[] };
    expect(result.idle).toEqual([true, true, true, true, true]);
    expect(result.got).toEqual(result.sent);
  });

  it('leaves segments behind that hold exactly what it was told was stored', {
    timeout: 240_000,
  }, async () => {
    await node.stop();
    for (const topic of ['python-plain', 'python-lz4']) {
      expect(verifiedTopic(node.dataDir, topic).records).toHaveLength(RECORDS);
    }
  });
});
