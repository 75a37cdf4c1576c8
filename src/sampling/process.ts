import { readFile } from 'node:fs/promises';
import type { Snapshot } from '../counters/index.js';

const TICKS_A_SECOND = 100;

/**
 * Whether the process that wrote the counters is there. One that took its number since does not count: it started
 * later than the counters did.
 */
export async function ownsCounters(
  { pid, startNs }: Pick<Snapshot, 'pid' | 'startNs'>,
  proc = '/proc',
): Promise<boolean> {
  try {
    const [text, boot] = await Promise.all([
      readFile(`${proc}/${pid}/stat`, 'utf8'),
      readFile(`${proc}/stat`, 'utf8'),
    ]);
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // A zombie serves nobody.
    if (fields[0] === 'Z' || fields[0] === 'X') return false;
    const bootSeconds = Number(/^btime (\d+)$/m.exec(boot)?.[1]);
    const started = bootSeconds + Number(fields[19]) / TICKS_A_SECOND;
    // btime is rounded to seconds, and the wall clock may have been set since.
    return !(started > Number(startNs / 1_000_000_000n) + 5);
  } catch {
    return false;
  }
}
