import { errnoOf, TopologyError } from '../errors.js';
import { type Finding, finding, unsupported } from '../findings/types.js';
import type { Plan } from '../plan/types.js';
import type { FactTree } from '../tree.js';
import { type Change, changesOf, holds, steeringFiles } from './changes.js';
import { type MachineFiles, RootFiles } from './files.js';
import { type Journal, type JournalEntry, JournalFile } from './journal.js';

/** What one `--apply` did. */
export interface Applied {
  /** Files written and read back. */
  readonly changed: readonly { path: string; from: string; to: string }[];
  /** Files that held it already. */
  readonly unchanged: number;
  /** IRQs the kernel would not move, IRQs that went away: told, not fatal. */
  readonly findings: readonly Finding[];
}

export interface ApplyOptions {
  readonly root: string;
  readonly plan: Plan;
  /** The snapshot the plan was made from: a file that has changed since stops the run. */
  readonly tree: FactTree;
  readonly bootId: string | null;
  /** Kept in the journal for `--check`. */
  readonly options: Journal['options'];
  /** Unix seconds. */
  readonly now: number;
  /** Aborted on SIGINT and SIGTERM: what was done is rolled back. */
  readonly signal?: AbortSignal | undefined;
  /** The machine's files, for tests that make them fail. */
  readonly files?: MachineFiles | undefined;
}

/** The kernel's ways to say no to one IRQ: managed (EIO), container (EPERM, EACCES, EROFS), no CPU of it online (EINVAL), no vector free (ENOSPC). */
const REFUSALS = new Set(['EIO', 'EPERM', 'EACCES', 'EROFS', 'EINVAL', 'ENOSPC', 'EBUSY', 'EOPNOTSUPP']);
const GONE = new Set(['ENOENT', 'ESRCH', 'ENODEV', 'ENXIO']);

/**
 * Brings the machine into the plan's state: what was goes into the journal first, then each file is written and read back. A refusal of
 * one IRQ is a finding; anything unexpected rolls back what this run did and raises ROLLED_BACK. Raises also JOURNAL_UNWRITABLE,
 * NOTHING_APPLIED (every single write was refused) and INTERRUPTED. The caller holds the lock.
 */
export async function applyPlan(given: ApplyOptions): Promise<Applied> {
  const files = given.files ?? new RootFiles(given.root);
  const journalFile = new JournalFile(given.root);
  const findings: Finding[] = [];
  const before = currentJournal(journalFile, given.bootId, findings);
  const wanted = steeringFiles(given.plan, given.tree);
  const changes = changesOf(given.plan, given.tree);
  if (changes.length === 0) {
    // A crash after the last write left everything in place but the journal's last word.
    if (before?.state === 'applying') journalFile.write({ ...before, state: 'applied' });
    return { changed: [], unchanged: wanted.length, findings };
  }

  const journal: Journal = {
    version: 1,
    bootId: given.bootId,
    state: 'applying',
    startedAt: given.now,
    options: given.options,
    entries: mergeEntries(before?.entries ?? [], changes),
    refused: before?.refused ?? [],
  };
  journalFile.write(journal);

  const run = new Run(files, given.signal);
  try {
    for (const change of changes) await run.make(change, findings);
  } catch (error) {
    throw rollBack(error, run, journalFile, before, journal);
  }
  finish(journalFile, journal, before, run);
  if (run.done.length === 0 && run.refused.length > 0) {
    const [first] = run.refused;
    throw new TopologyError(
      'NOTHING_APPLIED',
      `the kernel refused every change: ${run.refused.length} of ${changes.length}, the first ${first?.change.path} with ${first?.errno}`,
      /EPERM|EACCES|EROFS/.test(first?.errno ?? '')
        ? 'run it on the host, as root: containers may not steer interrupts'
        : 'see `lance topology` for what is supported here',
    );
  }
  return {
    changed: run.done.map((change) => ({ path: change.path, from: change.was.trim(), to: change.to })),
    unchanged: wanted.length - changes.length,
    findings,
  };
}

/** The journal of this boot, if there is one; one of another boot is moved aside, for the reboot has undone what it tells of. */
function currentJournal(file: JournalFile, bootId: string | null, findings: Finding[]): Journal | undefined {
  const journal = file.read();
  if (journal === undefined || journal.bootId === bootId) return journal;
  const aside = file.setAside(journal.bootId);
  findings.push(
    finding(
      'other-boot',
      'info',
      'the journal found was from another boot, which has reset all affinities',
      `it was kept as ${aside}`,
    ),
  );
  return undefined;
}

/** Older entries keep what was before the first apply, so that revert goes all the way back; only their target is new. */
function mergeEntries(older: readonly JournalEntry[], changes: readonly Change[]): JournalEntry[] {
  const merged = new Map(older.map((entry) => [entry.path, entry]));
  for (const change of changes) {
    for (const { path, was, to } of change.twin === null ? [change] : [change, change.twin]) {
      merged.set(path, { path, was: merged.get(path)?.was ?? was, to });
    }
  }
  return [...merged.values()];
}

/** One pass over the changes, remembering each file it has written. */
class Run {
  readonly done: Change[] = [];
  readonly refused: { change: Change; errno: string }[] = [];
  readonly gone: Change[] = [];
  readonly #written: { path: string; was: string }[] = [];
  readonly #files: MachineFiles;
  readonly #signal: AbortSignal | undefined;

  constructor(files: MachineFiles, signal: AbortSignal | undefined) {
    this.#files = files;
    this.#signal = signal;
  }

