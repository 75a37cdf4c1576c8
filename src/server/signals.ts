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

/** Calls `reopen` at each SIGHUP. One that comes because the terminal was closed ends the node like SIGTERM instead. */
export function onHangup(terminal: boolean, reopen: () => void): void {
  let closed = false;
  process.on('SIGHUP', () => {
    if (!terminal) return reopen();
    // The kernel tells the session's leader and the foreground group, which are one: the second is no second signal.
    if (!closed) process.kill(process.pid, 'SIGTERM');
    closed = true;
  });
}
