import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { errnoOf, TopologyError } from '../errors.js';
import { RootFiles } from './files.js';

/** Where the journal stands below the root. */
export const JOURNAL_DIR = '/var/lib/lance';
export const JOURNAL_PATH = `${JOURNAL_DIR}/topology-journal.json`;
const MOST_MADE_DIRS = JOURNAL_DIR.split('/').length - 1;

/** The only files a journal may name: it is read by root, and `--revert` writes to what it says. */
const STEERING_FILE =
  /^\/proc\/irq\/\d{1,7}\/smp_affinity(_list)?$|^\/sys\/class\/net\/(?!\.{1,2}\/)[^/]{1,64}\/queues\/[rt]x-\d{1,5}\/[rx]ps_cpus$/;

const entrySchema = z.strictObject({
  path: z.string().regex(STEERING_FILE, 'is no steering file'),
  /** The file's bytes before, as Latin-1. */
  was: z.string().max(65_536),
  /** What the plan put there, without the line end. */
  to: z.string().max(65_536),
});

const journalSchema = z.strictObject({
  version: z.literal(1),
  bootId: z.string().max(64).nullable(),
  /** `applying` until every write was read back: a journal found so tells of a crash. */
  state: z.enum(['applying', 'applied']),
  /** Unix seconds. */
  startedAt: z.number().int(),
  /** The flags of `--apply`, so that `--check` compares with the same plan. */
  options: z.strictObject({ nic: z.string().optional(), dataDir: z.string().optional() }),
  entries: z.array(entrySchema).max(200_000),
  /** IRQs that the kernel refused to move, with its errno. */
  refused: z.array(z.strictObject({ irq: z.number().int(), errno: z.string() })),
  /** How many directories were made for the journal, from its own up: they go with it, as far as nothing else is in them. */
  madeDirs: z.number().int().min(0).max(MOST_MADE_DIRS).optional(),
});

/** What was, and what the plan made of it. */
export type Journal = z.infer<typeof journalSchema>;
export type JournalEntry = z.infer<typeof entrySchema>;

/** The journal of the machine below one root: replaced as a whole, and on stable storage before a call returns. */
export class JournalFile {
  readonly #path: string;
  #madeDirs = 0;

  constructor(root: string) {
    this.#path = new RootFiles(root).locate(JOURNAL_PATH);
  }

  /** The journal's path on this disk, for messages. */
  get path(): string {
    return this.#path;
  }

  /** The journal, or undefined where there is none. Raises JOURNAL_BAD naming what is wrong, DENIED where it may not be read. */
  read(): Journal | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
      throw new TopologyError('DENIED', `${this.#path} could not be read: ${errno}`, 'run as root');
    }
    const bad = (why: string): TopologyError =>
      new TopologyError(
        'JOURNAL_BAD',
        `${this.#path} is damaged: ${why}`,
        'restore it from a copy, or move it away; a reboot resets all affinities',
      );
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch (error) {
      throw bad(error instanceof Error ? error.message : 'no JSON');
    }
    const checked = journalSchema.safeParse(parsed);
    if (checked.success) {
      this.#madeDirs = checked.data.madeDirs ?? 0;
      return checked.data;
    }
    const issue = checked.error.issues[0];
    throw bad(`${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'not as it should be'}`);
  }

  /** Replaces the journal and flushes it, its directory too. Raises JOURNAL_UNWRITABLE; the machine was not touched then. */
  write(journal: Journal): void {
    const dir = dirname(this.#path);
    const fresh = this.#fresh;
    try {
      const made = mkdirSync(dir, { recursive: true });
      if (made !== undefined)
        this.#madeDirs = Math.min(MOST_MADE_DIRS, relative(dirname(made), dir).split('/').length);
      rmSync(fresh, { force: true });
      const fd = openSync(
        fresh,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        0o644,
      );
      try {
        const whole = this.#madeDirs > 0 ? { ...journal, madeDirs: this.#madeDirs } : journal;
        writeWhole(fd, Buffer.from(`${JSON.stringify(whole, null, 1)}\n`));
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(fresh, this.#path);
      syncDirectory(dir);
      syncDirectory(dirname(dir));
    } catch (error) {
      throw new TopologyError(
        'JOURNAL_UNWRITABLE',
        `the journal ${this.#path} could not be written: ${errnoOf(error)}`,
        'nothing was changed; give the directory space and rights, then try again',
      );
    }
  }

  /** Takes away what a process left that died while it wrote its first journal. */
  removeUnfinished(): void {
    rmSync(this.#fresh, { force: true });
  }

  /** Takes the journal away, durably, with what a process left that died while it wrote one, and the directories made for it. */
  remove(): void {
    let dir = dirname(this.#path);
    rmSync(this.#fresh, { force: true });
    rmSync(this.#path, { force: true });
    syncDirectory(dir);
    for (; this.#madeDirs > 0; this.#madeDirs -= 1) {
      try {
        rmdirSync(dir);
      } catch {
        return; // something else is in it
      }
      dir = dirname(dir);
      syncDirectory(dir);
    }
  }

  /** Where a journal is written before it takes the old one's place; its name is always the same, for only the lock's holder writes. */
  get #fresh(): string {
    return join(dirname(this.#path), '.topology-journal.new');
  }

  /** Moves the journal of an earlier boot aside and returns its new path. */
  setAside(bootId: string | null): string {
    const aside = `${this.#path}.${(bootId ?? 'unknown').slice(0, 8)}`;
    try {
      renameSync(this.#path, aside);
      syncDirectory(dirname(this.#path));
    } catch (error) {
      throw new TopologyError(
        'JOURNAL_UNWRITABLE',
        `the old journal ${this.#path} could not be moved aside: ${errnoOf(error)}`,
        'nothing was changed; move it by hand',
      );
    }
    return aside;
  }
}

function writeWhole(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
