/**
 * Starts real nodes (`lance serve` in a process of its own) and other `lance` commands for tests. A node that a test
 * leaves behind is killed when its file ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { ChecksumKind } from './checksum.js';
import { type Address, RawConnection } from './raw-connection.js';
import { tempDir } from './temp.js';

/** The top of the repository. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const RUN = join(ROOT, 'bin', 'run.js');
const READY_MS = 120_000;
const EXIT_MS = 120_000;

/** The first line of `lance serve --json` (cli.md). */
export interface Ready {
  readonly event: 'ready';
  readonly lwp: string;
  readonly admin: string;
  readonly pid: number;
  readonly nodeId: number;
  readonly dataDir: string;
  readonly backend: string;
  readonly durability: string;
}

export interface NodeOptions {
  /** Defaults to a fresh temporary directory. */
  readonly dataDir?: string;
  /** The text of a lance.toml. */
  readonly config?: string;
  /** Further flags of `lance serve`. */
  readonly args?: readonly string[];
  /** Further environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Flags of Node itself, such as `--import`. */
  readonly nodeArgs?: readonly string[];
  /** An installed `lance` to run instead of the built one. */
  readonly program?: string;
  /** The address flag; port 0 of loopback unless told otherwise. */
  readonly bind?: string;
  /** The same of the admin endpoint. */
  readonly admin?: string;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Process {
  stdout = '';
  stderr = '';
  readonly exited: Promise<Exit>;

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) =>
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }),
      );
    });
    running.add(this);
    void this.exited.catch(() => undefined).then(() => running.delete(this));
  }
}

const running = new Set<Process>();

afterAll(async () => {
  const left = [...running];
  for (const process of left) process.child.kill('SIGKILL');
  await Promise.allSettled(left.map((process) => process.exited));
});

function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  // A developer's own LANCE_* variables must not steer the node under test.
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('LANCE_') && name !== 'NODE_OPTIONS',
  );
  return { ...Object.fromEntries(own), NO_COLOR: '1', ...extra };
}

function launch(
  nodeArgs: readonly string[],
  args: readonly string[],
  cwd: string,
  env?: Readonly<Record<string, string>>,
  program = RUN,
): Process {
  if (!existsSync(program)) throw new Error(`${program} is missing: run \`npm run build\` first`);
  return new Process(
    spawn(process.execPath, [...nodeArgs, program, ...args], {
      cwd,
      env: environment(env),
      stdio: ['pipe', 'pipe', 'pipe'],
    }),
  );
}

/** Runs one `lance` command to its end. */
export function runLance(
  args: readonly string[],
  options: { input?: string | Uint8Array; env?: Readonly<Record<string, string>>; timeoutMs?: number } = {},
): Promise<Exit> {
  const process = launch([], args, tempDir('lance-cwd'), options.env);
  process.child.stdin?.on('error', () => undefined);
  process.child.stdin?.end(options.input ?? '');
  return within(process, options.timeoutMs ?? EXIT_MS, `\`lance ${args.join(' ')}\``);
}

/** Runs `lance serve` where it is expected to refuse; resolves with how it ended, throws if it comes up. */
export async function runServeExpectingExit(options: NodeOptions = {}): Promise<Exit> {
  const process = launch(
    options.nodeArgs ?? [],
    serveArguments(options, options.dataDir ?? tempDir()),
    tempDir('lance-cwd'),
    options.env,
  );
  const exit = within(process, EXIT_MS, '`lance serve`');
  const cameUp = await Promise.race([
    waitForReady(process).then(
      () => true,
      () => false,
    ),
    exit.then(() => false),
  ]);
  if (cameUp) {
    process.child.kill('SIGKILL');
    throw new Error(`the node came up although it should have refused:\n${process.stderr}`);
  }
  return exit;
}

function serveArguments(options: NodeOptions, dataDir: string): string[] {
  const args = [
    'serve',
    '--json',
    '--bind',
    options.bind ?? '127.0.0.1:0',
    '--admin',
    options.admin ?? '127.0.0.1:0',
    '--data-dir',
    dataDir,
  ];
  if (options.config !== undefined) {
    const file = join(tempDir('lance-config'), 'lance.toml');
    writeFileSync(file, options.config);
    args.push('-c', file);
  }
  return [...args, ...(options.args ?? [])];
}

