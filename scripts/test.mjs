// `npm test`: set-up, types, lint, every Rust and TypeScript test, and one closing line over all of them.
// Each check (types, lint, formatting) counts as one test. `npm test -- vitest cargo` runs only what is named.
// With LANCE_CI set, a test that was skipped because a program is absent ("needs tmux") counts as failed.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAddon, buildTypeScript, install, root, say } from './setup.mjs';

/** @typedef {{passed: number, failed: number, skipped: {name: string, reason: string}[]}} Tally */

const none = () => ({ passed: 0, failed: 0, skipped: [] });

/** Runs a program, shows its output, and gives it to `onLine` line by line. Resolves to whether it exited with 0. */
function stream(program, args, { onLine, env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let rest = '';
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk);
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop();
      for (const line of lines) onLine?.(line);
    });
    child.stderr.pipe(process.stderr, { end: false });
    child.on('error', (error) => {
      say(`${program} could not be started: ${error.message}`);
      resolve(false);
    });
    child.on('close', (code) => {
      if (rest) onLine?.(rest);
      resolve(code === 0);
    });
  });
}

const check =
  (program, ...args) =>
  async () => ({
    ...none(),
    ...((await stream(program, args)) ? { passed: 1 } : { failed: 1 }),
  });

const setUp = (step) => async () => {
  try {
    step();
    return { ...none(), passed: 1 };
  } catch (error) {
    say(error.message);
    return { ...none(), failed: 1 };
  }
};

/** cargo test prints one `test result:` a binary and names each ignored test with its reason. */
async function cargoTest() {
  const tally = none();
  const ok = await stream(
    'cargo',
    ['test', '--manifest-path', 'native/Cargo.toml', '--workspace', '--no-fail-fast'],
    {
      onLine(line) {
        const result = /^test result: \S+ (\d+) passed; (\d+) failed;/.exec(line);
        if (result) {
          tally.passed += Number(result[1]);
          tally.failed += Number(result[2]);
        }
        const ignored = /^test (.+?) \.\.\. ignored(?:, (.*))?$/.exec(line);
        if (ignored) tally.skipped.push({ name: ignored[1], reason: ignored[2] ?? 'no reason given' });
      },
    },
  );
  // A crate that does not compile, or a test binary that dies, reports no failed test.
  if (!ok && tally.failed === 0) tally.failed = 1;
  return tally;
}

/** Instructions of the engine's smallest operations against the committed ones (bench/micro/guard.mjs). */
async function guard() {
  const { status } = spawnSync(process.execPath, ['bench/micro/guard.mjs'], { cwd: root, stdio: 'inherit' });
  // 77: it cannot be counted here.
  if (status === 77)
    return { ...none(), skipped: [{ name: 'instruction counts', reason: 'needs valgrind' }] };
  return { ...none(), ...(status === 0 ? { passed: 1 } : { failed: 1 }) };
}

async function vitest() {
  const dir = mkdtempSync(join(tmpdir(), 'lance-test-'));
  const results = join(dir, 'vitest.json');
  try {
    const ok = await stream(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        '--reporter=default',
        '--reporter=./scripts/vitest-tally.mjs',
      ],
      { env: { LANCE_TALLY_FILE: results, LANCE_NPM_TEST: '1' } },
    );
    const tally = JSON.parse(readFileSync(results, 'utf8'));
    if (!ok && tally.failed === 0) tally.failed = 1;
    return tally;
  } catch (error) {
    say(`vitest left no result: ${error.message}`);
    return { ...none(), failed: 1 };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The booted machine (test/machine) prints one closing line; on a computer that cannot boot one, the reason. */
async function machine() {
  const tally = none();
  const ok = await stream(process.execPath, ['test/machine/run.mjs'], {
    onLine(line) {
      const result = /^MACHINE TEST: (\d+) passed, (\d+) failed/.exec(line);
      if (result) [tally.passed, tally.failed] = [Number(result[1]), Number(result[2])];
      const reason = /^MACHINE TEST: not run, (.*)$/.exec(line)?.[1];
      if (reason) tally.skipped.push({ name: 'lance on a machine of two NUMA nodes', reason });
    },
  });
  if (!ok && tally.failed === 0 && tally.skipped.length === 0) tally.failed = 1;
  return tally;
}

const bin = (name) => join(root, 'node_modules', '.bin', name);
const cargo = (command, ...args) => check('cargo', command, '--manifest-path', 'native/Cargo.toml', ...args);

const suites = {
  install: setUp(install),
  addon: setUp(buildAddon),
  typescript: setUp(buildTypeScript),
  types: check(bin('tsc'), '-p', 'tsconfig.test.json'),
  biome: check(bin('biome'), 'check', '--error-on-warnings', '.'),
  manifest: check(process.execPath, 'scripts/manifest.mjs', '--check'),
  fmt: cargo('fmt', '--all', '--check'),
  clippy: cargo('clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'),
  cargo: cargoTest,
  guard,
  vitest,
  machine,
};

const only = process.argv.slice(2);
const unknown = only.filter((name) => !(name in suites));
if (unknown.length > 0) {
  say(`no such suite: ${unknown.join(', ')}. There are: ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

const total = none();
for (const [name, suite] of Object.entries(suites)) {
  if (only.length > 0 && !only.includes(name)) continue;
  process.stdout.write(`\n== ${name}\n`);
  const started = Date.now();
  const tally = await suite();
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped.push(...tally.skipped.map((test) => ({ ...test, suite: name })));
  const seconds = Math.round((Date.now() - started) / 1000);
  process.stdout.write(`${tally.failed > 0 ? 'FAILED' : 'ok'}: ${name} (${seconds} s)\n`);
}

process.stdout.write('\n');
let skipped = 0;
for (const { suite, name, reason } of total.skipped) {
  const mustRun = Boolean(process.env.LANCE_CI) && /^needs\b/.test(reason);
  process.stdout.write(`${mustRun ? 'FAILED, not run' : 'skipped'}: ${suite}: ${name} (${reason})\n`);
  if (mustRun) total.failed += 1;
  else skipped += 1;
}
process.stdout.write(`total: ${total.passed} passed, ${total.failed} failed, ${skipped} skipped\n`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
