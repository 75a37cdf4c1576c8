import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import {
  DISCARD_VARIABLE,
  type Durability,
  discardKey,
  type LockResult,
  lockDirectory,
  type TopicMetadata,
} from '../engine/index.js';
import { flush, TEMPORARY, writeDurably } from './durable-file.js';
import { errorCode, StartError, unusable } from './errors.js';
import { stringify } from './json.js';
import { type NodeFile, openNodeFile, writeNodeFile } from './node-file.js';
import { metadataDocument, newTopic } from './topic.js';

const SEGMENTS = 'segments';
const METADATA = 'metadata.json';

/** What a data directory is opened with. */
export interface DataDirectoryOptions {
  path: string;
  /** The configured node id, and whether somebody set it. */
  nodeId: { nodeId: number; explicit: boolean };
  /** For the topic `default` of a new directory. */
  durability: Durability;
  /** What a bench told this node so that it stores nothing; undefined: it stores. */
  discard?: string | undefined;
  /** Takes the lock; the addon's unless a test brings another. */
  lock?: (path: string) => LockResult;
}

/** The files of a data directory that the control plane owns (formats.md, "Files"); batches are the engine's. */
export class DataDirectory {
  private constructor(
    /** Absolute. */
    readonly path: string,
    private file: NodeFile,
    /** Whether this start made `node.json`: as it should be in a new directory only. */
    readonly nodeFileMade: boolean,
    /** It was made for a node that stores nothing. */
    readonly discards: boolean,
  ) {}

  /** Makes the directory where it is missing, locks it, reads or makes `node.json` and the topic `default`. Throws StartError. */
  static async open(options: DataDirectoryOptions): Promise<DataDirectory> {
    const path = resolve(options.path);
    const discards = agreeOnStoring(path, options.discard);
    try {
      await mkdir(join(path, SEGMENTS), { recursive: true });
    } catch (error) {
      throw unusable(path, error);
    }
    takeLock(path, options.lock ?? lockDirectory);
    try {
      const counters = await liveCountersPath(path);
      const { node, made } = await openNodeFile(path, options.nodeId, counters);
      const directory = new DataDirectory(path, node, made, discards);
      await flush(path);
      await directory.#removeUnfinished();
      await directory.#ensureDefault(options.durability);
      return directory;
    } catch (error) {
      throw error instanceof StartError ? error : unusable(path, error);
    }
  }

  /** What `node.json` says now. */
  get node(): Readonly<NodeFile> {
    return this.file;
  }

  /** Where the control plane copies the live counters. */
  get countersCopy(): string {
    return join(this.path, 'counters.lcf');
  }

  /** Where it says on which address the admin endpoint listens. */
  get adminAddressFile(): string {
    return join(this.path, 'admin.address');
  }

  /** The directory of a topic. */
  topicPath(name: string): string {
    return join(this.path, SEGMENTS, name);
  }

  /**
   * Takes the next topic id. It is used up when `durable` has resolved, and must not be told to anybody before; when that
   * rejects (with the system's error), the id is used up all the same.
   */
  takeTopicId(): { id: number; durable: Promise<void> } {
    const id = this.file.nextTopicId;
    this.file = { ...this.file, nextTopicId: id + 1 };
    return { id, durable: writeNodeFile(this.path, this.file) };
  }

  /**
   * Makes `node.json` name the file that the engine's counters are in: not where they were wanted, if another user's
   * file has that name. Rejects with the system's error.
   */
  async countersAt(path: string): Promise<void> {
    if (path === this.file.counters) return;
    this.file = { ...this.file, counters: path };
    await writeNodeFile(this.path, this.file);
  }

  /** Keeps ids from being given again that topics have which were found on disk. */
  async reserveTopicIds(found: readonly number[]): Promise<void> {
    const next = Math.max(...found, 0) + 1;
    if (next <= this.file.nextTopicId) return;
    this.file = { ...this.file, nextTopicId: next };
    await writeNodeFile(this.path, this.file);
  }

