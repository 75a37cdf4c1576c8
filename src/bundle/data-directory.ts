import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, QUANTILES, readCounters, type Snapshot } from '../counters/index.js';

/** What is known of the node of a data directory from its files alone. */
export interface NodeFiles {
  /** `running`: its counters move; `hangs`: the process is there and they do not; `gone`: no process. */
  state: 'running' | 'hangs' | 'gone' | 'unknown';
  files: Map<string, string>;
  /** What could not be read, one sentence each. */
  problems: string[];
}

/** Of each log file the last so many bytes. */
const LOG_BYTES = 1024 * 1024;
const LOGS = ['lance.log.1', 'lance.log'];

/** Reads node.json, counters, the catalogue of segments and the last logs of a data directory; no record is read. */
export function readNodeFiles(dataDir: string): NodeFiles {
  const files = new Map<string, string>();
  const problems: string[] = [];
  const attempt = (what: string, read: () => void): void => {
    try {
      read();
    } catch (error) {
      problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  let state: NodeFiles['state'] = 'unknown';
  attempt('node.json', () => files.set('node.json', readFileSync(join(dataDir, 'node.json'), 'utf8')));
  attempt('counters', () => {
    const { snapshot, path } = counters(dataDir, files.get('node.json'));
    state = !isProcess(snapshot.pid) ? 'gone' : isAlive(snapshot) ? 'running' : 'hangs';
    files.set('counters.json', json({ path, ...countersOf(snapshot) }));
  });
  attempt('segments', () => files.set('segments.json', json(segments(dataDir, problems))));
  for (const name of LOGS) {
    const path = join(dataDir, name);
    if (statSync(path, { throwIfNoEntry: false })) attempt(name, () => files.set(`logs/${name}`, tail(path)));
  }
  if (![...files.keys()].some((name) => name.startsWith('logs/'))) {
    problems.push(`logs: there is no lance.log in ${dataDir}`);
  }
  return { state, files, problems };
}

/** JSON for people, bigints as strings. */
export function json(value: unknown): string {
  const digits = (_: string, item: unknown) => (typeof item === 'bigint' ? item.toString() : item);
  return `${JSON.stringify(value, digits, 2)}\n`;
}

/** The live counters where they are, else the copy. */
function counters(dataDir: string, node: string | undefined): { snapshot: Snapshot; path: string } {
  const copy = join(dataDir, 'counters.lcf');
  try {
    const { counters: live } = JSON.parse(node ?? '{}') as { counters?: unknown };
    if (typeof live === 'string') return { snapshot: readCounters(readFileSync(live)), path: live };
  } catch {
    // A node that drained took the live file with it.
  }
  return { snapshot: readCounters(readFileSync(copy)), path: copy };
}

function countersOf({ pid, startNs, heartbeatNs, samples }: Snapshot) {
  const values = samples.map((sample) => {
    const { name, labels, kind, unit } = sample;
    if (sample.kind !== 'histogram') return { name, labels, kind, unit, value: sample.value };
    const { count, sum, min, max } = sample.histogram;
    const quantiles = Object.entries(QUANTILES).map(([key, q]) => [key, sample.histogram.quantile(q)]);
    return { name, labels, kind, unit, count, sum, min, max, ...Object.fromEntries(quantiles) };
  });
  return { pid, startNs, heartbeatNs, counters: values };
}

/** Names and sizes of all files of each topic, with its metadata; journal and spares beside them. */
function segments(dataDir: string, problems: string[]) {
  const sizes = (folder: string) =>
    readdirSync(folder)
      .sort()
      .map((name) => ({
        name,
        bytes: statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? null,
      }));
  const root = join(dataDir, 'segments');
  const topics = readdirSync(root)
    .sort()
    .map((topic) => {
      const folder = join(root, topic);
      try {
        const metadata: unknown = JSON.parse(readFileSync(join(folder, 'metadata.json'), 'utf8'));
        return { topic, metadata, files: sizes(folder) };
      } catch (error) {
        problems.push(`segments/${topic}: ${error instanceof Error ? error.message : String(error)}`);
        return { topic };
      }
    });
  return { topics, journal: sizes(join(dataDir, 'journal')), spare: sizes(join(dataDir, 'spare')) };
}

function tail(path: string): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, LOG_BYTES));
    const read = readSync(file, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8', 0, read);
  } finally {
    closeSync(file);
  }
}

function isProcess(pid: number): boolean {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false }) !== undefined;
}
