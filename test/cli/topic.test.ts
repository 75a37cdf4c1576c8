import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lance } from '../support/cli.js';
import { FakeNode } from '../support/fake-node.js';

let node: FakeNode;
beforeAll(async () => {
  node = await FakeNode.start();
});
afterAll(() => node.stop());

const run = (...args: string[]) => lance(args, { env: { LANCE_ENDPOINT: node.endpoint } });
const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).stdout);

describe('lance topic', () => {
  it('creates, lists, describes, changes and deletes with the documented JSON', async () => {
    const limits = ['--max-age', '7d', '--max-bytes', '10GiB', '--durability', 'written'];
    const created = await json('topic', 'create', 'events', ...limits);
    const settings = {
      id: 1,
      name: 'events',
      createdAt: 1_700_000_000,
      retention: { maxAgeSecs: 604_800, maxBytes: 10 * 2 ** 30 },
      durability: 'written',
    };
    expect(created).toEqual(settings);
    const extent = { firstOffset: 0, endOffset: 0, firstRecord: 0, endRecord: 0, bytes: 0, segments: 1 };
    expect(await json('topic', 'describe', 'events')).toEqual({ ...settings, ...extent });
    expect(await json('topic', 'set', 'events', '--max-bytes', '0')).toMatchObject({
      retention: { maxAgeSecs: 604_800, maxBytes: 0 },
    });
    expect((await json('topic', 'list')).topics.map(({ name }: { name: string }) => name)).toEqual([
      'default',
      'events',
    ]);
    expect(await json('topic', 'delete', 'events', '--yes')).toEqual({ deleted: 1, name: 'events' });
  });

  it('shows tables and sentences to people', async () => {
    expect((await run('topic', 'create', 'readable')).stdout).toBe('Created topic readable with id 2.\n');
    expect((await run('topic', 'list')).stdout).toMatch(
      /^ID\s+NAME\s+CREATED\s+KEEPS\n\s*0\s+default .*everything\n/,
    );
    expect((await run('topic', 'describe', 'readable')).stdout).toContain('durability  durable');
  });

  it('fails with 1 for what the node refuses, with 2 for what was typed wrong', async () => {
    const refused = await run('topic', 'create', 'default', '--json');
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout)).toEqual({
      error: { code: 'TOPIC_EXISTS', message: 'Topic default exists.', hint: expect.any(String) },
    });
    expect(refused.stderr).toBe('');
    for (const args of [
      ['create', 'no/slash'],
      ['create'],
      ['create', 'x', '--max-age', 'soon'],
      ['create', 'x', '--durability', 'perhaps'],
      ['set', 'default'],
      ['delete', 'default'],
      ['list', '--endpoint', 'nonsense'],
    ]) {
      const { code, stdout, stderr } = await run('topic', ...args);
      expect([args.join(' '), code, stdout]).toEqual([args.join(' '), 2, '']);
      expect(stderr).toMatch(/^Error: .+[.!?]\n.+\n$/);
    }
  });

  it('says where no node answers, and what to do', async () => {
    const { code, stderr } = await lance(['topic', 'list', '--endpoint', '127.0.0.1:1,127.0.0.1:2']);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'No node answers at 127.0.0.1:1 (connection refused), 127.0.0.1:2 (connection refused).',
    );
    expect(stderr).toContain('lance serve');
  });
});
