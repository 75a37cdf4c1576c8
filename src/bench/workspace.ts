import { mkdtempSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { roundedSize } from '../config/index.js';
import { BenchError } from './errors.js';

const MiB = 2 ** 20;
/** A node wants its journal, a segment and what `limits.min_free_disk` keeps free; below this it would refuse writes at once. */
const LEAST_ROOM = 1024 * MiB;

/** A folder that a bench writes to, removed however it ends. */
export interface Workspace {
  path: string;
  /** Bytes free on its file system now. */
  free(): number;
  remove(): void;
}

/** Makes a folder below `parent`. Throws BenchError when it cannot be written to, or has not the room for any bench. */
export function openWorkspace(parent: string): Workspace {
  const dir = resolve(parent);
  const free = freeBytes(dir);
  if (free < LEAST_ROOM) {
    throw new BenchError(
      `${dir} has ${roundedSize(free)} free, and a bench needs ${roundedSize(LEAST_ROOM)}.`,
      {
        code: 'DISK_FULL',
        hint: 'Make room, or name another file system with --data-dir.',
      },
    );
  }
  let path: string;
  try {
    path = mkdtempSync(join(dir, 'lance-bench-'));
  } catch (error) {
    throw unwritable(dir, error);
  }
  const remove = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  // Also after a second Ctrl-C, which leaves at once. Children are killed first: they registered before.
  process.once('exit', remove);
  return {
    path,
    free: () => freeBytes(dir),
    remove: () => {
      remove();
      process.off('exit', remove);
    },
  };
}

function freeBytes(dir: string): number {
  try {
    if (!statSync(dir).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  } catch (error) {
    throw unwritable(dir, error);
  }
}

function unwritable(dir: string, cause: unknown): BenchError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  return new BenchError(`${dir} cannot be written to (${code}).`, {
    code: 'DATA_DIR_UNUSABLE',
    hint: 'Name a directory on the file system to be measured with --data-dir.',
    cause,
  });
}
