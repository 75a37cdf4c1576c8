import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Admin } from '../client/index.js';
import { readCounters, type Snapshot } from '../counters/index.js';
import { DISCARD_VARIABLE, makeDiscardDirectory } from '../engine/index.js';
import { keep } from './child.js';
import { BenchError } from './errors.js';
import type { BenchOptions } from './options.js';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const END_WITH_PARENT = new URL('./end-with-parent.js', import.meta.url).href;
/** How long a drain may take before the node is killed: its data is thrown away anyway. */
const STOP_MS = 20_000;

/** The node that is measured. */
export interface NodeUnderTest {
  endpoint: string;
  /** Undefined for a node that was there before. */
  pid: number | undefined;
  /** Its counters now, where they can be read. */
  counters(): Snapshot | undefined;
  /** Ends it; a node that was there before goes on. */
  stop(): Promise<void>;
}

/** A node that somebody else runs, at `endpoint`. Throws UnreachableError when nobody answers. */
export async function nodeAt(endpoint: string): Promise<NodeUnderTest> {
  const admin = await Admin.open({ endpoint, clientName: 'lance-bench' });
  const answered = admin.connection.endpoint;
  admin.close();
  return {
    endpoint: answered,
    pid: undefined,
    counters: () => undefined,
    stop: async () => undefined,
  };
}

/** Starts `lance serve` on `dataDir`, on free ports of the loopback, with default settings or those of a file. Throws BenchError. */
export async function startNode(
  dataDir: string,
  { configFile, durability, discard }: Pick<BenchOptions, 'configFile' | 'durability' | 'discard'>,
): Promise<NodeUnderTest> {
  const key = discard ? makeDiscardDirectory(dataDir) : undefined;
  mkdirSync(dataDir, { recursive: true });
  // A file of its own, so that none of /etc steers it.
  const own = join(dataDir, 'bench.toml');
  writeFileSync(own, '');
  const child = spawn(
    process.execPath,
    [
      '--import',
      END_WITH_PARENT,
      RUN,
      'serve',
      '--json',
      '--config',
      configFile ?? own,
      '--data-dir',
      dataDir,
      '--bind',
      '127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
      '--log-level',
      'warn',
    ],
    {
      cwd: dataDir,
      env: { ...environment(durability), ...(key && { [DISCARD_VARIABLE]: key }) },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    },
  );
  keep(child);
  child.stdin.on('error', () => undefined);
  let log = '';
  child.stderr.on('data', (piece: Buffer) => {
    log = (log + piece.toString()).slice(-4_000);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ready = await firstLine(child, ended, () => log);
  const counters = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8')) as { counters: string };
  return {
    endpoint: ready.lwp,
    pid: child.pid,
    counters: () => snapshot(counters.counters),
    stop: () => stop(child, ended),
  };
}

/** A person's own LANCE_* variables must not steer the node under test. */
function environment(durability: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('LANCE_'));
  return { ...Object.fromEntries(kept), LANCE_IO_DURABILITY: durability, NO_COLOR: '1' };
}

async function firstLine(
  child: ChildProcess,
  ended: Promise<void>,
  log: () => string,
): Promise<{ lwp: string; admin: string }> {
  const { stdout } = child;
  const line = await Promise.race([
    new Promise<string>((resolve) => stdout && createInterface({ input: stdout }).once('line', resolve)),
    ended.then(() => undefined),
  ]);
  const ready =
    line === undefined ? undefined : (JSON.parse(line) as { event?: string; lwp: string; admin: string });
  if (ready?.event === 'ready') return ready;
  throw new BenchError('The node under test did not start.', {
    code: 'NODE_FAILED',
    hint: (line ?? log()).trim() || 'Try `lance serve` with the same --data-dir.',
  });
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(late);
}

function snapshot(path: string): Snapshot | undefined {
  try {
    return readCounters(readFileSync(path));
  } catch {
    return undefined;
  }
}
