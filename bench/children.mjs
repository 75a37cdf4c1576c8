// What a script here starts, and that none of it outlives the script. Each is the head of a process group of its own: Maven, `go` and a
// shell start further processes, and a signal to the one alone would leave those. SIGINT, SIGTERM and SIGHUP end them all first.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long what was asked to end may take: a node drains, `lance bench` ends its own node. */
const STOP_MS = 10_000;
/** What was killed takes a moment to be gone, longer where the disk is busy. */
const KILL_MS = 5_000;
const LOOK_MS = 50;

/** Process groups that may still run, by the id of their heads. */
const groups = new Set();
const folders = new Set();
const lastWords = [];
let interrupted = false;
let watching = false;

process.once('exit', () => {
  for (const group of groups) signalGroup(group, 'SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** Sends a signal to a group; false where none of it is left. */
function signalGroup(group, signal) {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

/** Starts a program at the head of a group of its own. */
export function start(program, args, options = {}) {
  const child = spawn(program, args, { ...options, detached: true });
  keep(child);
  child.once('exit', () => leftBy(child.pid));
  return child;
}

/** Keeps in mind the head of a group that something else has started. */
export function keep({ pid }) {
  watch();
  if (pid !== undefined) groups.add(pid);
}

/** The head of a group is gone: nobody waits for what it has left. */
export function leftBy(group) {
  if (interrupted && signalGroup(group, 0)) return;
  signalGroup(group, 'SIGKILL');
  groups.delete(group);
}

/** Removes a folder when the script ends, however it ends. */
export function removeAtEnd(folder) {
  watch();
  folders.add(folder);
  return folder;
}

/** What is said when the script was interrupted and everything has ended. */
export function atInterrupt(words) {
  watch();
  lastWords.push(words);
}

/**
 * Resolves, and never does once the script is being ended: what waits for it goes no further, so that nothing new is started and what
 * ended early is not taken for a result.
 */
export function goOn() {
  return interrupted ? new Promise(() => {}) : Promise.resolve();
}

/** Whether the script is being ended. */
export function isInterrupted() {
  return interrupted;
}

/** From the first child or folder on: a script that has neither ends as any program does. */
function watch() {
  if (watching) return;
  watching = true;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => void interrupt(128 + constants.signals[signal]));
  }
}

/** Resolves when nothing is left of any group, or when it took too long. */
async function endAll(signal, withinMs) {
  for (const group of groups) signalGroup(group, signal);
  const until = Date.now() + withinMs;
  while ([...groups].some((group) => signalGroup(group, 0)) && Date.now() < until) await sleep(LOOK_MS);
}

async function interrupt(status) {
  // The second time at once: `exit` above kills what is left.
  if (interrupted) process.exit(status);
  interrupted = true;
  // What fails from here on fails because it is ended.
  process.on('uncaughtException', () => {});
  try {
    process.stderr.write('interrupted: ending what was started (once more to end it at once)\n');
    await endAll('SIGTERM', STOP_MS);
    await endAll('SIGKILL', KILL_MS);
    for (const words of lastWords) words();
  } finally {
    process.exit(status);
  }
}