  async make(change: Change, findings: Finding[]): Promise<void> {
    // Lets a signal through between two files, never within one.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (this.#signal?.aborted) throw new TopologyError('INTERRUPTED', 'interrupted', 'run it again', 130);
    try {
      this.#expect(change.path, change.was);
      this.#put(change.path, change.was, change.to);
      if (
        change.twin !== null &&
        !holds(change.twin.path, this.#files.read(change.twin.path), change.twin.to)
      ) {
        this.#put(change.twin.path, change.twin.was, change.twin.to);
      }
      this.done.push(change);
    } catch (error) {
      const errno = errnoOf(error);
      const what = change.irq === null ? change.path : `IRQ ${change.irq}`;
      if (GONE.has(errno)) {
        this.gone.push(change);
        findings.push(
          unsupported(
            'irq-gone',
            'info',
            `${what} went away between plan and apply`,
            'nothing to do; a device was removed or its driver restarted',
            errno,
          ),
        );
      } else if (REFUSALS.has(errno) && this.#stillHolds(change)) {
        this.refused.push({ change, errno });
        findings.push(
          unsupported(
            'refused',
            'warning',
            `${what} stays on ${change.was.trim()}: the kernel refused ${change.to}`,
            refusalAdvice(errno),
            errno,
          ),
        );
      } else throw error;
    }
  }

  /** Puts back, in reverse order, all that was written. Returns what could not be put back. */
  undo(): string[] {
    const failed: string[] = [];
    for (const { path, was } of this.#written.reverse()) {
      try {
        const is = this.#files.read(path);
        if (is !== was) this.#files.write(path, was);
        if (!holds(path, this.#files.read(path), was) && this.#files.read(path) !== was) failed.push(path);
      } catch (error) {
        if (!GONE.has(errnoOf(error))) failed.push(path);
      }
    }
    return failed;
  }

  #expect(path: string, was: string): void {
    const is = this.#files.read(path);
    if (is === was) return;
    throw new TopologyError(
      'ROLLED_BACK',
      `${path} changed from ${was.trim()} to ${is.trim()} since the plan was made`,
      'stop what else steers interrupts (irqbalance, tuned), then try again',
    );
  }

  #put(path: string, was: string, to: string): void {
    this.#written.push({ path, was });
    this.#files.write(path, `${to}\n`);
    const is = this.#files.read(path);
    if (holds(path, is, to)) return;
    throw new TopologyError(
      'ROLLED_BACK',
      `${path} reads ${JSON.stringify(is.trim())} after ${JSON.stringify(to)} was written`,
      'stop what else steers interrupts (irqbalance, tuned), then try again',
    );
  }

  /** A refused write must have left the file alone; on a full disk it may not have. */
  #stillHolds(change: Change): boolean {
    try {
      const same = this.#files.read(change.path) === change.was;
      const last = this.#written.at(-1);
      if (same && last?.path === change.path) this.#written.pop();
      return same;
    } catch {
      return false;
    }
  }
}

function refusalAdvice(errno: string): string {
  if (errno === 'EIO') return 'nothing to do: the kernel owns this vector; it is left out from now on';
  if (errno === 'ENOSPC')
    return 'no interrupt vector is free on those CPUs: reduce the queues of other devices';
  if (errno === 'EINVAL') return 'the CPUs may have gone offline: plan again';
  return 'run it on the host, as root';
}

/** After a failure: puts everything back, and with it the journal as it was before this run. */
function rollBack(
  error: unknown,
  run: Run,
  file: JournalFile,
  before: Journal | undefined,
  journal: Journal,
): TopologyError {
  const failed = run.undo();
  const known = error instanceof TopologyError ? error : undefined;
  const why = known?.message ?? (error instanceof Error ? error.message : String(error));
  if (failed.length === 0) {
    if (before === undefined) file.remove();
    else file.write(before);
    const code = known?.code ?? 'ROLLED_BACK';
    return new TopologyError(
      code,
      `${why}; everything was put back`,
      known?.hint ?? 'nothing was changed; remove the cause and try again',
      known?.exitCode ?? 1,
    );
  }
  file.write({
    ...journal,
    entries: journal.entries.filter(
      (entry) => failed.includes(entry.path) || before?.entries.some((old) => old.path === entry.path),
    ),
  });
  const named = failed.slice(0, 5).join(', ') + (failed.length > 5 ? ` and ${failed.length - 5} more` : '');
  return new TopologyError(
    'ROLLED_BACK',
    `${why}; ${failed.length} files could not be put back: ${named}`,
    `they are kept in ${file.path}: try \`lance topology --revert\``,
  );
}

/** Marks the journal as whole. What was refused or gone leaves it again, unless an earlier run had changed it. */
function finish(file: JournalFile, journal: Journal, before: Journal | undefined, run: Run): void {
  const untouched = new Set(
    [...run.refused.map(({ change }) => change), ...run.gone].flatMap((change) => [
      change.path,
      change.twin?.path,
    ]),
  );
  const earlier = new Map(before?.entries.map((entry) => [entry.path, entry]));
  const entries = journal.entries.flatMap((entry) =>
    untouched.has(entry.path) ? (earlier.get(entry.path) ?? []) : [entry],
  );
  const refused = new Map(journal.refused.map((old) => [old.irq, old]));
  for (const { change, errno } of run.refused) {
    // Only what the kernel will never do is remembered; a container's EPERM may be gone on the next try.
    if (change.irq !== null && errno === 'EIO') refused.set(change.irq, { irq: change.irq, errno });
  }
  if (entries.length === 0 && refused.size === 0) file.remove();
  else file.write({ ...journal, state: 'applied', entries, refused: [...refused.values()] });
}
