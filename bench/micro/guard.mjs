// `node bench/micro/guard.mjs`: counts the instructions of the engine's smallest operations under callgrind and holds them against
// the committed baseline. Exit code 0: within tolerance; 3: one costs more (or is not in the baseline); 77: it cannot be counted here.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../programs.mjs';

const BASELINE = join(root, 'bench', 'micro', 'baseline.json');
const COUNT = join(root, 'native', 'target', 'release', 'lance-count');
const SKIPPED = 77;
const FOUND = 3;
/** The same program twice, run for different lengths: what setting up costs falls out of the difference. */
const TIMES = [20, 220];
/** Another compiler makes other code: only what is plainly worse counts then. */
const OTHER_COMPILER_TOLERANCE = 0.25;

const { values: flags } = parseArgs({
  options: {
    update: { type: 'boolean', default: false },
    tolerance: { type: 'string', default: '0.02' },
    'no-build': { type: 'boolean', default: false },
  },
});

const run = (program, args) => spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });

if (run('valgrind', ['--version']).status !== 0) {
  console.log('needs valgrind');
  process.exit(SKIPPED);
}
if (!flags['no-build']) {
  const manifest = ['--release', '--manifest-path', join(root, 'native', 'Cargo.toml')];
  const built = spawnSync('cargo', ['build', ...manifest, '-p', 'lance-micro', '--bin', 'lance-count'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (built.status !== 0) process.exit(1);
}
const compiler = run('rustc', ['--version']).stdout.trim();

const folder = mkdtempSync(join(tmpdir(), 'lance-guard-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Instructions of a whole run of the program. */
function collected(name, times) {
  const out = join(folder, 'callgrind.out');
  const words = ['--tool=callgrind', `--callgrind-out-file=${out}`, COUNT, name, String(times)];
  const { status, stderr } = run('valgrind', words);
  const count = /Collected : (\d+)/.exec(stderr)?.[1];
  if (status !== 0 || count === undefined) {
    console.error(`callgrind could not count \`${name}\`: ${stderr.slice(-1_000)}`);
    process.exit(1);
  }
  return Number(count);
}

const names = run(COUNT, []).stdout.trim().split('\n');
const counts = Object.fromEntries(
  names.map((name) => {
    const [few, many] = TIMES.map((times) => collected(name, times));
    return [name, Math.round((many - few) / (TIMES[1] - TIMES[0]))];
  }),
);

if (flags.update) {
  writeFileSync(BASELINE, `${JSON.stringify({ compiler, instructions: counts }, null, 2)}\n`);
  console.log(`The baseline is what was counted now: ${BASELINE}`);
}
const baseline = JSON.parse(readFileSync(BASELINE, 'utf8'));
const tolerance = baseline.compiler === compiler ? Number(flags.tolerance) : OTHER_COMPILER_TOLERANCE;
if (baseline.compiler !== compiler) {
  console.log(
    `The baseline is of ${baseline.compiler}, this is ${compiler}: ${tolerance * 100} % more are let pass.`,
  );
}
let worse = 0;
for (const [name, count] of Object.entries(counts)) {
  const known = baseline.instructions[name];
  const change = known === undefined ? undefined : count / known - 1;
  const verdict =
    change === undefined
      ? 'NOT IN THE BASELINE'
      : change > tolerance
        ? 'MORE'
        : change < -tolerance
          ? 'fewer: commit it with --update'
          : 'as before';
  if (verdict === 'MORE' || change === undefined) worse += 1;
  const shown = change === undefined ? '' : ` (${change >= 0 ? '+' : ''}${(change * 100).toFixed(1)} %)`;
  console.log(`${String(count).padStart(9)} instructions${shown.padEnd(11)} ${name}: ${verdict}`);
}
for (const name of Object.keys(baseline.instructions).filter((known) => !(known in counts))) {
  console.log(`${name}: is in the baseline and is not counted any more; --update takes it out`);
  worse += 1;
}
if (worse > 0) {
  console.log(
    'Is the cost wanted? Then commit it: node bench/micro/guard.mjs --update. Where it goes: callgrind_annotate over',
  );
  console.log(`  valgrind --tool=callgrind ${COUNT} NAME 1000`);
}
process.exitCode = worse > 0 ? FOUND : 0;
