/** What verify, repair and serve each say of every broken directory of the corpus, and torn ends at every byte of a batch. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { carryOut, inspectPaths, planRepair } from '../../src/segment/index.js';
import { raw } from '../harness/lwp.js';
import { runLance, startNode } from '../harness/node.js';
import {
  copyOf,
  readThrough,
  type SeededDirectory,
  SMALL_SEGMENTS,
  seededDirectory,
} from '../harness/seeded-directory.js';
import { readSegment } from '../harness/segment-file.js';
import { tempDir } from '../harness/temp.js';
import { segmentPaths } from '../harness/topic-files.js';
import { CORPUS } from './corpus.js';

let drained: SeededDirectory;
beforeAll(async () => {
  drained = await seededDirectory('drained');
  // Once more, so that the journal is obsolete: else it heals what is spoiled in an active segment.
  await (await startNode({ dataDir: drained.dataDir, config: SMALL_SEGMENTS })).stop();
});

async function kinds(path: string): Promise<string[]> {
  const { reports } = await inspectPaths([path]);
  return reports.flatMap(({ problems }) => problems.all().map(({ kind }) => kind));
}

describe('the corpus', () => {
  it.each(CORPUS)(
    '$name: verify $verify, repair $repair, serve $serve',
    { timeout: 60_000 },
    async (damage) => {
      const served = copyOf(drained);
      damage.spoil(served.dataDir);
      const verify = await runLance(['segment', 'verify', served.dataDir, '--json']);
      expect(verify.stdout).toContain(`"kind":"${damage.verify}"`);
      expect(verify.code).toBe(3);
      const node = await startNode({ dataDir: served.dataDir, config: SMALL_SEGMENTS }).catch(
        (error: Error) => error,
      );
      if (node instanceof Error)
        expect(['refuses', node.message]).toEqual([damage.serve, expect.any(String)]);
      else {
        const said = /torn|damage|quarantine|rebuilt|anew|missing|unreadable/i.test(node.log);
        expect([said ? 'says' : 'silent', node.log]).toEqual([damage.serve, expect.any(String)]);
        const connection = await node.connect();
        expect((await readThrough(connection, served.topics.bystander)).records).toBe(600);
        connection.close();
        await node.stop();
      }
      const repaired = copyOf(drained);
      damage.spoil(repaired.dataDir);
      const dry = await runLance(['segment', 'repair', repaired.dataDir, '--dry-run']);
      const before = await kinds(repaired.dataDir);
      const repair = await runLance(['segment', 'repair', repaired.dataDir, '--yes', '--json']);
      expect([repair.code, repair.stdout]).toEqual([damage.repair, expect.any(String)]);
      expect(before).toContain(damage.verify); // the dry run before it changed nothing
      expect([0, 1, 3]).toContain(dry.code);
      if (damage.repair === 0) expect(await kinds(repaired.dataDir)).toEqual([]);
    },
  );
});

describe('the end of a segment that was being written', () => {
  it('torn at any byte of a batch is cut there, kept, and the batches before it stay byte for byte', {
    timeout: 120_000,
  }, async () => {
    const node = await startNode({ config: SMALL_SEGMENTS });
    const connection = await node.connect();
    const id = await connection.createTopic('torn');
    for (let n = 0; n < 4; n++)
      await connection.ingestAcked(id, raw(`record ${n} ends in a byte other than zero`));
    connection.close();
    await node.stop();
    const source = segmentPaths(node.dataDir, 'torn')[0] as string;
    const whole = readFileSync(source);
    const last = readSegment(source).batches.at(-1);
    const [at, end] = [last?.position ?? 0, readSegment(source).dataBytes];
    const folder = tempDir();
    const path = join(folder, basename(source));
    for (let byte = at + 6; byte < end; byte++) {
      for (const kept of readdirSync(folder)) if (kept.includes('~')) writeFileSync(join(folder, kept), '');
      const torn = Buffer.from(whole);
      torn.fill(0, byte, end);
      writeFileSync(path, torn);
      const { reports } = await inspectPaths([path]);
      const problems = reports[0]?.problems.all() ?? [];
      expect([byte, problems.map(({ kind, at: where }) => [kind, where])]).toEqual([byte, [['torn', at]]]);
      await carryOut(path, await planRepair(path));
      expect(readFileSync(path).subarray(0, at).equals(whole.subarray(0, at))).toBe(true);
      expect(
        readFileSync(path)
          .subarray(at)
          .every((value) => value === 0),
      ).toBe(true);
      const copies = readdirSync(folder).filter((name) => name.includes(`.~cut-${at}`));
      expect(
        copies.some((name) =>
          readFileSync(join(folder, name))
            .subarray(0, byte - at)
            .equals(torn.subarray(at, byte)),
        ),
      ).toBe(true);
      expect(await kinds(path)).toEqual([]);
      for (const name of copies) writeFileSync(join(folder, name), '');
    }
  });

  it('with a later batch that proves it durable is damage: never cut', async () => {
    const path = join(tempDir(), basename(segmentPaths(drained.dataDir, 'small')[0] as string));
    copyFileSync(segmentPaths(drained.dataDir, 'small')[0] as string, path);
    const bytes = readFileSync(path);
    bytes[300] = (bytes[300] as number) ^ 8;
    writeFileSync(path, bytes);
    const repair = await runLance(['segment', 'repair', path, '--yes', '--json']);
    expect(repair.code).toBe(3);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(JSON.parse(repair.stdout).problems).toMatchObject([{ kind: 'payload', at: 0 }]);
  });
});

describe('repair', () => {
  it('refuses while a node runs, and in a pipe without --yes', { timeout: 60_000 }, async () => {
    const directory = copyOf(drained);
    const path = segmentPaths(directory.dataDir, 'small')[0] as string;
    const file = readFileSync(path);
    file.fill(0xa5, readSegment(path).dataBytes, readSegment(path).dataBytes + 100);
    writeFileSync(path, file);
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

describe('export', () => {
  it('gives back what was produced, and passes over damage with exit 3', async () => {
    const topic = join(drained.dataDir, 'segments', 'rotated');
    const whole = await runLance(['segment', 'export', topic, '--format', 'json']);
    const lines = whole.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([whole.code, lines.length]).toEqual([0, 9_000]);
    const values = lines.map(({ value, encoding }) => Buffer.from(value, encoding));
    const sent = drained.topics.rotated.records.map((record) => record.subarray(5));
    expect(values.every((value, n) => value.equals(sent[n] as Buffer))).toBe(true);
    const directory = copyOf(drained);
    CORPUS[0]?.spoil(directory.dataDir);
    const damaged = await runLance([
      'segment',
      'export',
      join(directory.dataDir, 'segments', 'rotated'),
      '--json',
    ]);
    expect(damaged.code).toBe(3);
    expect(damaged.stderr).toContain('payload checksum');
    expect(damaged.stdout.trim().split('\n').length).toBe(8_950);
  });
});

describe('inspect --at', () => {
  it.each([
    ['offset:0', 0],
    ['record:4321', 4_321],
    ['time:1', 0],
    ['key:00', 0],
  ])('%s finds record %i', async (at, record) => {
    const topic = join(drained.dataDir, 'segments', 'rotated');
    const found = await runLance(['segment', 'inspect', topic, '--at', at, '--json']);
    expect(JSON.parse(found.stdout)).toMatchObject({ record });
    expect(existsSync(JSON.parse(found.stdout).path)).toBe(true);
  });

  it('past the end is exit 1, and what is no address exit 2', async () => {
    const topic = join(drained.dataDir, 'segments', 'rotated');
    expect((await runLance(['segment', 'inspect', topic, '--at', 'record:99999'])).code).toBe(1);
    expect((await runLance(['segment', 'inspect', topic, '--at', 'somewhere'])).code).toBe(2);
  });
});
