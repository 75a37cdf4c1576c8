/** Temporary directories of a test file, removed when it is done. */
import { mkdtempSync, rmSync } from 'node:fs';
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
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});
