import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchResult } from '../../src/bench/result.js';
import { LanceNode } from '../harness/node.js';
import { lance } from '../support/cli.js';

const root = resolve(import.meta.dirname, '../..');
/** Long enough for some acknowledgements where the disk stands still for half a second. */
const quick = ['--duration', '1s', '--warmup', '200ms'];
let dir: string;
beforeAll(() => {
  // On the repository's own file system: /tmp may be memory.
  mkdirSync(join(root, '.cache'), { recursive: true });
  dir = mkdtempSync(join(root, '.cache', 'bench-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function bench(args: readonly string[]): Promise<BenchResult> {
  const { code, stdout, stderr } = await lance(['bench', ...args, '--data-dir', dir, '--json']);
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as BenchResult;
}

describe('lance bench', { timeout: 240_000 }, () => {
  it('ingest prints the documented JSON with its floor, and leaves nothing behind', async () => {
    const found = await bench(['ingest', ...quick, '--repeat', '2']);
    expect(found).toMatchObject({ scenario: 'ingest', errors: 0, shortfall: 0, interrupted: false });
    expect(found.config).toMatchObject({ connections: 16, inFlight: 8, rate: 'max', durability: 'durable' });
    expect(found.throughput.records).toBeGreaterThan(0);
    expect(found.latency.count).toBeGreaterThan(0);
    expect(found.runs).toHaveLength(2);
    expect(Object.keys(found.stages ?? {})).toEqual([
      'receive_enqueue',
      'enqueue_submit',
      'submit_complete',
      'complete_ack',
    ]);
    const { floor, ratio } = found;
    for (const name of ['durableBytes', 'writtenBytes', 'loopbackBytes', 'pipelineDiscardBytes'] as const) {
      expect(floor?.[name], name).toBeGreaterThan(0);
    }
    expect(['device', 'pipeline']).toContain(ratio?.throughputFloor);
    // Beside the floor, not in its place.
    expect(floor?.pipelineAppendBytes).toBeGreaterThan(0);
    expect(ratio?.append).toBeCloseTo(found.throughput.bytes / (floor?.pipelineAppendBytes ?? 0));
    expect(ratio?.p99).toBeGreaterThan(0);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('latency keeps the schedule, also in Poisson arrivals, and writes a page', async () => {
    const page = join(dir, 'page.html');
    // A thousand arrivals: a hundred of them come also where the machine stands still for most of the time.
    const found = await bench([
      'latency',
      ...['--duration', '2s', '--warmup', '200ms'],
      '--rate',
      '500',
      '--arrivals',
      'poisson',
      '--html',
      page,
    ]);
    expect(found.latency.count).toBeGreaterThan(100);
    expect(found.latency.count).toBeLessThan(1_300);
    expect(found.ratio?.latencyFloor).toBe('groupCommit');
    // The bare pipeline met the same arrivals.
    expect(found.floor?.pipelineLatency?.count).toBeGreaterThan(100);
    expect(found.ratio?.pipeline?.p99).toBeGreaterThan(0);
    expect(found.cpu?.stolen).toBeGreaterThanOrEqual(0);
    expect(readFileSync(page, 'utf8')).toContain('Latency by percentile');
    rmSync(page);
  });

  it('consume reads back what it stored and times delivery', async () => {
    const found = (await bench(['consume', ...quick, '--log-size', '8MiB', '--no-floor'])) as BenchResult & {
      consume: Record<string, { throughput: { bytes: number }; latency: { count: number } }>;
    };
    expect(Object.keys(found.consume)).toEqual(['cold', 'warm', 'tail']);
    for (const pass of Object.values(found.consume)) expect(pass.throughput.bytes).toBeGreaterThan(0);
    expect(found.consume.tail?.latency.count).toBeGreaterThan(0);
  });

  it('consume holds a cold read against the bare pipeline over a log like it', async () => {
    const found = await bench(['consume', ...quick, '--mode', 'cold', '--log-size', '64MiB']);
    const least = found.floor?.pipelineLogBytes ?? 0;
    expect(least).toBeGreaterThan(0);
    expect(found.ratio?.throughput).toBeCloseTo(found.throughput.bytes / least, 6);
    expect(found.ratio?.throughputFloor).toBe('pipeline');
    expect(found.notes).not.toContainEqual(expect.stringContaining('log beside'));
  });

  it('consume has a log beside each of several runs', async () => {
    const words = ['consume', ...quick, '--mode', 'cold', '--log-size', '16MiB', '--repeat', '2'];
    const found = await bench(words);
    expect(found.runs.map(({ throughput }) => throughput.bytes > 0)).toEqual([true, true]);
    expect(found.floor?.pipelineLogBytes).toBeGreaterThan(0);
    expect(found.ratio?.throughput).toBeGreaterThan(0);
  });

  it('consume says where a log is too short for that', async () => {
    const found = await bench(['consume', ...quick, '--mode', 'cold', '--log-size', '1MiB']);
    expect(found.floor?.pipelineLogBytes).toBeUndefined();
    expect(found.notes).toContainEqual(expect.stringContaining('The log beside could not be read as one'));
    const { pipelineReadBytes, readBytes } = found.floor ?? {};
    const floor = Math.min(pipelineReadBytes ?? 0, readBytes ?? 0);
    expect(found.ratio?.throughput).toBeCloseTo(found.throughput.bytes / floor, 6);
  });

  it('floor measures without a node', async () => {
    const { floor, runs } = await bench(['floor', '--duration', '2s']);
    expect(runs).toEqual([]);
    expect(floor?.pipelineDurableBytes).toBeGreaterThan(0);
    expect(floor?.pipelineAppendBytes).toBeGreaterThan(0);
    expect(floor?.dsync4k.count).toBeGreaterThan(0);
  });

  it('loads a node that runs already and takes its topics away again', async () => {
    const node = await LanceNode.start();
    await bench([
      'latency',
      ...quick,
      '--endpoint',
      node.endpoint,
      '--rate',
      '200',
      '--no-floor',
      '--topics',
      '3',
    ]);
    const { stdout } = await lance(['topic', 'list', '--endpoint', node.endpoint, '--json']);
    expect(JSON.parse(stdout).topics.map(({ name }: { name: string }) => name)).toEqual(['default']);
    await node.stop();
  });

  it.each(['lz4', 'zstd'])('sends payloads compressed with %s', async (compression) => {
    const found = await bench(['ingest', ...quick, '--compression', compression, '--no-floor']);
    expect(found.errors).toBe(0);
    expect(found.throughput.records).toBeGreaterThan(0);
  });

  it('says that an endpoint cannot be reached', async () => {
    const { code, stdout } = await lance([
      'bench',
      'ingest',
      '--endpoint',
      '127.0.0.1:9',
      '--data-dir',
      dir,
      '--json',
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'UNREACHABLE' });
  });

  it('says that a rate was not reached and by how much it fell short', async () => {
    const { code, stdout, stderr } = await lance([
      ...['bench', 'latency', ...quick, '--rate', '50000000', '--no-floor', '--data-dir', dir, '--json'],
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).shortfall).toBeGreaterThan(1_000_000);
    expect(stderr).toContain('was not reached');
  });

  it('shows what was measured so far when it is interrupted, and exits with 130', async () => {
    const node = await LanceNode.start();
    const child = spawn(process.execPath, [
      join(root, 'bin/run.js'),
      ...['bench', 'ingest', '--duration', '60s', '--warmup', '0s', '--endpoint', node.endpoint],
      ...['--data-dir', dir, '--json'],
    ]);
    let stdout = '';
    child.stdout.on('data', (piece) => {
      stdout += piece;
    });
    const ended = new Promise((done) => child.on('close', done));
    const acks = async (): Promise<number> => {
      const text = await (await node.adminGet('/metrics')).text();
      return Number(/^lance_acks_total\S* (\d+)$/m.exec(text)?.[1] ?? 0);
    };
    while ((await acks()) < 100) await sleep(50);
    child.kill('SIGINT');
    const code = await ended;
    expect(code).toBe(130);
    const found = JSON.parse(stdout) as BenchResult;
    expect(found.interrupted).toBe(true);
    expect(found.throughput.records).toBeGreaterThan(0);
    expect(readdirSync(dir)).toEqual([]);
    await node.stop();
  });

  it('refuses a file system without room', async (context) => {
    const small = join(dir, 'small');
    mkdirSync(small);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'none', small]);
    if (mounted.status !== 0) context.skip('mounting takes root');
    try {
      const { code, stdout } = await lance(['bench', 'ingest', '--data-dir', small, '--json']);
      expect(code).toBe(1);
      expect(JSON.parse(stdout).error.code).toBe('DISK_FULL');
    } finally {
      spawnSync('umount', ['--lazy', small]);
      rmSync(small, { recursive: true });
    }
  });

  it.each([
    [['--rate', '0'], '--rate'],
    [['--duration', 'soon'], '--duration'],
    [['--data-dir', '/no/such/place'], '/no/such/place'],
    [['--html', '/no/such/place/report.html'], 'report.html'],
    [['--arrivals', 'bursts'], 'arrivals'],
  ])('with %j names what is wrong before anything runs', async (flags, named) => {
    const { code, stderr } = await lance(['bench', 'latency', ...flags]);
    expect([1, 2]).toContain(code);
    expect(stderr).toContain(named);
  });
});
