import { ExitCode } from '../errors.js';

/**
 * Runs `work` and tells it by the signal when SIGINT or SIGTERM came, so that it can leave things in order; then exits
 * with 130. A second one exits at once.
 */
export async function untilInterrupted(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(ExitCode.interrupted);
    controller.abort();
    process.exitCode = ExitCode.interrupted;
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    await work(controller.signal);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
