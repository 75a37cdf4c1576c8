import { addon } from './addon.js';

/** How taking a lock ended: taken, or held by a process whose id may be known, or an error of the system. */
export type LockResult =
  | { kind: 'locked' }
  | { kind: 'held'; pid: number | undefined }
  | { kind: 'failed'; message: string };

/** Takes the data directory at `path` until this process ends, however it ends (formats.md, "Files"). */
export function lockDirectory(path: string): LockResult {
  const { locked, holder, message } = addon().lockDataDirectory(path);
  if (locked) return { kind: 'locked' };
  return message === undefined ? { kind: 'held', pid: holder } : { kind: 'failed', message };
}

/** Ends the process at once: no handler runs, nothing is written. */
export function exitNow(code: number): never {
  addon().exitNow(code);
  throw new Error('unreachable');
}

/** Sends a state such as `READY=1` to the service manager that `NOTIFY_SOCKET` names. False when nobody took it. */
export function notifyServiceManager(socket: string, state: string): boolean {
  return addon().notifyServiceManager(socket, state);
}

/**
 * Runs a scenario of the native load generator (bench/load) on this thread until it ends; it prints lines of JSON to stdout.
 * Returns its exit code. For a process that does nothing else.
 */
export function runLoad(words: readonly string[]): number {
  return addon().runLoad([...words]);
}
