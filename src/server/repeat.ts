/** Work that comes again and again until it is stopped. */
export interface Repeated {
  /** Waits for a run that is under way; none starts after it. */
  stop(): Promise<void>;
}

/**
 * Runs `work` now and then `intervalMs` after each end; a run never overlaps the next. What it throws goes to `failed`.
 */
export function repeat(
  intervalMs: number,
  work: () => Promise<void>,
  failed: (error: unknown) => void,
): Repeated {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  const run = (): void => {
    running = work()
      .catch(failed)
      .then(() => {
        if (!stopped) timer = setTimeout(run, intervalMs);
      });
  };
  run();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
