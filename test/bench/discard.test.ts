/** A node that stores nothing: only a bench can start one, and what it leaves is nobody's data (bench/README.md). */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import type { BenchResult } from '../../src/bench/result.js';
import { DISCARD_VARIABLE, makeDiscardDirectory } from '../../src/engine/index.js';
import { raw } from '../harness/lwp.js';
import { startNode } from '../harness/node.js';
import { lance } from '../support/cli.js';

let dir: string;
const made: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lance-discard-'));
  made.push(dir);
});
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

const serve = (dataDir: string, env: Record<string, string> = {}) =>
  lance(['serve', '--data-dir', dataDir, '--bind', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--json'], {
    env,
  });

it('the bench measures an engine whose node stores nothing, and says so', { timeout: 240_000 }, async () => {
  const args = ['bench', 'ingest', '--discard', '--duration', '1s', '--warmup', '200ms'];
  const { code, stdout, stderr } = await lance([...args, '--data-dir', dir, '--json']);
  expect(code, stderr).toBe(0);
  const found = JSON.parse(stdout) as BenchResult;
  expect(found).toMatchObject({
    errors: 0,
    config: { discard: true },
    ratio: { throughputFloor: 'pipeline' },
  });
  expect(found.throughput.records).toBeGreaterThan(0);
  expect(found.floor?.pipelineDiscardBytes).toBeGreaterThan(0);
  expect(found.floor?.pipelineWrittenBytes).toBeNull();
  expect(found.notes.join()).toContain('stored nothing');
  expect(readdirSync(dir)).toEqual([]);
});

it('such a node says loudly what it is, serves what is in memory and keeps nothing', async () => {
  const dataDir = join(dir, 'node');
  const key = makeDiscardDirectory(dataDir);
  const node = await startNode({
    dataDir,
    env: { [DISCARD_VARIABLE]: key },
    args: ['--log-level', 'error'],
  });
  expect(node.ready.backend).toBe('discard');
  const connection = await node.connect();
  const topic = await connection.createTopic('gone');
  await connection.ingestAcked(topic, raw('a value that is stored nowhere'));
  const { data } = await connection.fetch(topic, 0n, 1024);
  expect(Buffer.from(data).toString('latin1')).toContain('a value that is stored nowhere');
  connection.close();
  const { code, stderr } = await node.stop();
  expect(code).toBe(0);
  expect(stderr).toContain('THIS NODE STORES NOTHING');
  const kept = readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  expect(kept.length).toBeGreaterThan(3);
  expect(kept.join()).not.toContain('a value that is stored nowhere');

  // Neither an ordinary node nor anything else takes it for data.
  const refused = await serve(dataDir);
  expect(refused.code).not.toBe(0);
  expect(JSON.parse(refused.stdout).error).toMatchObject({ code: 'DATA_DIR_DISCARDS' });
  const seen = await lance(['segment', 'verify', dataDir]);
  expect(seen.code).not.toBe(0);
  expect(`${seen.stdout}${seen.stderr}`).toContain('its files are no data');
});

it('the variable alone starts no such node, and touches nothing', async () => {
  const fresh = join(dir, 'fresh');
  const env = { [DISCARD_VARIABLE]: 'left over' };
  const refused = await serve(fresh, env);
  expect(refused.code).not.toBe(0);
  expect(JSON.parse(refused.stdout).error).toMatchObject({ code: 'DATA_DIR_STORES' });
  expect(existsSync(fresh)).toBe(false);

  const marked = join(dir, 'marked');
  makeDiscardDirectory(marked);
  const other = await serve(marked, env);
  expect(JSON.parse(other.stdout).error).toMatchObject({ code: 'DATA_DIR_STORES' });
  expect(readdirSync(marked)).toEqual(['DISCARDS']);
});

it('a directory that is there already is never marked', () => {
  writeFileSync(join(dir, 'file'), '');
  expect(() => makeDiscardDirectory(dir)).toThrow('EEXIST');
  expect(readdirSync(dir)).toEqual(['file']);
});

it('a node that runs already cannot be told to store nothing', async () => {
  const { code, stderr } = await lance(['bench', 'ingest', '--discard', '--endpoint', '127.0.0.1:9']);
  expect(code).toBe(2);
  expect(stderr).toContain('--endpoint');
});

it('the configuration knows nothing of it', async () => {
  const file = join(dir, 'lance.toml');
  writeFileSync(file, '[io]\ndiscard = true\n');
  const { code, stdout, stderr } = await lance(['config', 'check', file]);
  expect(code).not.toBe(0);
  expect(`${stdout}${stderr}`).toContain('discard');
});
