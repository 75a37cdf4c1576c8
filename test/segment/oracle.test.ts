/** `inspect --json` against a reader that shares nothing with it: Python, by docs/formats.md alone, field by field. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Command, commitPayload, raw, tlv } from '../harness/lwp.js';
import { ROOT, runLance, startNode } from '../harness/node.js';
import { SMALL_SEGMENTS, seed } from '../harness/seeded-directory.js';

const hasPython = spawnSync('python3', ['--version']).status === 0;

function lines(text: string): unknown[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function oracle(mode: string, path: string): unknown[] {
  const run = spawnSync('python3', [join(ROOT, 'test/segment/oracle.py'), mode, path], {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  expect([run.status, run.stderr]).toEqual([0, '']);
  return lines(run.stdout);
}

/** What `inspect` lists of a path behind the lines of its files. */
async function listed(path: string, flag: string): Promise<unknown[]> {
  const { stdout, code } = await runLance(['segment', 'inspect', path, flag, '--json']);
  expect(code).toBe(0);
  return lines(stdout).filter((line) => !Object.hasOwn(line as object, 'problems'));
}

/** One record of each type that has an inside. */
function typedRecords(): Buffer {
  const time = Buffer.alloc(8);
  time.writeBigUInt64LE(1_700_000_000_123_456_789n);
  const key = Buffer.from([3, 0, ...Buffer.from('key')]);
  return Buffer.concat([
    tlv(0x10, Buffer.concat([key, Buffer.from('value')])),
    tlv(0x11, Buffer.concat([time, Buffer.from([0xff, 0x00, 0xfe])])),
    tlv(0x12, Buffer.concat([time, key, Buffer.from('gr\u00fc\u00df Gott')])),
    tlv(0x02, Buffer.from('{"a":[1,2]}')),
    tlv(0x90, Buffer.from([1, 2, 3])),
    tlv(0xff, Buffer.alloc(0)),
    raw(''),
  ]);
}

describe.skipIf(!hasPython)('inspect and an independent reader (needs python3) agree', () => {
  const dirs: Record<'drained' | 'killed', string> = { drained: '', killed: '' };
  beforeAll(async () => {
    for (const end of ['drained', 'killed'] as const) {
      const node = await startNode({ config: SMALL_SEGMENTS });
      await seed(node);
      const connection = await node.connect('crc32c');
      const id = await connection.createTopic('typed');
      for (let n = 0; n < 3; n++) await connection.ingestAcked(id, typedRecords(), { recordCount: 7 });
      await connection.request(
        Command.commitOffset,
        commitPayload(id, 2n ** 64n - 1n, 20n),
        Command.commitAck,
      );
      connection.close();
      dirs[end] = node.dataDir;
      if (end === 'drained') await node.stop();
      else await node.kill();
    }
  }, 240_000);

  it('on every field of every file of a drained data directory', { timeout: 240_000 }, async () => {
    const { stdout, code } = await runLance(['segment', 'inspect', dirs.drained, '--json']);
    expect(code).toBe(0);
    const ours = lines(stdout);
    expect(ours.length).toBeGreaterThan(12);
    expect(ours).toEqual(oracle('files', dirs.drained));
  });

  it.each(['batches', 'records', 'index'])('on every field of all %s', { timeout: 240_000 }, async (what) => {
    for (const topic of ['rotated', 'typed']) {
      const path = join(dirs.drained, 'segments', topic);
      const ours = await listed(path, `--${what}`);
      expect(ours.length).toBeGreaterThan(0);
      expect(ours).toEqual(oracle(what, path));
    }
  });

  it('on every field of every journal block and what is in it', { timeout: 240_000 }, async () => {
    const path = join(dirs.killed, 'journal');
    const ours = await listed(path, '--batches');
    expect(ours.length).toBeGreaterThan(20);
    expect(ours).toEqual(oracle('blocks', path));
  });
});
