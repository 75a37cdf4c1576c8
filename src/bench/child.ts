import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BenchError } from './errors.js';

const LOAD = fileURLToPath(new URL('./load-process.js', import.meta.url));

/** One line that a native scenario tells while it runs. */
export type Told = { event: string } & Record<string, unknown>;

/** Every process that a bench has started and that still runs: none may outlive it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Keeps a child in mind until it ends. */
export function keep(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}

/** A native scenario (bench/load) that runs in a process of its own. */
export interface Playing {
  pid: number;
  /** Its result. Rejects with BenchError when it fails. */
  result: Promise<Record<string, unknown>>;
  /** Ends it early, with what it has so far. */
  stop(): void;
}

/**
 * Starts a native scenario. `flags` are those of `lance-load --help`; undefined ones are left out. It ends early when `signal`
 * says so, and by itself when this process is gone.
 */
export function play(
  scenario: string,
  flags: Readonly<Record<string, string | number | undefined>>,
  { on, signal }: { on?: (told: Told) => void; signal?: AbortSignal } = {},
): Playing {
  const words = Object.entries({ ...flags, events: 1 }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
  // Detached: a terminal's Ctrl-C is for this process, which then asks for what was measured so far.
  const child = spawn(process.execPath, [LOAD, scenario, ...words], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  keep(child);
  child.stdin.on('error', () => undefined);
  const stop = (): void => {
    child.stdin.end('stop\n');
  };
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const result = outcome(child, scenario, on).finally(() => signal?.removeEventListener('abort', stop));
  // Whoever started it looks at the result later; until then a failure is no unhandled one.
  result.catch(() => undefined);
  return { pid: child.pid ?? 0, result, stop };
}

/** Starts a native server and waits until it says where it listens. Rejects with BenchError when it ends before. */
export async function listening(
  scenario: string,
  flags: Readonly<Record<string, string | number | undefined>>,
): Promise<{ playing: Playing; endpoint: string }> {
  let heard: (endpoint: string) => void = () => undefined;
  const endpoint = new Promise<string>((resolve) => {
    heard = resolve;
  });
  const playing = play(scenario, flags, {
    on: (told) => {
      if (told.event === 'listening') heard(String(told.endpoint));
    },
  });
  // A server that ends before it listens has failed: its result says why.
  const failed = playing.result.then(() => '');
  return { playing, endpoint: await Promise.race([endpoint, failed]) };
}

async function outcome(
  child: ChildProcess,
  scenario: string,
  on: ((told: Told) => void) | undefined,
): Promise<Record<string, unknown>> {
  let last: Told | undefined;
  let complaint = '';
  child.stderr?.on('data', (piece: Buffer) => {
    complaint += piece.toString();
  });
  const ended = new Promise<number | string | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? code));
  });
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = JSON.parse(line) as Told;
      if (told.event === 'result' || told.event === 'error') last = told;
      else on?.(told);
    });
  }
  const status = await ended;
  if (last?.event === 'result') return last;
  if (last?.event === 'error') throw failure(String(last.message), String(last.kind));
  throw new BenchError(`The load generator ended with ${status} in \`${scenario}\`.`, {
    code: 'GENERATOR_FAILED',
    hint: complaint.trim() || 'Run it again with DEBUG=1 and report it.',
  });
}

/** What native code said went wrong, as an error for people. */
export function failure(message: string, kind: string): BenchError {
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? '' : '.'}`;
  const known: Record<string, { code: string; hint: string }> = {
    unreachable: {
      code: 'UNREACHABLE',
      hint: 'Start a node there, or leave --endpoint out: then the bench starts its own.',
    },
    'disk-full': {
      code: 'DISK_FULL',
      hint: 'Name a larger file system with --data-dir, or a shorter --duration.',
    },
    refused: { code: 'REFUSED', hint: 'See the log of the node.' },
    protocol: { code: 'PROTOCOL', hint: 'Is it a LANCE node of this version, and does it still run?' },
  };
  const { code, hint } = known[kind] ?? {
    code: 'BENCH_FAILED',
    hint: 'Check --data-dir and what the system allows.',
  };
  return new BenchError(sentence, { code, hint });
}
