import { defineConfig } from 'vitest/config';

// Two forks: the machine has two cores, and integration tests start nodes of their own.
export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    exclude: ['test/machine/**', '**/node_modules/**'],
    pool: 'forks',
    maxWorkers: 2,
    // They end what hangs, and are no measure: a `lance` that starts in 1.5 s here takes 8 s on a busy machine, and some tests start ten.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    env: { NO_COLOR: '1', DEBUG: '' },
  },
});
