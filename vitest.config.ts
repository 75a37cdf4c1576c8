import { defineConfig } from 'vitest/config';

// Two forks: the machine has two cores, and integration tests start nodes of their own.
export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    exclude: ['test/machine/**', '**/node_modules/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    env: { NO_COLOR: '1', DEBUG: '' },
  },
});
