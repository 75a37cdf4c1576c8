import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The file that marks a data directory whose node stores nothing (native/engine/src/format/names.rs). */
const MARK = 'DISCARDS';
/** Tells a node which mark it may find: both come from the same bench, and by accident neither does. */
export const DISCARD_VARIABLE = 'LANCE_BENCH_DISCARD';

/** Makes a new data directory for a node that stores nothing; what DISCARD_VARIABLE has to say to that node. */
export function makeDiscardDirectory(path: string): string {
  // It must not be there: a directory that holds anything is never marked.
  mkdirSync(path);
  const key = randomUUID();
  writeFileSync(
    join(path, MARK),
    `${key}\nMade by lance bench for a node that stores nothing. The files here are no data and can be removed.\n`,
    { flag: 'wx' },
  );
  return key;
}

/** The key of a directory's mark; undefined: it has none. Throws the system's error. */
export function discardKey(path: string): string | undefined {
  try {
    return readFileSync(join(path, MARK), 'utf8').split('\n', 1)[0];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
