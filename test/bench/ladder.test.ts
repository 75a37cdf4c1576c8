import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Step, walk } from '../../src/bench/ladder.js';
import { times } from './support.js';

/** A node that takes so much and then falls behind. */
const nodeWithLimit =
  (limit: number) =>
  async (rate: number): Promise<Step> => ({
    rate,
    latency: times(rate <= limit ? 100_000 : 50_000_000),
    shortfall: Math.max(0, rate - limit),
  });

it('the ladder ends at the knee, within a fifth of it, its steps in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1_000, max: 2_000_000 }), async (limit) => {
      const { steps, knee } = await walk(nodeWithLimit(limit), () => false);
      expect(knee).toBeLessThanOrEqual(limit);
      expect(knee ?? 0).toBeGreaterThan(limit / 1.2);
      expect(steps.map(({ rate }) => rate)).toEqual(steps.map(({ rate }) => rate).sort((a, b) => a - b));
    }),
  );
});

it('a node that is too slow for the first step has no knee', async () => {
  const { steps, knee } = await walk(nodeWithLimit(10), () => false);
  expect(knee).toBeNull();
  expect(steps).toHaveLength(1);
});

it('a ladder that is stopped shows the steps it has', async () => {
  let left = 3;
  const { steps } = await walk(nodeWithLimit(1e9), () => left-- === 0);
  expect(steps.map(({ rate }) => rate)).toEqual([1_000, 2_000, 4_000]);
});
