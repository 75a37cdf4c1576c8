/** Data directories that a node cannot have, or that fill up. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectOpen, expectServing } from '../../harness/expectations.js';
import { Command, ErrorCode, pack, raw, walkTlvs } from '../../harness/lwp.js';
import { type Exit, runServeExpectingExit, startNode } from '../../harness/node.js';
import { missingForMounts, needs } from '../../harness/programs.js';
import { NodeError } from '../../harness/raw-connection.js';
import { SMALL_SEGMENTS } from '../../harness/seeded-directory.js';
import { tempDir } from '../../harness/temp.js';

function messageOf(exit: Exit): string {
  const { error } = JSON.parse(exit.stdout.trim()) as { error: { message: string; hint: string } };
  expect(exit.stderr, 'no stack trace').not.toMatch(/^\s+at .+:\d+:\d+/m);
  return `${error.message}\n${error.hint}`;
}

describe('a data directory in use', () => {
  it('refuses the second node with exit 1 and says so; the first goes on', { timeout: 240_000 }, async () => {
    const first = await startNode();
    const exit = await runServeExpectingExit({ dataDir: first.dataDir });
    expect(exit.code).toBe(1);
    expect(messageOf(exit)).toMatch(/in use|another|locked/i);
    expect(messageOf(exit)).toContain(first.dataDir);
    await expectServing(first);
    await first.kill();
    // A SIGKILL leaves no lock behind.
    const second = await startNode({ dataDir: first.dataDir });
    await second.stop();
  });
});

describe('a data directory that lost its node.json', () => {
  it('serves its topics, and says what is not as it was', { timeout: 240_000 }, async () => {
    const node = await startNode();
    const connection = await node.connect('crc32c');
    const topic = await connection.createTopic('kept');
    await connection.ingestAcked(topic, raw('kept'));
    connection.close();
    expect((await node.stop()).stderr).not.toContain('node.json');
    rmSync(join(node.dataDir, 'node.json'));
    const again = await startNode({ dataDir: node.dataDir });
    const second = await again.connect('crc32c');
    expect(walkTlvs(await second.fetchAll(topic)).map(({ value }) => value.toString())).toEqual(['kept']);
    second.close();
    const { stderr } = await again.stop();
    expect(stderr).toContain('node.json was missing and is made anew: this is node 1 with a new cluster id');
    expect(stderr).toContain(`the next topic gets id ${topic + 1}`);
    expect((await (await startNode({ dataDir: node.dataDir })).stop()).stderr).not.toContain('node.json');
  });
});

describe('a data directory that is none', () => {
  it('is exit 1 when it is a file', async () => {
    const path = join(tempDir(), 'file');
    writeFileSync(path, 'not a directory');
    const exit = await runServeExpectingExit({ dataDir: path });
    expect(exit.code).toBe(1);
    expect(messageOf(exit)).toContain(path);
    expect(readFileSync(path, 'utf8')).toBe('not a directory');
  });

  it('is made when it is not there, parents too', { timeout: 240_000 }, async () => {
    const node = await startNode({ dataDir: join(tempDir(), 'a', 'b') });
    await expectServing(node);
    await node.stop();
  });

  it('of a newer format is refused with a message that says so', { timeout: 240_000 }, async () => {
    const node = await startNode();
    await node.stop();
    const path = join(node.dataDir, 'node.json');
    const content = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    const key = Object.keys(content).find(
      (name) => /format|version/i.test(name) && typeof content[name] === 'number',
    );
    expect(key, `node.json has a format version: ${JSON.stringify(content)}`).toBeDefined();
    writeFileSync(path, JSON.stringify({ ...content, [key as string]: 99 }));
    const exit = await runServeExpectingExit({ dataDir: node.dataDir });
    expect(exit.code).toBe(1);
    expect(messageOf(exit)).toMatch(/newer|version|format/i);
  });
});

describe('on a file system of its own', () => {
  const missing = missingForMounts();
  let mounted: string | undefined;
  beforeEach((context) => needs(context, missing));
  afterEach(() => {
    if (mounted) spawnSync('umount', ['--lazy', mounted]);
    mounted = undefined;
  });

  function mount(size: string): string {
    mounted = join(tempDir('lance-tmpfs'), 'mount');
    mkdirSync(mounted);
    const result = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', mounted], {
      encoding: 'utf8',
    });
    if (result.status !== 0) throw new Error(result.stderr);
    return mounted;
  }

  it('a read-only directory is exit 1 and says so', { timeout: 240_000 }, async () => {
    const dataDir = mount('256m');
    const config = `${SMALL_SEGMENTS}[limits]\nmin_free_disk = 0\n`;
    const node = await startNode({ dataDir, config });
    await expectServing(node);
    await node.stop();
    // The kernel lets go of a dead process's ring, and of the files registered with it, a moment later.
    for (let attempt = 0; spawnSync('mount', ['-o', 'remount,ro', dataDir]).status !== 0; attempt++) {
      expect(attempt, 'the file system stays busy').toBeLessThan(600);
      await sleep(100);
    }
    const exit = await runServeExpectingExit({ dataDir, config });
    expect(exit.code).toBe(1);
    expect(messageOf(exit)).toMatch(/read-only|EROFS|written|writable/i);
    expect(messageOf(exit)).toContain(dataDir);
  });

  it('a directory too full to start in is exit 1 and says so', { timeout: 240_000 }, async () => {
    const dataDir = mount('1m');
    const exit = await runServeExpectingExit({ dataDir });
    expect(exit.code).toBe(1);
    expect(messageOf(exit)).toMatch(/space|full|ENOSPC/i);
  });

  const CONFIGS: ReadonlyArray<readonly [string, string]> = [
    ['up to limits.min_free_disk', `${SMALL_SEGMENTS}[limits]\nmin_free_disk = "8MiB"\n`],
    ['to the last byte', `${SMALL_SEGMENTS}[limits]\nmin_free_disk = 0\n`],
  ];
  it.each(CONFIGS)(
    'a disk that fills %s refuses writes with 0x61, serves reads, and loses nothing acknowledged',
    {
      timeout: 240_000,
    },
    async (_, config) => {
      const dataDir = mount('64m');
      const node = await startNode({ dataDir, config });
      const connection = await node.connect('crc32c');
      const topic = await connection.createTopic('filling');
      const other = await connection.createTopic('other');
      await connection.ingestAcked(other, raw('before it was full'));
      const acknowledged: Buffer[] = [];
      let refusal: NodeError | undefined;
      for (let round = 0; round < 400 && !refusal; round++) {
        const record = raw(Buffer.alloc(256 * 1024, round));
        // The limit is looked at several times a second: a disk of 64 MiB must not be full before the first look.
        await sleep(10);
        try {
          await connection.ingestAcked(topic, record);
          acknowledged.push(record);
        } catch (error) {
          if (!(error instanceof NodeError)) throw error;
          refusal = error;
        }
      }
      expect(acknowledged.length).toBeGreaterThan(10);
      expect(refusal?.wire.code).toBe(ErrorCode.storage);
      expect(refusal?.wire.details).toHaveProperty('batch_id');
      expect(refusal?.wire.message).not.toContain('FORWARD_FAILED');
      const expected = Buffer.concat(acknowledged);
      // Compared from the front: a frame refused with "outcome unknown" could follow, an acknowledged one not be missing.
      expect((await connection.fetchAll(topic)).subarray(0, expected.length).equals(expected)).toBe(true);
      expect(walkTlvs(await connection.fetchAll(other)).map((record) => record.value.toString())).toEqual([
        'before it was full',
      ]);
      await expectOpen(connection);
      connection.close();
      await node.stop();
      const again = await startNode({ dataDir, config });
      const second = await again.connect('crc32c');
      expect((await second.fetchAll(topic)).subarray(0, expected.length).equals(expected)).toBe(true);
      // Room again: the node takes writes again.
      await second.request(Command.deleteTopic, pack([4, topic]), Command.topicResponse);
      let taken = false;
      for (let attempt = 0; attempt < 600 && !taken; attempt++) {
        taken = await second.ingestAcked(other, raw('room again')).then(
          () => true,
          () => false,
        );
        if (!taken) await sleep(100);
      }
      expect(taken).toBe(true);
      second.close();
      await again.stop();
    },
  );
});
