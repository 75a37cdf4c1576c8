import { errnoOf, TopologyError } from '../errors.js';
import { type Finding, unsupported } from '../findings/types.js';
import { holds } from './changes.js';
import { type MachineFiles, RootFiles } from './files.js';
import { JournalFile } from './journal.js';

/** What one `--revert` did, or would do. */
export interface Reverted {
  readonly restored: readonly { path: string; from: string; to: string }[];
  /** Files that already held what was. */
  readonly unchanged: number;
  readonly findings: readonly Finding[];
}

export interface RevertOptions {
  readonly root: string;
  readonly bootId: string | null;
  readonly dryRun?: boolean | undefined;
  readonly files?: MachineFiles | undefined;
}

const GONE = new Set(['ENOENT', 'ESRCH', 'ENODEV', 'ENXIO']);

/**
 * Puts back what the journal says was, byte for byte, newest first, and takes the journal away. Files that cannot be put back stay in
 * the journal and raise NOT_ALL_REVERTED after all others were. Raises JOURNAL_OTHER_BOOT: a reboot has reset everything, and the IRQ
 * numbers of then may be other devices now. The caller holds the lock.
 */
export function revert({
  root,
  bootId,
  dryRun = false,
  files = new RootFiles(root),
}: RevertOptions): Reverted {
  const file = new JournalFile(root);
  const journal = file.read();
  const findings: Finding[] = [];
  if (journal === undefined) {
    if (!dryRun) file.removeUnfinished();
    return { restored: [], unchanged: 0, findings };
  }
  if (journal.bootId !== bootId) {
    throw new TopologyError(
      'JOURNAL_OTHER_BOOT',
      'the journal is from another boot: the reboot has reset all affinities, so there is nothing to put back',
      `remove ${file.path}; the next \`lance topology --apply\` starts a new one`,
    );
  }
  const restored: { path: string; from: string; to: string }[] = [];
  const failed: { path: string; errno: string }[] = [];
  let unchanged = 0;
  for (const { path, was } of [...journal.entries].reverse()) {
    try {
      const is = files.read(path);
      if (is === was) {
        unchanged += 1;
        continue;
      }
      if (!dryRun) {
        files.write(path, was);
        const now = files.read(path);
        // The kernel may print the same CPUs in its own way; other CPUs are a failure.
        if (now !== was && !holds(path, now, was)) {
          failed.push({ path, errno: `reads ${now.trim()}` });
          continue;
        }
      }
      restored.push({ path, from: is.trim(), to: was.trim() });
    } catch (error) {
      const errno = errnoOf(error);
      if (GONE.has(errno))
        findings.push(
          unsupported(
            'irq-gone',
            'info',
            `${path} is gone`,
            'nothing to do: its device or queue is no longer there',
            errno,
          ),
        );
      else failed.push({ path, errno });
    }
  }
  if (dryRun) return { restored, unchanged, findings };
  if (failed.length === 0) {
    file.remove();
    return { restored, unchanged, findings };
  }
  file.write({
    ...journal,
    entries: journal.entries.filter((entry) => failed.some((other) => other.path === entry.path)),
  });
  const named = failed
    .slice(0, 5)
    .map(({ path, errno }) => `${path} (${errno})`)
    .join(', ');
  throw new TopologyError(
    'NOT_ALL_REVERTED',
    `${failed.length} of ${journal.entries.length} files could not be put back: ${named}`,
    `they are kept in ${file.path}; remove the cause and run --revert again`,
  );
}
