import { exitNow } from '../engine/index.js';
import { ExitCode } from '../errors.js';

/**
 * Resolves with the first SIGTERM or SIGINT; the next one ends the process at once with 1 (design section 1). Call it
 * before anything that takes long, so that a signal during the start counts, too.
 */
export function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let seen = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (seen) exitNow(ExitCode.failed);
        seen = true;
        resolve(signal);
      });
    }
  });
}
