import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrivalTimes, idealGroupCommit, quantilesOf } from '../../src/bench/group-commit.js';
import { mannWhitney, median, quantile } from '../../src/bench/statistics.js';

const numbers = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 12 });

describe('the median', () => {
  it('has as many values below as above it', () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const middle = median(values) ?? Number.NaN;
        const below = values.filter((v) => v < middle).length;
        const above = values.filter((v) => v > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });

  it('of nothing is nothing', () => expect(median([])).toBeUndefined());
});

describe('a quantile', () => {
  it('is a value that was there, and at least the share of all does not exceed it', () => {
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
        const sorted = [...values].sort((a, b) => a - b);
        const found = quantile(sorted, q) ?? Number.NaN;
        expect(sorted).toContain(found);
        expect(sorted.filter((v) => v <= found).length).toBeGreaterThanOrEqual(q * sorted.length - 1e-9);
      }),
    );
  });
});

describe('the Mann-Whitney test', () => {
  it.each([
    // Of all 252 ways to choose 5 of 10 ranks, the two outermost.
    [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252],
    // Three against three can never be surer than a tenth.
    [[1, 2, 3], [10, 11, 12], 2 / 20],
    [[1, 2], [3, 4], 2 / 6],
    [[5, 5, 5], [5, 5, 5], 1],
  ])('of %j and %j is exact', (a, b, p) => expect(mannWhitney(a, b)).toBeCloseTo(p, 12));

  it('does not care which side is which, nor about the scale', () => {
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const p = mannWhitney(a, b);
        expect(p).toBeGreaterThan(0);
        expect(p).toBeLessThanOrEqual(1 + 1e-12);
        expect(mannWhitney(b, a)).toBeCloseTo(p, 9);
        expect(
          mannWhitney(
            a.map((v) => v * 3 + 7),
            b.map((v) => v * 3 + 7),
          ),
        ).toBeCloseTo(p, 9);
      }),
    );
  });

  it('of many values agrees with the exact one', () => {
    const of = (n: number, shift: number) => Array.from({ length: n }, (_, i) => ((i * 37) % 101) + shift);
    expect(mannWhitney(of(21, 0), of(21, 12))).toBeCloseTo(mannWhitney(of(20, 0), of(20, 12)), 1);
  });
});

describe('the ideal group commit', () => {
  it('of a lone request is one flush and one round trip', () => {
    expect([...idealGroupCommit(Float64Array.of(1_000), [90], [6])]).toEqual([96]);
  });

  it('takes with one flush all that came during the one before', () => {
    // Flushes of 100: the first takes 0, the second, from 100 on, takes 10, 20 and 30 together.
    const times = idealGroupCommit(Float64Array.of(0, 10, 20, 30), [100], [0]);
    expect([...times]).toEqual([100, 190, 180, 170]);
  });

  it('never beats the device nor the wire, whatever arrives', () => {
    const positive = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(positive, positive, positive, (gaps, flushes, trips) => {
        let at = 0;
        const arrivals = Float64Array.from(gaps, (gap) => {
          at += gap;
          return at;
        });
        const least = Math.min(...flushes) + Math.min(...trips);
        for (const time of idealGroupCommit(arrivals, flushes, trips)) {
          expect(time).toBeGreaterThanOrEqual(least - 1e-6);
        }
      }),
    );
  });

  it('grows slower under even arrivals than under Poisson ones', () => {
    const p99 = (arrivals: 'even' | 'poisson') =>
      quantilesOf(idealGroupCommit(arrivalTimes(20_000, 10_000, arrivals), [80_000], [6_000])).p99 ?? 0;
    expect(p99('poisson')).toBeGreaterThan(p99('even'));
  });
});
