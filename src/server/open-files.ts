import { readFileSync } from 'node:fs';

/** Descriptors that readers, indexes, journal and Node itself take beside connections and active segments. */
const OTHERS = 300;

/**
 * What to warn of when the limit of open files is too low for `limits.connections`; undefined when it is not, or nobody
 * knows. `limits` is the text of `/proc/self/limits`. The engine keeps 2 of 5 descriptors for active segments.
 */
export function tooFewFiles(connections: number, limits: string | undefined): string | undefined {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(limits ?? '') ?? [];
  if (soft === undefined) return undefined;
  const room = Math.max(0, Math.floor((Number(soft) * 3) / 5) - OTHERS);
  if (room >= connections) return undefined;
  return `limits.connections is ${connections}, and ${soft} open files (RLIMIT_NOFILE) leave room for about ${room}: raise LimitNOFILE (ulimit -n), or lower it`;
}

/** The limits of this process as Linux shows them; undefined where it does not. */
export function processLimits(): string | undefined {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return undefined;
  }
}
