import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { HEARTBEAT_STALE_NS, readCounters, type Snapshot } from '../counters/index.js';
import { LanceError } from '../errors.js';
import { askTop } from './admin-endpoint.js';
import { EngineEvents } from './engine-events.js';
import { SamplingError } from './errors.js';
import { observeMachine } from './machine.js';
import { ownsCounters } from './process.js';
import type { RawSample } from './raw.js';
import type { Observation, Presence, Source } from './source.js';
import { TopicDirectories } from './topic-directories.js';
import { topicFacts } from './topic-facts.js';

const nodeFileSchema = z.object({
  format: z.number(),
  nodeId: z.int(),
  clusterId: z.string(),
  counters: z.string().min(1),
});

type NodeFile = z.infer<typeof nodeFileSchema>;

/** How long the control plane may take to answer before the screen says so, ms. */
const CONTROL_PATIENCE_MS = 1_500;
/** How often it is asked, ms: its part changes slowly, and the frame does not wait for it. */
const CONTROL_EVERY_MS = 900;

/**
 * Looks at a node through its data directory: the counters file that node.json names, else the copy that was made of it, and what
 * lies in the directory. So it works while the control plane hangs and after the process is gone. The control plane is
 * asked besides, in the background, for what only it knows (readiness, what it did itself).
 */
export class DataDirectorySource implements Source {
  readonly name: string;
  readonly #directories: TopicDirectories;
  readonly #events = new EngineEvents();
  #control: {
    asking: boolean;
    askedMs: number;
    answer: RawSample | undefined;
    failed: string | undefined;
  } = { asking: false, askedMs: 0, answer: undefined, failed: undefined };

  private constructor(readonly path: string) {
    this.name = path;
    this.#directories = new TopicDirectories(join(path, 'segments'));
  }

  /** Throws SamplingError where `path` holds no node. */
  static async open(path: string): Promise<DataDirectorySource> {
    const source = new DataDirectorySource(resolve(path));
    await source.#nodeFile();
    return source;
  }

  async observe(): Promise<Observation> {
    const atMs = Date.now();
    try {
      return await this.#look(atMs);
    } catch (error) {
      const reason = error instanceof LanceError ? bare(error) : `it cannot be read (${words(error)})`;
      return { kind: 'unreachable', atMs, reason };
    }
  }

  async #look(atMs: number): Promise<Observation> {
    const node = await this.#nodeFile();
    const { snapshot, live, problem } = await this.#counters(node);
    const presence = await presenceOf(snapshot, live);
    const notes = problem === undefined ? [] : [problem];
    const serving = presence === 'serving';
    if (serving) this.#askControl(node.clusterId, atMs);
    const control = serving ? this.#control.answer : undefined;
    if (serving && this.#control.failed !== undefined) notes.push(this.#control.failed);
    const pid = presence === 'gone' || presence === 'stopped' ? undefined : snapshot.pid;
    const [machine, directories] = await Promise.all([
      observeMachine({ pid, dataDir: this.path }),
      this.#directories.read(),
    ]);
    const { tables } = snapshot;
    const nameOf = (id: number): string => this.#directories.nameOf(id) ?? `with id ${id}`;
    const sample: RawSample = {
      atMs,
      identity: {
        nodeId: node.nodeId,
        clusterId: node.clusterId,
        version: control?.identity.version,
        dataDir: this.path,
      },
      counters: snapshot,
      topics: topicFacts(directories, tables),
      readiness: control?.readiness,
      events: control?.events ?? [],
      engineEvents: this.#events.read(snapshot.startNs, tables, nameOf),
      machine,
      cluster: control?.cluster,
    };
    return { kind: 'sample', sample, presence, notes };
  }

  async #nodeFile(): Promise<NodeFile> {
    const path = join(this.path, 'node.json');
    const hint = 'Name the data directory of a node (node.data_dir), or its admin endpoint with --admin.';
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      const missing = code === 'ENOENT' || code === 'ENOTDIR';
      const why = code === 'ENOTDIR' ? 'it is a file' : 'it holds no node.json';
      throw new SamplingError(
        missing ? 'NO_DATA_DIRECTORY' : 'DATA_DIRECTORY_UNREADABLE',
        missing
          ? `${this.path} is no data directory of LANCE: ${why}.`
          : `${path} cannot be read (${words(error)}).`,
        hint,
        { usage: missing, cause: error },
      );
    }
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      document = undefined;
    }
    const checked = nodeFileSchema.safeParse(document);
    if (checked.success) return checked.data;
    throw new SamplingError('NODE_FILE_DAMAGED', `${path} is damaged.`, hint);
  }

  /** The live counters, else their last copy; what was wrong with the live ones besides. */
  async #counters(node: NodeFile): Promise<{ snapshot: Snapshot; live: boolean; problem?: string }> {
    const copy = join(this.path, 'counters.lcf');
    try {
      return { snapshot: readCounters(await readFile(node.counters)), live: true };
    } catch (error) {
      const cleanlyGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const why = error instanceof LanceError ? bare(error) : `cannot be read (${words(error)})`;
      try {
        const snapshot = readCounters(await readFile(copy));
        return cleanlyGone
          ? { snapshot, live: false }
          : {
              snapshot,
              live: false,
              problem: `live counters ${node.counters}: ${why}. The last copy is shown`,
            };
      } catch (second) {
        const copyWhy =
          second instanceof LanceError ? bare(second) : `there is no copy of them (${words(second)})`;
        throw new SamplingError(
          'NO_COUNTERS',
          cleanlyGone
            ? `no live counters at ${node.counters}, and ${copyWhy}`
            : `live counters ${node.counters}: ${why}; their copy: ${copyWhy}`,
          'Start the node; it makes them.',
        );
      }
    }
  }

  /** Asks unless an answer is still awaited; the frame takes what the last one said. */
  #askControl(clusterId: string, nowMs: number): void {
    const control = this.#control;
    if (control.asking || nowMs - control.askedMs < CONTROL_EVERY_MS) return;
    control.asking = true;
    control.askedMs = nowMs;
    void askOwnControl(this.path, clusterId).then((answer) => {
      const kept =
        typeof answer === 'string'
          ? { failed: answer, answer: control.answer }
          : { failed: undefined, answer };
      this.#control = { asking: false, askedMs: nowMs, ...kept };
    });
  }
}

