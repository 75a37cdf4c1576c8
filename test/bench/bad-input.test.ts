/** What a bench does when its surroundings do not play along: a disk that fills up, a narrow terminal, a reader that goes away. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchResult } from '../../src/bench/result.js';
import { Emulator } from '../tui/top/terminal.js';

const root = resolve(import.meta.dirname, '../..');
let dir: string;
beforeAll(() => {
  mkdirSync(join(root, '.cache'), { recursive: true });
  dir = mkdtempSync(join(root, '.cache', 'bench-bad-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const bench = (...args: string[]) => {
  const child = spawn(process.execPath, [join(root, 'bin/run.js'), 'bench', ...args]);
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (piece) => {
    said.stdout += piece;
  });
  child.stderr.on('data', (piece) => {
    said.stderr += piece;
  });
  const ended = new Promise<number | null>((done) => child.on('close', done));
  return { child, said, ended };
};

/** Files below a folder, as paths. */
const filesBelow = (path: string): string[] => {
  try {
    return readdirSync(path, { recursive: true }) as string[];
  } catch {
    // A folder that goes while it is listed.
    return [];
  }
};

describe('lance bench', { timeout: 240_000 }, () => {
  it('ends early with what was measured when the disk fills up in the middle', async (context) => {
    const small = join(dir, 'small');
    mkdirSync(small);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1200m', 'none', small]).status !== 0) {
      context.skip('mounting takes root');
    }
    try {
      const { child, said, ended } = bench(
        ...['ingest', '--duration', '90s', '--warmup', '0s', '--rate', '2000', '--no-floor'],
        ...['--data-dir', small, '--json'],
      );
      while (!filesBelow(small).some((name) => name.endsWith('.lnc') && name.includes('bench-'))) {
        expect(child.exitCode, said.stderr).toBeNull();
        await sleep(50);
      }
      // Somebody else takes the rest of it.
      const block = Buffer.alloc(16 * 2 ** 20);
      for (let number = 0; number < 100; number += 1) {
        try {
          writeFileSync(join(small, `other-${number}`), block);
        } catch (error) {
          expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
          break;
        }
      }
      expect(await ended).toBe(1);
      const { error, ...measured } = JSON.parse(said.stdout) as { error: { code: string } } & BenchResult;
      expect(error.code).toBe('DISK_FULL');
      expect(measured.throughput.records).toBeGreaterThan(0);
      expect(measured.seconds).toBeLessThan(80);
      expect(readdirSync(small).filter((name) => name.startsWith('lance-bench-'))).toEqual([]);
    } finally {
      // A dead process's ring keeps the file system busy for a moment.
      spawnSync('umount', ['--lazy', small]);
      rmSync(small, { recursive: true });
    }
  });

  it('fits a terminal of 60 columns while it runs and when it is done', async () => {
    const terminal = new Emulator(
      ['bench', 'latency', '--duration', '1s', '--warmup', '300ms', '--rate', '500', '--data-dir', dir],
      60,
      48,
    );
    const seen: string[][] = [];
    const watch = setInterval(() => seen.push(terminal.lines), 50);
    const code = await terminal.exited;
    clearInterval(watch);
    expect(code, terminal.raw).toBe(0);
    const live = seen.find((lines) => lines.some((line) => /━.* s left/.test(line)));
    expect(live, seen.flat().join('\n')).toBeDefined();
    // A line that was wrapped would go on below, at the left edge and without its name.
    expect(live?.findIndex((line) => line.includes(' s left'))).toBe(0);
    const last = terminal.lines.join('\n');
    expect(last).toContain('lance bench latency');
    expect(last).toMatch(/^ {2}response \(from due\) .* [mun]?s$/m);
    expect(last).not.toContain('s left');
  });

  it('writes plain text into a pipe, and nothing to stderr', async () => {
    const { said, ended } = bench(
      ...['latency', '--duration', '300ms', '--warmup', '0s', '--rate', '300', '--no-floor', '--no-spin'],
      ...['--data-dir', dir],
    );
    expect(await ended, said.stderr).toBe(0);
    expect(said.stdout).toContain('response (from due)');
    expect(said.stdout).not.toContain('\u001b');
    // What it says of a machine that others keep busy may be there.
    const busy = /^The (generator itself was late|rate of 300 records|host of this virtual machine) .*$/gm;
    expect(said.stderr.replace(busy, '').trim()).toBe('');
  });

  it('is content with a reader that has gone away, and cleans up', async () => {
    const { child, ended } = bench(
      ...['latency', '--duration', '300ms', '--warmup', '0s', '--rate', '300', '--no-floor'],
      ...['--data-dir', dir],
    );
    child.stdout.destroy();
    expect(await ended).toBe(0);
    expect(readdirSync(dir)).toEqual([]);
  });
});
