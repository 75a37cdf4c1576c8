/** `lance bench sweep`: what it walks, what it prints, and what is left of it when it is interrupted. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderPage } from '../../src/bench/report/page.js';
import type { BenchResult } from '../../src/bench/result.js';
import type { Sweep, SweepPoint } from '../../src/bench/sweep.js';
import { ALL_WALKS, parseWalk, showValue } from '../../src/bench/sweep-axes.js';
import { drawResult } from '../../src/tui/bench/result.js';
import { LanceNode } from '../harness/node.js';
import { lance } from '../support/cli.js';
import { result, run, times } from './support.js';

const root = resolve(import.meta.dirname, '../..');
let dir: string;
beforeAll(() => {
  mkdirSync(join(root, '.cache'), { recursive: true });
  dir = mkdtempSync(join(root, '.cache', 'sweep-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const point = (value: number): SweepPoint => ({
  value,
  throughput: { records: 292_969, bytes: 3e8 },
  latency: times(90_000),
  floorBytes: 5e8,
  ratio: 0.6,
  throughputFloor: 'pipeline',
  nodeSecondsPerGB: 0.4,
  residentBytes: 160 * 2 ** 20,
  errors: 0,
  interrupted: value === 100,
});
const swept = {
  ...result([run(3e8, 110_000)], { scenario: 'sweep' }),
  sweep: {
    topics: [1, 10, 100].map(point),
    logSize: [0, 2 ** 30].map((value) => ({ ...point(value), startSeconds: 0.6 })),
  } satisfies Sweep,
};

describe('an axis', () => {
  it('has the values of the issue unless told: records of 64 B to 1 MiB among them', () => {
    expect(ALL_WALKS.map(({ axis }) => axis)).toEqual([
      'topics',
      'connections',
      'recordSize',
      'batchBytes',
      'logSize',
    ]);
    const { values } = parseWalk('record-size');
    expect([values[0], values.at(-1)]).toEqual([64, 2 ** 20]);
  });

  it('takes values as people write them, each once and in order', () => {
    expect(parseWalk('log-size=1GiB,0,256MiB,1GiB')).toEqual({
      axis: 'logSize',
      values: [0, 2 ** 28, 2 ** 30],
    });
    expect(showValue('logSize', 2 ** 28)).toBe('256 MiB');
    expect(showValue('recordSize', 300)).toBe('300 B');
  });

  it.each([
    ['colour', '--axis "colour"'],
    ['topics=many', '"many"'],
    ['topics=0', '"0"'],
    ['topics=', '""'],
    ['record-size=64,17MiB', '"17MiB"'],
  ])('%s is refused, named, with exit code 2 and before anything runs', async (text, named) => {
    const { code, stderr } = await lance(['bench', 'sweep', '--axis', text]);
    expect(code).toBe(2);
    expect(stderr).toContain(named);
  });
});

describe('a sweep as people read it', () => {
  it.each([60, 80, 120])('fits %d columns and holds no escape sequence', (columns) => {
    const text = drawResult(swept, { columns, colour: false });
    expect(text).not.toContain('\u001b');
    for (const line of text.split('\n')) expect([...line].length).toBeLessThanOrEqual(columns);
    expect(text.slice(text.indexOf('Topics'), text.indexOf('Floor of'))).not.toContain('…');
    for (const shown of ['Topics', '1 GiB', '300 MB/s', '0.60']) expect(text).toContain(shown);
  });

  it('is a page with a chart and a table for each axis', () => {
    const page = renderPage(swept);
    expect(page).toContain('<h2>Topics</h2>');
    expect(page).toContain('<h2>Log size</h2>');
    expect(page.match(/<svg/g)).toHaveLength(10);
    expect(page).toContain('100 (cut short)');
  });
});

describe('lance bench sweep', { timeout: 240_000 }, () => {
  it('prints each point beside its floor, times the start over a filled log, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await lance([
      ...['bench', 'sweep', '--duration', '1s', '--warmup', '200ms', '--data-dir', dir, '--json'],
      ...['--axis', 'topics=1,3', '--axis', 'log-size=0,8MiB'],
    ]);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    const found = JSON.parse(stdout) as BenchResult & { sweep: Sweep };
    expect(found).toMatchObject({ scenario: 'sweep', errors: 0, interrupted: false });
    expect(found.throughput.records).toBeGreaterThan(0);
    expect(Object.keys(found.sweep)).toEqual(['topics', 'logSize']);
    const { topics = [], logSize = [] } = found.sweep;
    expect(topics.map(({ value }) => value)).toEqual([1, 3]);
    expect(logSize.map(({ value }) => value)).toEqual([0, 8 * 2 ** 20]);
    for (const one of [...topics, ...logSize]) {
      expect(one.throughput.bytes).toBeGreaterThan(0);
      expect(one.ratio).toBeCloseTo(one.throughput.bytes / (one.floorBytes ?? 0));
      expect(one.residentBytes).toBeGreaterThan(0);
    }
    for (const one of logSize) expect(one.startSeconds).toBeGreaterThan(0);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('shows the points that were measured when it is interrupted, and exits with 130', async () => {
    const node = await LanceNode.start();
    const page = join(dir, 'page.html');
    const child = spawn(process.execPath, [
      join(root, 'bin/run.js'),
      ...['bench', 'sweep', '--duration', '300ms', '--warmup', '0s', '--no-floor', '--html', page],
      ...['--axis', 'topics=1,2,3,4,5,6,7,8,9', '--endpoint', node.endpoint, '--data-dir', dir, '--json'],
    ]);
    let stdout = '';
    child.stdout.on('data', (piece) => {
      stdout += piece;
    });
    const ended = new Promise((done) => child.on('close', done));
    // Ids are never used again: topic 1 is the base's, 2 the first point's; with 3 that point is done.
    const newest = async (): Promise<number> => {
      const { topics } = (await (await node.adminGet('/v1/topics')).json()) as { topics: { id: number }[] };
      return Math.max(...topics.map(({ id }) => id));
    };
    // Asked for in this process: a `lance topic list` may take as long as the whole sweep.
    while ((await newest()) < 3) await sleep(20);
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    const found = JSON.parse(stdout) as BenchResult & { sweep: Sweep };
    expect(found.interrupted).toBe(true);
    expect(found.sweep.topics?.[0]).toMatchObject({ value: 1, interrupted: false });
    expect(found.sweep.topics?.length).toBeLessThan(9);
    expect(readFileSync(page, 'utf8')).toContain('interrupted');
    rmSync(page);
    await node.stop();
  });
});
