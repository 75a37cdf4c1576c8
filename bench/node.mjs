// A node of its own for one measurement: fresh data directory, free ports, gone afterwards.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readCounters } from '../dist/counters/index.js';
import { goOn, removeAtEnd, start } from './children.mjs';
import { root } from './programs.mjs';

/** Ends a node whose script was killed and could not end it. */
const END_WITH_PARENT = new URL('../dist/bench/end-with-parent.js', import.meta.url).href;

/** Starts `lance serve` with default settings and its data in a new folder below `parent`. */
export async function startNode(parent, flags = []) {
  await goOn();
  const dataDir = removeAtEnd(mkdtempSync(join(parent, 'node-')));
  const serve = ['serve', '--json', '--bind', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--data-dir', dataDir];
  const child = start(
    process.execPath,
    ['--import', END_WITH_PARENT, `${root}bin/run.js`, ...serve, ...flags],
    {
      cwd: dataDir,
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  child.stdin.on('error', () => undefined);
  const log = [];
  child.stderr.on('data', (piece) => log.push(piece));
  const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)));
  const first = new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
  const line = await Promise.race([first, exited.then(() => undefined)]);
  await goOn();
  if (line === undefined) throw new Error(`the node did not start: ${Buffer.concat(log).toString().trim()}`);
  return { ...JSON.parse(line), child, exited, dataDir, log };
}

/** Drains the node and removes its data. Gives its exit status: 0 after a clean drain. */
export async function stopNode(node) {
  node.child.kill('SIGTERM');
  const status = await node.exited;
  await goOn();
  rmSync(node.dataDir, { recursive: true, force: true });
  return status;
}

/** Resident bytes of a process (VmRSS). */
export function residentBytes(pid) {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (!line) throw new Error(`process ${pid} shows no VmRSS`);
  return Number(line[1]) * 1024;
}

/** The data plane's threads: `[{tid, name}]`. */
export function dataPlaneThreads(pid) {
  return readdirSync(`/proc/${pid}/task`)
    .map((tid) => ({ tid, name: readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim() }))
    .filter(({ name }) => /^lance-(engine|net|ingest|io)/.test(name));
}

/** The node's counters as they are, each by its name and its labels' values with spaces between them. */
export function countersOf(node) {
  const { counters } = JSON.parse(readFileSync(join(node.dataDir, 'node.json'), 'utf8'));
  const { samples } = readCounters(readFileSync(counters));
  return new Map(samples.map((sample) => [[sample.name, ...Object.values(sample.labels)].join(' '), sample]));
}
