/** Ends of active segments torn at every byte of a batch: what inspect, verify, repair and serve make of each. */
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { carryOut, inspectPaths, planRepair } from '../../src/segment/index.js';
import { raw } from '../harness/lwp.js';
import { runLance, startNode } from '../harness/node.js';
import { copyDirectory, SMALL_SEGMENTS } from '../harness/seeded-directory.js';
import { readSegment } from '../harness/segment-file.js';
import { flipBit } from '../harness/spoil.js';
import { tempDir } from '../harness/temp.js';
import { segmentPaths } from '../harness/topic-files.js';

const RECORDS = ['first', 'second', 'the last one ends in a byte other than zero'];
/** A header starts with 0x00 and 128; zeros from byte 1 on are no torn batch but none at all. */
const FIRST_BYTE = 2;

/** A topic of the directory whose last batch is torn. */
interface Torn {
  name: string;
  path: string;
  /** Position of the last batch, and where it is torn. */
  at: number;
  byte: number;
}

let source: string;
let topics: string[];
let ids: Map<string, number>;
beforeAll(async () => {
  const node = await startNode({ config: SMALL_SEGMENTS });
  const connection = await node.connect();
  const length = 133 + raw(RECORDS[2] as string).length;
  topics = Array.from({ length: length - FIRST_BYTE }, (_, n) => `torn-${String(n).padStart(3, '0')}`);
  ids = new Map();
  for (const name of topics) {
    const id = await connection.createTopic(name);
    ids.set(name, id);
    for (const record of RECORDS) await connection.ingestAcked(id, raw(record));
  }
  connection.close();
  await node.stop();
  // Once more, so that the journal is obsolete and start.lns tells what was durable.
  await (await startNode({ dataDir: node.dataDir, config: SMALL_SEGMENTS })).stop();
  source = node.dataDir;
}, 400_000);

/** A copy in which the last batch of topic n is torn at its byte n; `proof`: whether anything tells that it was durable. */
function tornCopy(proof: boolean): { dataDir: string; torn: Torn[] } {
  const dataDir = join(tempDir('lance-torn'), 'data');
  copyDirectory(source, dataDir);
  if (!proof) rmSync(join(dataDir, 'journal'), { recursive: true });
  const torn = topics.map((name, n) => {
    const path = segmentPaths(dataDir, name)[0] as string;
    const bytes = readFileSync(path);
    const at = readSegment(path).batches.at(-1)?.position ?? 0;
    const byte = at + FIRST_BYTE + n;
    bytes.fill(0, byte);
    writeFileSync(path, bytes);
    return { name, path, at, byte };
  });
  return { dataDir, torn };
}

/** Path, kind and position of every problem that a command tells. */
async function problems(command: 'inspect' | 'verify', dataDir: string) {
  const { stdout } = await runLance(['segment', command, dataDir, '--json']);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { path: string; problems: { kind: string; at: number }[] });
  return lines.flatMap(({ path, problems: all }) => all.map(({ kind, at }) => [path, kind, at] as const));
}