  /** Makes the directory of a new topic, with its metadata, durably. Rejects with the system's error. */
  async createTopic(topic: TopicMetadata): Promise<void> {
    const path = this.topicPath(topic.name);
    const draft = `${path}${TEMPORARY}new`;
    try {
      rmSync(draft, { recursive: true, force: true });
      mkdirSync(draft);
      const metadata = join(draft, METADATA);
      writeFileSync(metadata, `${stringify(metadataDocument(topic))}\n`);
      // Together: a file system flushes both with one commit of its journal.
      await Promise.all([flush(metadata), flush(draft)]);
      renameSync(draft, path);
      await flush(join(this.path, SEGMENTS));
    } catch (error) {
      await rm(draft, { recursive: true, force: true }).catch(() => {});
      throw error;
    }
  }

  /** Takes back `createTopic`, where the engine did not take the topic over. */
  async discardTopic(name: string): Promise<void> {
    await rm(this.topicPath(name), { recursive: true, force: true });
    await flush(join(this.path, SEGMENTS));
  }

  /** Replaces a topic's metadata durably. Rejects with the system's error. */
  async writeMetadata(topic: TopicMetadata): Promise<void> {
    await writeDurably(join(this.topicPath(topic.name), METADATA), `${stringify(metadataDocument(topic))}\n`);
  }

  /** Topics whose creation a crash cut short: nobody was told of them. */
  async #removeUnfinished(): Promise<void> {
    for (const name of await readdir(join(this.path, SEGMENTS))) {
      if (name.endsWith(`${TEMPORARY}new`)) {
        await rm(join(this.path, SEGMENTS, name), { recursive: true, force: true });
      }
    }
  }

  async #ensureDefault(durability: Durability): Promise<void> {
    const found = await stat(this.topicPath('default')).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (found) return;
    await this.createTopic(newTopic(0, 'default', durability, undefined, Math.floor(Date.now() / 1000)));
  }
}

/** Whether the node stores nothing. Throws StartError, before anything is touched, where node and directory disagree. */
function agreeOnStoring(path: string, told: string | undefined): boolean {
  let mark: string | undefined;
  try {
    mark = discardKey(path);
  } catch (error) {
    throw unusable(path, error);
  }
  if (mark === told) return told !== undefined;
  throw told === undefined
    ? new StartError(`The data directory ${path} was made by a bench for a node that stores nothing.`, {
        code: 'DATA_DIR_DISCARDS',
        hint: 'Its files are no data: remove it, or name another with --data-dir.',
      })
    : new StartError(`The data directory ${path} was not made for a node that stores nothing.`, {
        code: 'DATA_DIR_STORES',
        hint: `Unset ${DISCARD_VARIABLE}: only \`lance bench ingest --discard\` sets it, for a node of its own.`,
      });
}

function takeLock(path: string, lock: (path: string) => LockResult): void {
  const result = lock(path);
  if (result.kind === 'failed') {
    const number = Number(/\(os error (\d+)\)/.exec(result.message)?.[1]);
    const code = Object.entries(constants.errno).find(([, errno]) => errno === number)?.[0];
    throw unusable(path, Object.assign(new Error(`LOCK: ${result.message}`), { code }));
  }
  if (result.kind === 'held') {
    const holder = result.pid === undefined ? 'another process' : `process ${result.pid}`;
    throw new StartError(`The data directory ${path} is in use by ${holder}.`, {
      code: 'DATA_DIR_IN_USE',
      hint: 'Stop that node first, or name another directory with --data-dir.',
    });
  }
}

/**
 * Where the live counters go: tmpfs, because a mapped file on a disk stalls its writer at every write-back. The name
 * follows from the directory's identity, so that a killed node leaves no more than one file behind (docs/formats.md).
 */
async function liveCountersPath(dataDir: string): Promise<string> {
  const { dev, ino } = await stat(dataDir, { bigint: true });
  const shm = await stat('/dev/shm').catch(() => undefined);
  return shm?.isDirectory()
    ? `/dev/shm/lance-${dev.toString(16)}-${ino.toString(16)}.lcf`
    : join(dataDir, 'counters.live.lcf');
}
