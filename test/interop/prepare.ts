/** Gets the published clients ready: installs the Python one, compiles the Rust one, both cached under `.cache/`. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../harness/node.js';
import { hasProgram } from '../harness/programs.js';

const CACHE = process.env.LANCE_TEST_CACHE ?? join(ROOT, '.cache');
const PYTHON_PACKAGES = ['lnc-client==0.2.9', 'lz4'];

/** A client that can be run, or what it needs that is not there. */
export type Prepared =
  | { readonly run: (args: readonly string[]) => Promise<unknown> }
  | { readonly missing: string };

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function execute(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

async function lastLine(what: string, outcome: Promise<Outcome>): Promise<unknown> {
  const { code, stdout, stderr } = await outcome;
  if (code !== 0) throw new Error(`${what} ended with ${code}\nstdout: ${stdout}\nstderr: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

/** The Python client with lz4 beside it, in `.cache/interop-python`. */
export function preparePythonClient(): Prepared {
  if (!hasProgram('python3')) return { missing: 'python3' };
  const target = join(CACHE, 'interop-python');
  if (!existsSync(join(target, 'lnc_client')) || !existsSync(join(target, 'lz4'))) {
    if (spawnSync('python3', ['-m', 'pip', '--version']).status !== 0) return { missing: 'pip' };
    mkdirSync(CACHE, { recursive: true });
    const install = spawnSync(
      'python3',
      ['-m', 'pip', 'install', '--quiet', '--target', target, ...PYTHON_PACKAGES],
      { encoding: 'utf8' },
    );
    if (install.status !== 0)
      return { missing: `lnc-client from PyPI: ${install.stderr.trim().split('\n').at(-1)}` };
  }
  const script = join(ROOT, 'test', 'interop', 'python', 'roundtrip.py');
  return {
    run: (args) =>
      lastLine(
        `roundtrip.py ${args[0]}`,
        execute('python3', [script, ...args], { PYTHONPATH: target, PYTHONDONTWRITEBYTECODE: '1' }),
      ),
  };
}

/** The Rust client, compiled into `.cache/interop-rust` (about 3 minutes when cold). */
export async function prepareRustClient(): Promise<Prepared> {
  if (!hasProgram('cargo')) return { missing: 'cargo' };
  const crate = join(ROOT, 'test', 'interop', 'rust-client');
  const target = join(CACHE, 'interop-rust');
  const build = await execute('cargo', [
    'build',
    '--release',
    '--locked',
    '--manifest-path',
    join(crate, 'Cargo.toml'),
    '--target-dir',
    target,
  ]);
  if (build.code !== 0) {
    const offline =
      /failed to download|could not resolve host|spurious network error|failed to get .* as a dependency/i.test(
        build.stderr,
      );
    if (offline) return { missing: 'crates.io, or the crate in its cache' };
    throw new Error(`the Rust client does not compile:\n${build.stderr}`);
  }
  const binary = join(target, 'release', 'lance-interop-rust-client');
  return { run: (args) => lastLine(`rust client ${args[0]}`, execute(binary, args)) };
}