async function within(process: Process, ms: number, what: string): Promise<Exit> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      process.child.kill('SIGKILL');
      reject(
        new Error(
          `${what} did not end within ${ms} ms\nstdout: ${process.stdout}\nstderr: ${process.stderr}`,
        ),
      );
    }, ms);
  });
  try {
    return await Promise.race([process.exited, late]);
  } finally {
    clearTimeout(timer);
  }
}

function waitForReady(process: Process): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) =>
      reject(new Error(`${why}\nstdout: ${process.stdout}\nstderr: ${process.stderr}`));
    const timer = setTimeout(() => fail(`the node was not ready within ${READY_MS} ms`), READY_MS);
    const look = () => {
      const end = process.stdout.indexOf('\n');
      if (end < 0) return;
      clearTimeout(timer);
      process.child.stdout?.off('data', look);
      try {
        const line = JSON.parse(process.stdout.slice(0, end)) as Ready;
        // stderr is another pipe: what was logged before this line stands in it, and this turn of the loop reads it.
        if (line.event === 'ready') setImmediate(() => resolve(line));
        else fail('the first line of stdout is not the ready event');
      } catch {
        fail('the first line of stdout is not JSON');
      }
    };
    process.child.stdout?.on('data', look);
    process.exited.then(
      (exit) => {
        clearTimeout(timer);
        fail(`the node ended (code ${exit.code}, signal ${exit.signal}) before it was ready`);
      },
      (error: Error) => fail(error.message),
    );
  });
}

function addressOf(text: string): Address {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}

/** A running `lance serve`. */
export class LanceNode {
  readonly lwp: Address;
  readonly admin: Address;

  private constructor(
    private readonly process: Process,
    readonly ready: Ready,
    readonly dataDir: string,
    private readonly options: NodeOptions,
  ) {
    this.lwp = addressOf(ready.lwp);
    this.admin = addressOf(ready.admin);
  }

  static async start(options: NodeOptions = {}): Promise<LanceNode> {
    const dataDir = options.dataDir ?? tempDir('lance-data');
    const process = launch(
      options.nodeArgs ?? [],
      serveArguments(options, dataDir),
      tempDir('lance-cwd'),
      options.env,
      options.program,
    );
    const ready = await waitForReady(process);
    return new LanceNode(process, ready, dataDir, options);
  }

  get pid(): number {
    return this.process.child.pid as number;
  }

  /** Everything the node has written to stderr so far. */
  get log(): string {
    return this.process.stderr;
  }

  /** `host:port`, as commands take it in `--endpoint`. */
  get endpoint(): string {
    return this.ready.lwp;
  }

  connect(kind: ChecksumKind = 'crc32'): Promise<RawConnection> {
    return RawConnection.open(this.lwp, kind);
  }

  signal(signal: NodeJS.Signals): void {
    this.process.child.kill(signal);
  }

  /** Resolves when the process has ended, however it did. */
  exit(): Promise<Exit> {
    return within(this.process, EXIT_MS, 'the node');
  }

  /** Drains by SIGTERM; throws unless the node ends with code 0. */
  async stop(): Promise<Exit> {
    this.signal('SIGTERM');
    const exit = await this.exit();
    if (exit.code !== 0)
      throw new Error(`the node drained to code ${exit.code}, signal ${exit.signal}\nstderr: ${exit.stderr}`);
    return exit;
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exit();
  }

  /** Starts another node on the same directory, with the same options unless others are given. */
  restart(options: NodeOptions = {}): Promise<LanceNode> {
    return LanceNode.start({ ...this.options, ...options, dataDir: options.dataDir ?? this.dataDir });
  }

  /** Resident memory in bytes, from /proc. */
  async residentBytes(): Promise<number> {
    const { readFile } = await import('node:fs/promises');
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  /** GET on the admin endpoint. */
  adminGet(path: string): Promise<Response> {
    return fetch(`http://${this.ready.admin}${path}`);
  }
}

/** Starts a node; see NodeOptions. */
export function startNode(options: NodeOptions = {}): Promise<LanceNode> {
  return LanceNode.start(options);
}
