import { spawnSync } from 'node:child_process';
import type { TestContext } from 'vitest';

/**
 * Skips the test, with the reason, when `program` is not on the PATH. `npm test` shows the reason; under LANCE_CI
 * (`.ci/run`) a skip that says "needs ..." counts as a failure.
 */
export function needsProgram(context: TestContext, program: string): void {
  const found = spawnSync('sh', ['-c', `command -v "$1"`, 'sh', program]).status === 0;
  if (!found) context.skip(`needs ${program}`);
}