describe('the last batch of an active segment, torn at every byte of it', () => {
  it('is found there by inspect and verify, and cut there by repair; the batches before it stay byte for byte', {
    timeout: 600_000,
  }, async () => {
    const { dataDir, torn } = tornCopy(false);
    const expected = torn.map(({ path, at }) => [path, 'torn', at]);
    for (const command of ['inspect', 'verify'] as const)
      expect(await problems(command, dataDir)).toEqual(expected);
    const before = torn.map(({ path }) => readFileSync(path));
    const repair = await runLance(['segment', 'repair', dataDir, '--yes', '--json']);
    expect(repair.code).toBe(0);
    expect(await problems('verify', dataDir)).toEqual([]);
    for (const [n, { path, at, byte }] of torn.entries()) {
      const [was, is] = [before[n] as Buffer, readFileSync(path)];
      expect(is.subarray(0, at).equals(was.subarray(0, at))).toBe(true);
      expect(is.subarray(at).every((value) => value === 0)).toBe(true);
      const kept = readFileSync(`${path}.~cut-${at}`);
      expect(kept.equals(was.subarray(at, at + kept.length))).toBe(true);
      expect(was.subarray(at + kept.length, byte).every((value) => value === 0)).toBe(true);
    }
  });

  it('is cut by serve, which says so of each, gives the records before it and takes new ones', {
    timeout: 600_000,
  }, async () => {
    const { dataDir, torn } = tornCopy(false);
    const node = await startNode({ dataDir, config: SMALL_SEGMENTS });
    const connection = await node.connect();
    const left = Buffer.concat(RECORDS.slice(0, 2).map((record) => raw(record)));
    for (const { name, at } of torn) {
      expect(node.log).toMatch(new RegExp(`${name}/.*byte ${at}|${name}/`));
      const id = ids.get(name) as number;
      expect((await connection.fetchAll(id)).equals(left)).toBe(true);
      await connection.ingestAcked(id, raw('again'));
      expect((await connection.fetchAll(id)).equals(Buffer.concat([left, raw('again')]))).toBe(true);
    }
    connection.close();
    await node.stop();
    expect(await problems('verify', dataDir)).toEqual([]);
  });

  it('is damage to all four where something proves that it was durable: never cut, closed to writes', {
    timeout: 600_000,
  }, async () => {
    const { dataDir, torn } = tornCopy(true);
    const expected = torn.map(({ path, at }) => [path, 'damage', at]);
    for (const command of ['inspect', 'verify'] as const)
      expect(await problems(command, dataDir)).toEqual(expected);
    const before = torn.map(({ path }) => readFileSync(path));
    const repair = await runLance(['segment', 'repair', dataDir, '--yes', '--json']);
    expect(repair.code).toBe(3);
    const node = await startNode({ dataDir, config: SMALL_SEGMENTS });
    const connection = await node.connect();
    for (const { name } of torn) {
      const id = ids.get(name) as number;
      await expect(connection.ingestAcked(id, raw('no'))).rejects.toThrow(/takes no writes/);
    }
    connection.close();
    await node.stop();
    for (const [n, { path }] of torn.entries())
      expect([path, readFileSync(path).equals(before[n] as Buffer)]).toEqual([path, true]);
  });
});

describe('a segment by itself, outside of a data directory', () => {
  it('torn at every byte of its last batch is cut there, and the copy holds what stood there', {
    timeout: 240_000,
  }, async () => {
    const from = segmentPaths(source, topics[0] as string)[0] as string;
    const whole = readFileSync(from);
    const { batches, dataBytes } = readSegment(from);
    const at = batches.at(-1)?.position ?? 0;
    const folder = tempDir();
    const path = join(folder, basename(from));
    for (let byte = at + FIRST_BYTE; byte < dataBytes; byte++) {
      const torn = Buffer.from(whole);
      torn.fill(0, byte, dataBytes);
      writeFileSync(path, torn);
      const { reports } = await inspectPaths([path]);
      const found = reports[0]?.problems.all() ?? [];
      expect([byte, found.map(({ kind, at: where }) => [kind, where])]).toEqual([byte, [['torn', at]]]);
      await carryOut(path, await planRepair(path));
      const repaired = readFileSync(path);
      expect(repaired.subarray(0, at).equals(whole.subarray(0, at))).toBe(true);
      expect(repaired.subarray(at).every((value) => value === 0)).toBe(true);
      const kept = readFileSync(`${path}.~cut-${at}`);
      expect(kept.equals(torn.subarray(at, at + kept.length))).toBe(true);
      expect((await inspectPaths([path])).reports[0]?.problems.all()).toEqual([]);
      for (const name of readdirSync(folder)) if (name.includes('~')) rmSync(join(folder, name));
    }
  });

  it('with a later batch that proves its own durability is damaged, not torn: never cut', async () => {
    const from = segmentPaths(source, topics[0] as string)[0] as string;
    const path = join(tempDir(), basename(from));
    copyFileSync(from, path);
    flipBit(path, 133 + 5);
    const bytes = readFileSync(path);
    const repair = await runLance(['segment', 'repair', path, '--yes', '--json']);
    expect(repair.code).toBe(3);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(JSON.parse(repair.stdout).problems).toMatchObject([{ kind: 'payload', at: 0 }]);
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
  });
});
