/** Temporary directories of a test file, removed when it is done. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const made: string[] = [];

/** A fresh directory under the system's temporary one; kept for a look when LANCE_KEEP is set. */
export function tempDir(label = 'lance'): string {
  const path = mkdtempSync(join(tmpdir(), `${label}-`));
  made.push(path);
  return path;
}

afterAll(() => {
  if (process.env.LANCE_KEEP) return;
  for (const path of made.splice(0)) removeTree(path);
});

/**
 * Removes a tree, and with each folder directly in it the live counters that a killed node on that folder left in memory
 * (docs/formats.md, "Counters"): the next folder of the same inode would meet them.
 */
export function removeTree(path: string): void {
  if (!existsSync(path)) return;
  for (const folder of [path, ...foldersIn(path)]) {
    const { dev, ino } = statSync(folder, { bigint: true });
    rmSync(`/dev/shm/lance-${dev.toString(16)}-${ino.toString(16)}.lcf`, { recursive: true, force: true });
  }
  rmSync(path, { recursive: true, force: true });
}

function foldersIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(path, name));
}