/** The control plane of the node on `path`, at the address that it left there; why not, otherwise. Never rejects. */
async function askOwnControl(path: string, clusterId: string): Promise<RawSample | string | undefined> {
  const address = (await readFile(join(path, 'admin.address'), 'utf8').catch(() => '')).trim();
  // A node that could not write it has told its log.
  if (address === '') return undefined;
  const answer = await askTop(address, '?part=control', CONTROL_PATIENCE_MS);
  if (typeof answer === 'string') return `the control plane on ${address} does not answer (${answer})`;
  return answer.identity.clusterId === clusterId ? answer : `another node answers on ${address}`;
}

async function presenceOf(snapshot: Snapshot, live: boolean): Promise<Presence> {
  if (!live) return (await ownsCounters(snapshot)) ? 'hanging' : 'stopped';
  const age = BigInt(Date.now()) * 1_000_000n - snapshot.heartbeatNs;
  // Fresh: it lives, whatever /proc says; it may be in another container.
  if (age <= 1_000_000_000n) return 'serving';
  if (!(await ownsCounters(snapshot))) return 'gone';
  return age > HEARTBEAT_STALE_NS ? 'hanging' : 'serving';
}

/** Its sentence as part of another one. */
const bare = (error: LanceError): string => error.message.replace(/\.$/, '');

function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

/** Whether a path looks like a data directory, for `lance top` without flags. */
export async function isDataDirectory(path: string): Promise<boolean> {
  return stat(join(path, 'node.json')).then(
    () => true,
    () => false,
  );
}
