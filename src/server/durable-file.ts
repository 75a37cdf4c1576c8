import { closeSync, fsync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

// Only flushes are worth a trip to a worker thread: the other calls touch small files in the page cache, and on a busy
// machine each trip costs more than all of them.
const fsyncAsync = promisify(fsync);

/** Marks a name that is not final (formats.md, "Files"). */
export const TEMPORARY = '~';

/**
 * Puts `text` at `path` so that after a crash there is either the old file or the new one, whole: written under a
 * temporary name, flushed, renamed, the directory flushed. Rejects with the system's error.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const draft = `${path}${TEMPORARY}`;
  try {
    writeFileSync(draft, text);
    await flush(draft);
    renameSync(draft, path);
  } catch (error) {
    discard(draft);
    throw error;
  }
  await flush(dirname(path));
}

/** Takes away what a failed write left: on a full disk, half a file would hold the last free bytes. */
export function discard(draft: string): void {
  try {
    rmSync(draft, { force: true });
  } catch {
    // The failure that led here is the one to report; the next start removes the file.
  }
}

/** Makes the content of a file durable, or the names in a directory. */
export async function flush(path: string): Promise<void> {
  const file = openSync(path, 'r');
  try {
    await fsyncAsync(file);
  } finally {
    closeSync(file);
  }
}
