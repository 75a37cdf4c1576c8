import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Marks a name that is not final (formats.md, "Files"). */
export const TEMPORARY = '~';

/**
 * Puts `text` at `path` so that after a crash there is either the old file or the new one, whole: written under a
 * temporary name, flushed, renamed, the directory flushed. Rejects with the system's error.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  await writeFlushed(`${path}${TEMPORARY}`, text);
  await rename(`${path}${TEMPORARY}`, path);
  await flushDirectory(dirname(path));
}

/** Writes a file anew and flushes it; its name is not durable yet. */
export async function writeFlushed(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a directory durable. */
export async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
