/** Scripts of bench/ that are interrupted: nothing that they started goes on, whoever started it for them. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const bench = join(root, 'bench');
/** For a machine that is busy with something else. */
const PATIENCE_MS = 120_000;
let dir: string;
beforeAll(() => {
  mkdirSync(join(root, '.cache'), { recursive: true });
  dir = mkdtempSync(join(root, '.cache', 'interrupt-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Processes of a script, wherever their parents went: their environment carries its mark (`lance bench` hands on no LANCE_* variable). */
function marked(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`BENCH_TEST_MARK=${mark}\0`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
};

interface Interrupted {
  status: number | null;
  out: string;
  err: string;
  /** Commands of what still ran when the script had ended. */
  left: string[];
  /** Commands of what ran when the signal came. */
  ran: string[];
}

let scripts = 0;
/** Runs a script until `ready` finds among its processes what it waits for, and sends it a signal then. */
async function interrupted(
  words: readonly string[],
  {
    signal = 'SIGINT',
    ready,
    env = {},
  }: { signal?: 'SIGINT' | 'SIGTERM'; ready: (commands: string[]) => boolean; env?: NodeJS.ProcessEnv },
): Promise<Interrupted> {
  scripts += 1;
  const mark = `${process.pid}-${scripts}`;
  const [script = '', ...args] = words;
  const child = spawn(process.execPath, [join(bench, script), ...args], {
    env: { ...process.env, ...env, BENCH_TEST_MARK: mark },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (piece: Buffer) => {
    out += piece.toString();
  });
  child.stderr.on('data', (piece: Buffer) => {
    err += piece.toString();
  });
  let status: number | null | undefined;
  const ended = new Promise<void>((done) =>
    child.once('close', (code) => {
      status = code;
      done();
    }),
  );
  const look = (): string[] => marked(mark).map(commandOf);
  try {
    const until = Date.now() + PATIENCE_MS;
    let ran = look();
    while (!ready(ran)) {
      if (status !== undefined || Date.now() > until)
        throw new Error(`${script} (${status}): ${out}\n${err}`);
      await sleep(100);
      ran = look();
    }
    child.kill(signal);
    await ended;
    return { status: status ?? null, out, err, left: look(), ran };
  } finally {
    for (const pid of marked(mark)) process.kill(pid, 'SIGKILL');
  }
}

/** A program of shell in a folder. */
function program(folder: string, name: string, lines: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `#!/bin/sh\n${lines}\n`);
  chmodSync(join(folder, name), 0o755);
}

const serves = (commands: readonly string[]): boolean =>
  commands.some((command) => / serve .*--json/.test(command));
const loads = (commands: readonly string[]): boolean =>
  commands.some((command) => /load-process|lance-load/.test(command));

describe('bench/peers/run.mjs that is interrupted', { timeout: 300_000 }, () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'while it installs, by %s, ends what its installer started and exits with %d',
    async (signal, code) => {
      const bin = join(dir, `bin-${signal}`);
      // As Maven's: a shell script that starts what does the work, and does not pass a signal on.
      program(bin, 'mvn', "trap '' INT\nsleep 1111 &\nsleep 2222");
      const cache = join(dir, `cache-${signal}`);
      const { status, err, left } = await interrupted(['peers/run.mjs', '--peer', 'kafka', '--dir', dir], {
        signal,
        ready: (commands) => ['sleep 1111', 'sleep 2222'].every((one) => commands.includes(one)),
        env: { PATH: `${bin}:${process.env.PATH}`, LANCE_PEERS_CACHE: cache },
      });
      expect(left).toEqual([]);
      expect(status, err).toBe(code);
      expect(err).toContain('nothing was measured');
      expect(readdirSync(dir).filter((name) => name.startsWith('lance-bench-'))).toEqual([]);
    },
  );

  it('while it measures, ends servers and loads, and says what was measured so far', async () => {
    const cache = join(dir, 'cache-nats');
    const { VERSIONS } = (await import(join(bench, 'peers/install.mjs'))) as {
      VERSIONS: { natsServer: string };
    };
    const nats = join(cache, `nats-${VERSIONS.natsServer}`);
    program(nats, 'nats-server', "trap '' TERM INT\necho 'Server is ready'\nsleep 3333\nsleep 3333");
    program(nats, 'nats', 'sleep 4444');
    const file = join(dir, 'peers.json');
    const words = [
      '--peer',
      'nats',
      '--level',
      'written',
      '--part',
      'throughput',
      '--rounds',
      '1',
      '--seconds',
      '1',
    ];
    const { status, out, err, left } = await interrupted(
      ['peers/run.mjs', ...words, '--dir', dir, '--out', file],
      {
        ready: (commands) => ['sleep 3333', 'sleep 4444'].every((one) => commands.includes(one)),
        env: { LANCE_PEERS_CACHE: cache },
      },
    );
    expect(left).toEqual([]);
    expect(status, err).toBe(130);
    expect(err).toContain('measured so far: 1 of this run');
    expect(out).toMatch(/\| written \| LANCE [^|]+\| \d+ \|/);
    expect(out).toMatch(/\| written \| NATS [^|]+\| not measured \|/);
    const { interrupted: cut, measured } = JSON.parse(readFileSync(file, 'utf8')) as {
      interrupted: boolean;
      measured: { peer: string; failed?: string }[];
    };
    expect(cut).toBe(true);
    expect(measured.map(({ peer, failed }) => [peer, failed])).toEqual([['lance', undefined]]);
    expect(readdirSync(dir).filter((name) => name.startsWith('lance-bench-'))).toEqual([]);
  });
});

describe('a script of bench/ that is interrupted', { timeout: 300_000 }, () => {
  // stall.mjs and speed.mjs need lance-load, which `npm test` does not build; they end through the same children.mjs.
  const under = (commands: readonly string[]): boolean => serves(commands) && loads(commands);
  it.for([
    { words: ['counters.mjs', '--seconds', '120'], ready: under },
    { words: ['seconds.mjs', '--seconds', '120'], ready: under },
    { words: ['startup.mjs', '--topics', '2', '--gib', '1', '--rounds', '999'], ready: serves },
    { words: ['top-cost.mjs', '--seconds', '300'], ready: under },
    { words: ['goals.mjs', '--only', 'own-time', '--duration', '120s'], ready: under },
    { words: ['goals.mjs', '--only', 'start-up', '--repeat', '999'], ready: serves },
  ])('$words.0 $words.1 $words.2 … leaves no process and no folder', async ({ words, ready }) => {
    const here = mkdtempSync(join(dir, 'script-'));
    const out = words[0] === 'goals.mjs' ? ['--into', join(dir, 'goals.json')] : [];
    const { status, err, left, ran } = await interrupted([...words, '--dir', here, ...out], { ready });
    expect(left, ran.join('\n')).toEqual([]);
    expect(status, err).toBe(130);
    expect(readdirSync(here)).toEqual([]);
    expect(existsSync(join(dir, 'goals.json'))).toBe(false);
  });
});
