import { createInterface } from 'node:readline/promises';
import { ExitCode, LanceError } from '../errors.js';

/** Asks on the terminal and throws unless the answer is yes. Without a terminal there is nobody to ask: exit code 2. */
export async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new LanceError('This needs a yes, and there is no terminal to ask on.', {
      code: 'CONFIRMATION_NEEDED',
      hint: 'Add --yes.',
      exitCode: ExitCode.usage,
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${question} [y/N] `);
  terminal.close();
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new LanceError('Nothing was changed.', { code: 'CANCELLED' });
}
