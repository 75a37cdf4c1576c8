/** `lance segment inspect` and `verify` on what a real node wrote, and on everything that is none of it. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { randomBytes, rawRecords } from '../harness/data.js';
import { Command, pack, raw } from '../harness/lwp.js';
import { ROOT, runLance, startNode } from '../harness/node.js';
import {
  copyOf,
  type SeededDirectory,
  SMALL_SEGMENTS,
  seed,
  seededDirectory,
} from '../harness/seeded-directory.js';
import { readSegment } from '../harness/segment-file.js';
import { flipBit, overwrite, sizeOf, truncate, zero } from '../harness/spoil.js';
import { tempDir } from '../harness/temp.js';
import { segmentPaths } from '../harness/topic-files.js';

interface Line {
  path: string;
  state: string | null;
  fileBytes: number;
  recordBytes: number;
  batches: number;
  records: number;
  firstRecord: number | null;
  lastRecord: number | null;
  firstKey: string | null;
  types: Record<string, number>;
  index: { entries: number; valid: number };
  problems: { kind: string; at: number; detail: string }[];
}

async function run(command: 'inspect' | 'verify', ...paths: string[]) {
  const { code, stdout, stderr } = await runLance(['segment', command, ...paths, '--json']);
  const documents =
    stdout.trim() === ''
      ? []
      : stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line));
  return { code, stderr, lines: documents as Line[], error: documents[0]?.error };
}

const kindsOf = (lines: readonly Line[]) => [
  ...new Set(lines.flatMap(({ problems }) => problems.map(({ kind }) => kind))),
];

let drained: SeededDirectory;
beforeAll(async () => {
  drained = await seededDirectory('drained');
});

describe('a directory that a node drained', () => {
  it('is whole: a line a file in path order, the fields of cli.md, exit 0', async () => {
    for (const command of ['inspect', 'verify'] as const) {
      const { code, lines } = await run(command, drained.dataDir);
      expect(kindsOf(lines)).toEqual([]);
      expect(code).toBe(0);
      expect(lines.map(({ path }) => path)).toEqual(lines.map(({ path }) => path).sort());
      const rotated = lines.filter(({ path }) => path.includes('/rotated/') && path.endsWith('.lnc'));
      expect(rotated.map(({ path }) => path)).toEqual(segmentPaths(drained.dataDir, 'rotated'));
      expect(rotated.reduce((sum, { records }) => sum + records, 0)).toBe(9_000);
      for (const line of rotated) {
        const oracle = readSegment(line.path);
        expect(Object.keys(line)).toEqual(
          'path state fileBytes recordBytes batches records firstRecord lastRecord firstKey lastKey types index problems'.split(
            ' ',
          ),
        );
        expect(line).toMatchObject({
          state: oracle.state,
          fileBytes: oracle.fileBytes,
          batches: oracle.batches.length,
          firstRecord: Number(oracle.baseRecord),
          types: { '01': line.records },
          index: { entries: oracle.index?.keys.length, valid: oracle.index?.keys.length },
        });
      }
    }
  });

  it('is a table by topic for people', async () => {
    const { code, stdout } = await runLance(['segment', 'inspect', drained.dataDir]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/segments\/rotated +\d+ +\d+ /);
    expect(stdout).toContain('No problems.');
  });
});

describe('a node that was killed, and one that runs', () => {
  it('leave no problem: the journal has what the segments have not', { timeout: 240_000 }, async () => {
    const killed = await seededDirectory('killed');
    expect(kindsOf((await run('verify', killed.dataDir)).lines)).toEqual([]);
    const node = await startNode({ config: SMALL_SEGMENTS });
    await seed(node);
    for (let look = 0; look < 3; look++)
      expect((await run('verify', node.dataDir)).lines.flatMap((l) => l.problems)).toEqual([]);
    const active = segmentPaths(node.dataDir, 'rotated').at(-1) as string;
    expect((await run('inspect', active)).code).toBe(0);
    await node.stop();
  });
});

describe('a node that writes, rotates, seals and removes meanwhile', () => {
  it('is not disturbed, and no look at it finds a problem or ends in an error', {
    timeout: 600_000,
  }, async () => {
    const node = await startNode({ config: `${SMALL_SEGMENTS}[retention]\ninterval = "100ms"\n` });
    const connection = await node.connect();
    const busy = await connection.createTopic('busy');
    const quiet = await connection.createTopic('quiet');
    await connection.request(
      Command.setRetention,
      pack([4, busy], [8, 0], [8, 3 * 1024 * 1024]),
      Command.topicResponse,
    );
    let writing = true;
    let written = 0;
    const writer = (async () => {
      for (let n = 0; writing; n++) {
        const records = rawRecords(n, 100, 2_000);
        await connection.ingestAcked(busy, Buffer.concat(records), { recordCount: records.length });
        await connection.ingestAcked(quiet, raw(`quiet ${n}`));
        written += records.length;
      }
    })();
    // It must rotate and remove while it is looked at, or this would show nothing.
    const base = () => Number(/(\d{20})_/.exec(segmentPaths(node.dataDir, 'busy')[0] ?? '')?.[1] ?? 0);
    for (let look = 0; look < 6 || base() === 0 || written <= 3_000; look++) {
      const { code, lines, stderr } = await run('verify', node.dataDir);
      expect([code, lines.flatMap(({ problems }) => problems), stderr]).toEqual([0, [], '']);
      const topic = join(node.dataDir, 'segments', 'quiet');
      const at = await runLance(['segment', 'inspect', topic, '--at', 'record:0', '--json']);
      expect([at.code, JSON.parse(at.stdout).record]).toEqual([0, 0]);
    }
    writing = false;
    await writer;
    expect(base()).toBeGreaterThan(0);
    connection.close();
    await node.stop();
    expect((await run('verify', node.dataDir)).lines.flatMap(({ problems }) => problems)).toEqual([]);
  });
});

/** Spoils the second segment of `rotated`, or all of the copy; the kind that must be told, and where. */
type Spoil = (path: string, directory: SeededDirectory) => void;
const middle = (path: string) => {
  const { batches } = readSegment(path);
  return batches[Math.floor(batches.length / 2)]?.position ?? 0;
};
const sealed: readonly (readonly [string, string, Spoil])[] = [
  ['a flipped bit in a payload', 'payload', (path) => flipBit(path, middle(path) + 133 + 40)],
  ['a flipped bit in a header', 'header', (path) => flipBit(path, middle(path) + 5 + 64)],
  ['a flipped bit in a TLV before a header', 'header', (path) => flipBit(path, middle(path) + 1)],
  ['8 KiB of zeros', 'header', (path) => zero(path, middle(path), 8192)],
  ['a cut', 'end', (path) => truncate(path, middle(path) + 50)],
  ['zeros behind its end', 'fill', (path) => truncate(path, sizeOf(path) + 4096)],
  ['a newer version', 'newer', (path) => overwrite(path, 8, Buffer.from('2'))],
  ['nothing in it', 'end', (path) => truncate(path, 0)],
  ['another start in its name', 'name', (path) => renameSync(path, path.replace(/_(\d+)-/, '_1-'))],
  [
    'another offset in its name',
    'chain',
    (path) =>
      renameSync(
        path,
        path.replace(/(\d{20})_/, (n) => `${String(BigInt(n.slice(0, 20)) + 1n).padStart(20, '0')}_`),
      ),
  ],
  [
    'the bytes of its neighbour',
    'chain',
    (path, { dataDir }) => copyFileSync(segmentPaths(dataDir, 'rotated')[2] as string, path),
  ],
  [
    'the bytes of another topic',
    'foreign',
    (path, { dataDir }) => copyFileSync(segmentPaths(dataDir, 'small')[0] as string, path),
  ],
  ['no file any more', 'gap', (path) => rmSync(path)],
  ['a twin', 'duplicate', (path) => copyFileSync(path, path.replace(/_(\d+)-/, '_1-'))],
  ['a lie in its index', 'index', (path) => flipBit(path.replace(/lnc$/, 'pos'), 24 + 2)],
  ['no index', 'index', (path) => rmSync(path.replace(/lnc$/, 'idx'))],
  [
    'metadata of another topic',
    'foreign',
    (path) =>
      overwrite(
        join(dirname(path), 'metadata.json'),
        0,
        Buffer.from(
          JSON.stringify({
            format: 1,
            id: 77,
            name: 'rotated',
            created_at: 1,
            topic_epoch: 1,
            durability: 'durable',
          }).padEnd(200),
        ),
      ),
  ],
];

