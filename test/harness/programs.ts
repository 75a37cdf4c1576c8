/** What some tests need and not every machine has. */
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'vitest';

/** Whether a program of this name is on the PATH. */
export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status === 0;
}

/**
 * Skips the test with "needs ..." when `missing` names something; under LANCE_CI `npm test` counts such a skip as a
 * failure.
 */
export function needs(context: TestContext, missing: string | undefined): void {
  if (missing !== undefined) context.skip(`needs ${missing}`);
}

/** What is missing to mount a tmpfs, or undefined where it can be done. */
export function missingForMounts(): string | undefined {
  if (process.getuid?.() !== 0) return 'root, to mount a tmpfs';
  const probe = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return probe.status === 0 ? undefined : 'a machine that lets us mount a tmpfs';
}
