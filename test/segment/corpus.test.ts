/** What inspect, verify, repair and serve each say of every broken directory of the corpus. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { inspectPaths, planRepair } from '../../src/segment/index.js';
import { raw } from '../harness/lwp.js';
import { ROOT, runLance, startNode } from '../harness/node.js';
import {
  copyOf,
  readThrough,
  type SeededDirectory,
  SMALL_SEGMENTS,
  seededDirectory,
} from '../harness/seeded-directory.js';
import { readSegment } from '../harness/segment-file.js';
import { segmentPaths } from '../harness/topic-files.js';
import { CORPUS, type Damage } from './corpus.js';
import { corpusTable } from './corpus-table.js';
import { drainedTwice } from './obsolete-journal.js';

let drained: SeededDirectory;
let killed: SeededDirectory;
beforeAll(async () => {
  drained = await drainedTwice();
  killed = await seededDirectory('killed');
}, 240_000);

const copied = ({ directory = 'drained' }: Damage) => copyOf(directory === 'drained' ? drained : killed);

async function kinds(path: string): Promise<string[]> {
  const { reports } = await inspectPaths([path]);
  return reports.flatMap(({ problems }) => problems.all().map(({ kind }) => kind));
}

/** Kinds of problems that a command tells, and its exit code. */
async function told(command: 'inspect' | 'verify', dataDir: string) {
  const { code, stdout } = await runLance(['segment', command, dataDir, '--json']);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { problems: { kind: string }[] });
  return { code, kinds: lines.flatMap(({ problems }) => problems.map(({ kind }) => kind)) };
}

/** What a start says: codes of warnings and errors about files, and whether topics take writes and give records. */
async function served(directory: SeededDirectory) {
  const args = ['--log-format', 'json'];
  const node = await startNode({ dataDir: directory.dataDir, config: SMALL_SEGMENTS, args }).catch(
    (error: Error) => error,
  );
  if (node instanceof Error) return { refused: node.message };
  const said = node.log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level: string; code?: string; msg: string })
    .filter(({ level, msg }) => level !== 'info' && msg.startsWith('recovery:'))
    .map(({ code }) => code);
  const connection = await node.connect();
  const bystander = await readThrough(connection, directory.topics.bystander);
  const takesWrites = await connection.ingestAcked(directory.topics.small.id, raw('one more')).then(
    () => true,
    () => false,
  );
  connection.close();
  await node.stop();
  return { said, takesWrites, bystander };
}

describe.each(Object.entries(CORPUS))('damage in %s', (_, all) => {
  it.each(all)(
    '$name: inspect and verify find $finds, repair: $repair, serve: $serve',
    { timeout: 240_000 },
    async (damage) => {
      const directory = copied(damage);
      damage.spoil(directory.dataDir);
      const both = (['inspect', 'verify'] as const).map((command) => told(command, directory.dataDir));
      for (const { code, kinds: found } of await Promise.all(both))
        expect([code, found]).toEqual([3, expect.arrayContaining([damage.finds])]);
      const repaired = copied(damage);
      damage.spoil(repaired.dataDir);
      await planRepair(repaired.dataDir).catch((error: Error) => error);
      expect(await kinds(repaired.dataDir)).toContain(damage.finds); // the plan, a dry run, changed nothing
      const repair = await runLance(['segment', 'repair', repaired.dataDir, '--yes', '--json']);
      const codes = { whole: 0, left: 3, refuses: 1 };
      expect([repair.code, repair.stdout]).toEqual([codes[damage.repair], expect.any(String)]);
      if (damage.repair === 'whole') {
        expect(await kinds(repaired.dataDir)).toEqual([]);
        expect(await served(repaired)).toMatchObject({ said: [], takesWrites: true });
      }
      const start = await served(directory);
      if (damage.serve === 'refuses') expect(start).toHaveProperty('refused');
      else {
        expect(start).toMatchObject({ takesWrites: !damage.closed, bystander: { wrong: [] } });
        expect(start.bystander?.records).toBe(damage.bystander ?? 600);
        if (damage.serve === 'silent') expect(start.said).toEqual([]);
        else expect(start.said).toContain(damage.serve.says);
      }
    },
  );
});

it('the table of docs/segments.md is the corpus as it is tested here', () => {
  const page = readFileSync(join(ROOT, 'docs', 'segments.md'), 'utf8');
  expect(page).toContain(corpusTable());
});

describe('repair', () => {
  it('shows its steps in a dry run, refuses while a node runs, and in a pipe without --yes', {
    timeout: 240_000,
  }, async () => {
    const directory = copyOf(drained);
    const path = segmentPaths(directory.dataDir, 'small')[0] as string;
    const file = readFileSync(path);
    file.fill(0xa5, readSegment(path).dataBytes, readSegment(path).dataBytes + 100);
    writeFileSync(path, file);
    const dry = await runLance(['segment', 'repair', directory.dataDir, '--dry-run', '--json']);
    expect([dry.code, JSON.parse(dry.stdout)]).toMatchObject([0, { dryRun: true, problems: [] }]);
    expect(JSON.parse(dry.stdout).steps.length).toBeGreaterThan(0);
    const asked = await runLance(['segment', 'repair', directory.dataDir]);
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    expect(readFileSync(path).equals(file)).toBe(true);
    const node = await startNode({ dataDir: directory.dataDir, config: SMALL_SEGMENTS });
    const refused = await runLance(['segment', 'repair', directory.dataDir, '--yes', '--json']);
    expect([refused.code, JSON.parse(refused.stdout).error.code]).toEqual([1, 'DATA_DIR_IN_USE']);
    await node.stop();
    expect(readdirSync(dirname(path)).some((name) => name.includes('.~cut-'))).toBe(true);
  });
});
