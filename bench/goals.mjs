// `node bench/goals.mjs`: the table of goals of issue 4, each row measured with the instruments of this repository and printed
// beside its floor. Rows can be run apart (--only) and gathered in one file (--into); a row that cannot be measured says why.
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '../dist/bench/machine.js';
import { atInterrupt, removeAtEnd } from './children.mjs';
import { ROWS } from './goals/rows.mjs';
import { output, root } from './programs.mjs';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    repeat: { type: 'string', default: '5' },
    duration: { type: 'string', default: '5s' },
    dir: { type: 'string', default: root },
    into: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});
if (flags.list) {
  for (const { id, what, goal } of ROWS) console.log(`${id.padEnd(14)} ${what}: ${goal}`);
  process.exit(0);
}
const only = flags.only?.split(',');
const unknown = only?.find((id) => !ROWS.some((row) => row.id === id));
if (unknown !== undefined) {
  console.error(`--only "${unknown}" is none of ${ROWS.map(({ id }) => id).join(', ')}.`);
  process.exit(2);
}

const parent = removeAtEnd(mkdtempSync(join(resolve(flags.dir), 'lance-bench-goals-')));

/** What rows are measured with. */
const context = {
  dir: parent,
  repeat: Number(flags.repeat),
  commands: [],
  /** `lance bench WORDS --json`, medians over the repeats; the command is kept for the row. */
  async bench(...words) {
    const args = [...words, '--duration', flags.duration, '--repeat', flags.repeat];
    return context.lance('bench', ...args, '--data-dir', parent, '--json');
  },
  /** Any command that prints one document. */
  async lance(...args) {
    context.commands.push(['lance', ...args.map((word) => (word === parent ? 'DIR' : word))].join(' '));
    return JSON.parse((await output(process.execPath, [join(root, 'bin', 'run.js'), ...args])).out);
  },
  /** Another script of this folder; its stdout. */
  async script(name, ...args) {
    context.commands.push(
      ['node', `bench/${name}`, ...args.map((word) => word.replaceAll(parent, 'DIR'))].join(' '),
    );
    return (await output(process.execPath, [join(root, 'bench', name), ...args], { cwd: root })).out;
  },
  /** The newest result of a kind in bench/results that has what is asked for. */
  newest(kind, has) {
    const folder = join(root, 'bench', 'results');
    return readdirSync(folder)
      .filter((file) => file.startsWith(`${kind}-`))
      .sort()
      .map((name) => ({ name, document: JSON.parse(readFileSync(join(folder, name), 'utf8')) }))
      .findLast(({ document }) => has(document));
  },
};

const at = new Date().toISOString();
const file = flags.into ?? join(root, 'bench', 'results', `goals-${at.slice(0, 16).replace(/:/g, '')}.json`);
const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { rows: [] };
const rows = new Map(before.rows.map((row) => [row.id, row]));

/** Rows in the order of the issue, those of earlier pieces among them. */
function gathered() {
  return ROWS.map(({ id }) => rows.get(id)).filter((row) => row !== undefined);
}

/** The table of all rows that there are. */
function report() {
  console.log('| what | goal | measured | floor | reached |');
  console.log('|---|---|---|---|---|');
  for (const { what, goal, measured, floor, reached } of gathered()) {
    const verdict = reached === null ? 'not measured' : reached ? 'yes' : '**no**';
    console.log(`| ${what} | ${goal} | ${measured} | ${floor ?? ''} | ${verdict} |`);
  }
}

const measured = new Set();
atInterrupt(() => {
  if (measured.size === 0) return process.stderr.write('nothing was measured\n');
  report();
  process.stderr.write(`measured so far: ${[...measured].join(', ')}: ${file}\n`);
});
for (const { id, what, goal, measure } of ROWS) {
  if (only && !only.includes(id)) continue;
  process.stderr.write(`${id}: ${what}\n`);
  context.commands = [];
  const began = loadavg();
  let found;
  try {
    found = await measure(context);
  } catch (error) {
    found = { reached: null, measured: `not measured: ${String(error.message).slice(0, 400)}` };
  }
  rows.set(id, {
    id,
    what,
    goal,
    ...found,
    commands: context.commands,
    at: new Date().toISOString(),
    loadAverage: began,
    repeat: context.repeat,
    duration: flags.duration,
  });
  // Each row as soon as it is there: a run that is cut short has what it measured.
  writeFileSync(file, `${JSON.stringify({ machine: describeMachine(parent), rows: gathered() }, null, 2)}\n`);
  measured.add(id);
}

report();
process.stderr.write(`all of it: ${file}\n`);
