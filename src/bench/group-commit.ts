import type { Quantiles } from './result.js';
import { quantile, random } from './statistics.js';

/** When requests arrive, nanoseconds since a start, ascending. */
export function arrivalTimes(count: number, rate: number, arrivals: 'even' | 'poisson'): Float64Array {
  const gap = 1e9 / rate;
  const next = random(0x5eed);
  let at = 0;
  return Float64Array.from({ length: count }, (_, number) => {
    at = arrivals === 'even' ? number * gap : at - Math.log(1 - next()) * gap;
    return at;
  });
}

/**
 * How long each request takes if nothing but the device and the wire took time: a request reaches the device when its way
 * there is over, each flush takes all that are there when the one before it ends, and takes as long as one that was measured.
 * `flushes` and `roundTrips` are measured times in nanoseconds, used in their order and again from the first.
 */
export function idealGroupCommit(
  arrivals: Float64Array,
  flushes: readonly number[],
  roundTrips: readonly number[],
): Float64Array {
  if (flushes.length === 0 || roundTrips.length === 0) return new Float64Array(0);
  const times = new Float64Array(arrivals.length);
  const tripOf = (number: number): number => roundTrips[number % roundTrips.length] ?? 0;
  let free = 0;
  let flush = 0;
  for (let first = 0; first < arrivals.length; ) {
    const there = (number: number): number => (arrivals[number] ?? 0) + tripOf(number) / 2;
    const start = Math.max(free, there(first));
    const end = start + (flushes[flush % flushes.length] ?? 0);
    flush += 1;
    let next = first;
    while (next < arrivals.length && (next === first || there(next) <= start)) {
      times[next] = end + tripOf(next) / 2 - (arrivals[next] ?? 0);
      next += 1;
    }
    free = end;
    first = next;
  }
  return times;
}

/** The distribution of some times. */
export function quantilesOf(times: ArrayLike<number>): Quantiles {
  const sorted = Float64Array.from(times).sort();
  const at = (q: number): number | null => {
    const value = quantile(sorted, q);
    return value === undefined ? null : Math.round(value);
  };
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1), count: sorted.length };
}
