/** The middle of some numbers, the mean of the two middle ones where their count is even; undefined of none. */
export function median(numbers: readonly number[]): number | undefined {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[half - 1], sorted[half]];
  if (high === undefined) return undefined;
  return sorted.length % 2 === 1 || low === undefined ? high : (low + high) / 2;
}

/** The smallest of the numbers that at least the share `q` of all do not exceed; undefined of none. Needs them ascending. */
export function quantile(sorted: ArrayLike<number>, q: number): number | undefined {
  return sorted.length === 0 ? undefined : sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

/**
 * Two-sided p-value of the Mann-Whitney U test: how likely two samples of one distribution lie at least as far apart as `a`
 * and `b` do. Exact, over all ways to share out the ranks, ties included; for more than 20 values each by the normal approximation.
 */
export function mannWhitney(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || b.length === 0) return 1;
  const ranks = ranksOf([...a, ...b]);
  const own = ranks.slice(0, a.length).reduce((sum, rank) => sum + rank, 0);
  const middle = (a.length * (a.length + b.length + 1)) / 2;
  const distance = Math.abs(own - middle);
  if (a.length > 20 || b.length > 20) return normalTail(distance, a.length, b.length, ranks);
  // ways[k].get(s): how many choices of k ranks have the sum s. Doubled ranks are whole numbers.
  const ways: Map<number, number>[] = Array.from({ length: a.length + 1 }, () => new Map());
  ways[0]?.set(0, 1);
  for (const rank of ranks) {
    for (let k = a.length; k >= 1; k -= 1) {
      for (const [sum, count] of ways[k - 1] ?? []) {
        const next = sum + 2 * rank;
        ways[k]?.set(next, (ways[k]?.get(next) ?? 0) + count);
      }
    }
  }
  let all = 0;
  let asFar = 0;
  for (const [sum, count] of ways[a.length] ?? []) {
    all += count;
    if (Math.abs(sum / 2 - middle) >= distance - 1e-9) asFar += count;
  }
  return asFar / all;
}

/** Ranks from 1 on; equal values share the mean of theirs. */
function ranksOf(values: readonly number[]): number[] {
  const order = values.map((value, index) => ({ value, index })).sort((x, y) => x.value - y.value);
  const ranks = new Array<number>(values.length).fill(0);
  for (let first = 0; first < order.length; ) {
    let last = first;
    while (order[last + 1]?.value === order[first]?.value) last += 1;
    for (const { index } of order.slice(first, last + 1)) ranks[index] = (first + last) / 2 + 1;
    first = last + 1;
  }
  return ranks;
}

function normalTail(distance: number, n: number, m: number, ranks: readonly number[]): number {
  const total = n + m;
  const ties = new Map<number, number>();
  for (const rank of ranks) ties.set(rank, (ties.get(rank) ?? 0) + 1);
  const tied = [...ties.values()].reduce((sum, t) => sum + t ** 3 - t, 0);
  const variance = ((n * m) / 12) * (total + 1 - tied / (total * (total - 1)));
  if (variance <= 0) return 1;
  return Math.min(1, 2 * (1 - normalCumulative(Math.max(0, distance - 0.5) / Math.sqrt(variance))));
}

/** Abramowitz and Stegun 26.2.17: off by less than 7.5e-8. */
function normalCumulative(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const poly =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - Math.exp((-z * z) / 2) * (poly / Math.sqrt(2 * Math.PI));
}

/** A source of numbers in [0, 1) that gives the same ones for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