describe('a sealed segment with', () => {
  it.each(sealed)('%s: %s, and exit 3', async (_, kind, spoil) => {
    const directory = copyOf(drained);
    const path = segmentPaths(directory.dataDir, 'rotated')[1] as string;
    spoil(path, directory);
    for (const command of ['inspect', 'verify'] as const) {
      const { code, lines } = await run(command, directory.dataDir);
      expect(kindsOf(lines)).toContain(kind);
      expect(code).toBe(3);
      // The bystander is none the worse for it.
      expect(kindsOf(lines.filter(({ path }) => path.includes('/bystander/')))).toEqual([]);
    }
  });

  it('a flipped bit in a payload counts all the other batches, and says where', async () => {
    const directory = copyOf(drained);
    const path = segmentPaths(directory.dataDir, 'rotated')[1] as string;
    const { batches } = readSegment(path);
    const at = middle(path);
    flipBit(path, at + 133 + 40);
    const [line] = (await run('verify', path)).lines;
    expect(line?.batches).toBe(batches.length - 1);
    expect(line?.problems).toMatchObject([{ kind: 'payload', at }]);
  });
});

describe('what is no segment', () => {
  it('by its name is exit 2, with a hint', async () => {
    const path = join(tempDir(), 'notes.txt');
    writeFileSync(path, 'hello');
    const { code, error } = await run('inspect', path);
    expect([code, error.code]).toEqual([2, 'NOT_A_LANCE_FILE']);
    expect(error.hint).toContain('.lnc');
    expect((await run('verify', tempDir())).code).toBe(2);
  });

  it('is not there, or denied: exit 1', async () => {
    const folder = tempDir();
    const { code, error } = await run('inspect', join(folder, 'x.lnc'));
    expect([code, error.code]).toEqual([1, 'NOT_FOUND']);
    const closed = join(folder, 'closed');
    mkdirSync(closed);
    chmodSync(folder, 0o755);
    chmodSync(closed, 0o000);
    const asRoot = process.getuid?.() === 0;
    const denied = spawnSync(
      process.execPath,
      [join(ROOT, 'bin/run.js'), 'segment', 'inspect', closed, '--json'],
      {
        encoding: 'utf8',
        ...(asRoot ? { uid: 65_534, gid: 65_534 } : {}),
      },
    );
    expect(denied.status).toBe(1);
    expect(JSON.parse(denied.stdout).error.code).toBe('DENIED');
  });

  it.each([
    ['empty', Buffer.alloc(0)],
    ['garbage', randomBytes(7, 300_000)],
    ['text', Buffer.from('this is no segment at all\n'.repeat(1000))],
  ])('but named like one and %s: exit 3', async (_, bytes) => {
    const folder = tempDir();
    for (const name of [
      'a.lnc',
      `${'0'.repeat(20)}_${'0'.repeat(20)}_1.lnc`,
      `${'0'.repeat(20)}_${'0'.repeat(20)}_1-2.lnc`,
    ]) {
      writeFileSync(join(folder, name), bytes);
      const { code, lines } = await run('verify', join(folder, name));
      expect([code, lines[0]?.batches]).toEqual([3, 0]);
      expect(lines[0]?.problems.length).toBeGreaterThan(0);
    }
    for (const name of ['1.lnj', 'metadata.json', 'node.json', 'offsets.lco', 'start.lns']) {
      writeFileSync(join(folder, name), bytes);
      const { code } = await run('verify', join(folder, name));
      expect([name, code]).toEqual([name, 3]);
    }
  });

  it('and has 100 GiB of holes is passed in seconds and little memory', { timeout: 240_000 }, async () => {
    const source = segmentPaths(drained.dataDir, 'small')[0] as string;
    const path = join(tempDir(), basename(source));
    copyFileSync(source, path);
    const file = openSync(path, 'r+');
    ftruncateSync(file, 100 * 2 ** 30);
    closeSync(file);
    const { lines } = await run('verify', path);
    expect(lines[0]).toMatchObject({ records: 600, fileBytes: 100 * 2 ** 30, problems: [] });
    overwrite(path, 99 * 2 ** 30, randomBytes(1, 5000));
    expect(kindsOf((await run('verify', path)).lines)).toEqual(['torn']);
    const measured = spawnSync('/bin/sh', [
      '-c',
      'ulimit -v 16000000; "$0" "$@"',
      process.execPath,
      '--max-old-space-size=64',
      join(ROOT, 'bin/run.js'),
      'segment',
      'verify',
      path,
    ]);
    expect(measured.status).toBe(3);
  });

  it('a file that is cut while it is looked at ends the command in order', { timeout: 240_000 }, async () => {
    const directory = copyOf(drained);
    const path = segmentPaths(directory.dataDir, 'rotated')[1] as string;
    const looks = Array.from({ length: 4 }, () => run('verify', path));
    truncate(path, middle(path) + 10);
    for (const look of await Promise.all(looks)) expect([0, 3]).toContain(look.code);
  });
});
