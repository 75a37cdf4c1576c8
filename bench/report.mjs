// What a script here measured, kept with the command, the code and the machine it comes from.
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { output, root } from './programs.mjs';

/** What a measurement depends on, in short. */
export function aboutMachine() {
  return { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release() };
}

/** Writes what bench/NAME.mjs found to `out`, or to a file of its own in bench/results. `before` is the load average it began with. */
export async function keepReport(name, found, before, out) {
  const { out: commit } = await output('git', ['-C', root, 'rev-parse', '--short', 'HEAD']);
  const report = {
    command: ['node', `bench/${name}.mjs`, ...process.argv.slice(2)].join(' '),
    commit: commit.trim(),
    at: new Date().toISOString(),
    machine: aboutMachine(),
    loadAverage: { before, after: loadavg() },
    ...found,
  };
  const minute = report.at.slice(0, 16).replace(/:/g, '');
  const file = out ?? join(root, 'bench', 'results', `${name}-${minute}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.error(`all of it: ${file}`);
}
