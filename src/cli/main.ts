import { run, settings } from '@oclif/core';
import { ExitCode } from '../errors.js';
import { report } from './report.js';

/**
 * Runs the command that `process.argv` names, and is the one place where an error becomes words and an exit code
 * (cli.md, "Exit codes"). `entry` is the file URL of the entry point in bin/.
 */
export async function main(entry: string, options: { development?: boolean } = {}): Promise<void> {
  if (options.development) process.env.NODE_ENV = 'development';
  // A built `lance` never looks for TypeScript sources, whatever NODE_ENV says.
  settings.enableAutoTranspile = options.development === true;
  exitOnClosedPipe();
  // What nobody caught is a fault of ours; it still becomes a sentence and an exit code.
  process.on('uncaughtException', (error) => process.exit(report(error, process.argv.slice(2))));
  try {
    await run(process.argv.slice(2), entry);
  } catch (error) {
    await exit(report(error, process.argv.slice(2)));
  }
}

/** A reader that has seen enough (`lance consume | head`) is no failure: leave quietly with 0. */
function exitOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(ExitCode.done);
      throw error;
    });
  }
}

/** Leaves with `code` once stdout has taken what was written to it; a pipe is written asynchronously. */
async function exit(code: number): Promise<never> {
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  process.exit(code);
}
