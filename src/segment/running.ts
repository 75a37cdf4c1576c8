import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

/**
 * The process that holds a data directory's LOCK, without taking it: a probing lock could make a node that starts at this
 * moment believe that another one runs. Undefined when nobody is seen to hold it.
 */
export function lockHolder(dataDir: string): number | undefined {
  const path = join(dataDir, 'LOCK');
  let file: { dev: number; ino: number };
  try {
    file = statSync(path);
  } catch {
    return undefined;
  }
  return holderByLocks(file) ?? holderByDescriptor(path);
}

/** `/proc/locks`: `1: FLOCK  ADVISORY  WRITE 4711 08:01:123456 0 EOF`. */
function holderByLocks({ dev, ino }: { dev: number; ino: number }): number | undefined {
  const major = ((dev >> 8) & 0xfff).toString(16).padStart(2, '0');
  const minor = ((dev & 0xff) | ((dev >> 12) & 0xfff00)).toString(16).padStart(2, '0');
  for (const line of readOrNothing('/proc/locks').split('\n')) {
    const [, kind, , , pid, where] = line.trim().split(/\s+/);
    if (kind === 'FLOCK' && where === `${major}:${minor}:${ino}`) return Number(pid);
  }
  return undefined;
}

/** Some file systems show another device there: then the process that wrote its id into LOCK has it open, or not. */
function holderByDescriptor(path: string): number | undefined {
  const pid = Number.parseInt(readOrNothing(path), 10);
  if (!(pid > 0)) return undefined;
  try {
    const folder = `/proc/${pid}/fd`;
    const open = readdirSync(folder).some((fd) => {
      try {
        return readlinkSync(join(folder, fd)) === resolve(path);
      } catch {
        return false;
      }
    });
    return open ? pid : undefined;
  } catch {
    return undefined;
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
