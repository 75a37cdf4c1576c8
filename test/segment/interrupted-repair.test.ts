/** A repair that is killed before each change that it makes to the disk: what is left is accepted by repair and serve. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { inspectPaths } from '../../src/segment/index.js';
import { randomBytes } from '../harness/data.js';
import { ROOT, runLance, startNode } from '../harness/node.js';
import { copyOf, readThrough, type SeededDirectory, SMALL_SEGMENTS } from '../harness/seeded-directory.js';
import { readSegment } from '../harness/segment-file.js';
import { flipBit, overwrite, truncate } from '../harness/spoil.js';
import { tempDir } from '../harness/temp.js';
import { segmentPaths } from '../harness/topic-files.js';
import { drainedTwice } from './obsolete-journal.js';

const hasStrace = spawnSync('strace', ['-V']).status === 0;
/** Whatever changes a file or a directory. */
const CHANGES =
  'pwrite64,pwritev,pwritev2,rename,renameat,renameat2,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat';
const GARBAGE = randomBytes(5, 5_000);

/** Runs `repair --yes` and kills it as it is about to make its n-th change; whether it came so far. */
function killedAt(path: string, change: number): boolean {
  const run = spawnSync(
    'strace',
    [
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      '-e',
      `trace=${CHANGES}`,
      '-e',
      `inject=${CHANGES}:signal=SIGKILL:when=${change}`,
      process.execPath,
      join(ROOT, 'bin/run.js'),
      'segment',
      'repair',
      path,
      '--yes',
    ],
    // All changes on one thread: strace counts a thread's calls.
    {
      encoding: 'utf8',
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: '1',
        UV_USE_IO_URING: '0',
        NO_COLOR: '1',
        TMPDIR: temporary,
      },
    },
  );
  if (run.signal === 'SIGKILL' || run.status === 137) return true;
  expect([run.status, run.stderr]).toEqual([0, expect.any(String)]);
  return false;
}

let drained: SeededDirectory;
/** Where the killed repairs have their temporary files. */
const temporary = tempDir('lance-killed');
beforeAll(async () => {
  drained = await drainedTwice();
}, 240_000);

const activeOf = (dataDir: string) => segmentPaths(dataDir, 'small').at(-1) as string;

/** A torn end and an index that is gone. */
function spoilTopic(dataDir: string): void {
  const path = activeOf(dataDir);
  overwrite(path, readSegment(path).dataBytes, GARBAGE);
  rmSync(path.replace(/lnc$/, 'idx'));
}

/** The same, and everything else that a repair writes anew. */
function spoilAll(dataDir: string): void {
  spoilTopic(dataDir);
  flipBit((segmentPaths(dataDir, 'rotated')[1] as string).replace(/lnc$/, 'pos'), 26);
  rmSync((segmentPaths(dataDir, 'rotated')[2] as string).replace(/lnc$/, 'idx'));
  flipBit(join(dataDir, 'consumers', 'offsets.lco'), 20);
  rmSync(join(dataDir, 'segments', 'bystander', 'metadata.json'));
  truncate(join(dataDir, 'counters.lcf'), 5_000);
}

const cases = [
  { what: "a topic's directory", spoil: spoilTopic, pathOf: (dataDir: string) => dirname(activeOf(dataDir)) },
  { what: 'a data directory', spoil: spoilAll, pathOf: (dataDir: string) => dataDir },
];

async function problems(dataDir: string) {
  const { reports } = await inspectPaths([dataDir]);
  return reports.flatMap(({ path, problems: all }) => all.all().map(({ kind }) => [path, kind]));
}

/** Every byte of garbage that was behind the end is still somewhere. */
function expectKept(dataDir: string): void {
  const folder = dirname(activeOf(dataDir));
  const held = readdirSync(folder)
    .filter((name) => name.includes('.~cut-') && !name.endsWith('~'))
    .map((name) => readFileSync(join(folder, name)));
  expect(held.filter((bytes) => bytes.includes(GARBAGE))).toHaveLength(1);
}

async function expectServed(directory: SeededDirectory): Promise<void> {
  const node = await startNode({ dataDir: directory.dataDir, config: SMALL_SEGMENTS });
  const connection = await node.connect();
  for (const topic of ['small', 'bystander'] as const)
    expect(await readThrough(connection, directory.topics[topic])).toEqual({
      records: 600,
      errors: [],
      wrong: [],
    });
  connection.close();
  await node.stop();
}

describe.skipIf(!hasStrace)('a repair that is killed (needs strace)', () => {
  it.each(cases)(
    'before any of its changes to $what leaves what a repair finishes and a start accepts',
    {
      timeout: 600_000,
    },
    async ({ spoil, pathOf }) => {
      let change = 1;
      for (; ; change++) {
        const directory = copyOf(drained);
        spoil(directory.dataDir);
        if (!killedAt(pathOf(directory.dataDir), change)) break;
        expect([change, readdirSync(temporary)], 'no name is left for a later process').toEqual([change, []]);
        const started = copyOf(directory);
        const again = await runLance(['segment', 'repair', directory.dataDir, '--yes', '--json']);
        expect([change, again.code, again.stderr], again.stdout).toEqual([change, 0, '']);
        expect([change, await problems(directory.dataDir)]).toEqual([change, []]);
        expectKept(directory.dataDir);
        await expectServed(started);
        expectKept(started.dataDir);
        rmSync(directory.dataDir, { recursive: true });
        rmSync(started.dataDir, { recursive: true });
      }
      // A copy, its rename, zeros and three flushes are the least that a cut takes.
      expect(change).toBeGreaterThan(6);
    },
  );
});
