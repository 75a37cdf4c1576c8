/** A quantile that dashboards show, by its name in JSON. */
export const QUANTILES = { p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999 } as const;

/**
 * A log-linear histogram as it lies in a counters file (docs/formats.md, "Counters"): below `2^(subBits + 1)` a bucket a
 * value, above `2^subBits` buckets to each doubling. Values are whole numbers, nanoseconds for most.
 */
export class Histogram {
  /** What was counted, exactly: the sum of the buckets. */
  readonly count: number;

  /** `buckets` holds the count of each bucket; `sum`, `min` and `max` are exact, 0 while nothing was counted. */
  constructor(
    readonly buckets: readonly number[],
    readonly subBits: number,
    readonly sum: number,
    readonly min: number,
    readonly max: number,
  ) {
    this.count = buckets.reduce((total, count) => total + count, 0);
  }

  /** The smallest value that a bucket counts. */
  lowerBound(bucket: number): number {
    const sub = 2 ** this.subBits;
    if (bucket < 2 * sub) return bucket;
    const shift = Math.floor(bucket / sub) - 1;
    return (bucket - shift * sub) * 2 ** shift;
  }

  /** The largest value that a bucket counts. The last one counts everything above, too. */
  upperBound(bucket: number): number {
    return this.lowerBound(bucket + 1) - 1;
  }

  /**
   * The value at or below which the share `quantile` (0 to 1) of the counted values lies: the middle of its bucket,
   * less than 0.4% off; 0 when nothing was counted.
   */
  quantile(quantile: number): number {
    if (this.count === 0) return 0;
    const rank = Math.max(1, Math.ceil(Math.min(1, Math.max(0, quantile)) * this.count));
    let seen = 0;
    for (const [bucket, count] of this.buckets.entries()) {
      seen += count;
      if (seen < rank) continue;
      if (bucket === this.buckets.length - 1) return this.max;
      const lower = this.lowerBound(bucket);
      const middle = lower + Math.floor((this.upperBound(bucket) - lower) / 2);
      // A writer that was killed may have counted without having set max.
      return this.max === 0 ? middle : Math.min(middle, this.max);
    }
    return this.max;
  }

  /** How many values lie at or below each of `bounds` (ascending), as far as whole buckets tell. */
  cumulative(bounds: readonly number[]): number[] {
    let bucket = 0;
    let seen = 0;
    return bounds.map((bound) => {
      while (bucket < this.buckets.length - 1 && this.upperBound(bucket) <= bound) {
        seen += this.buckets[bucket] ?? 0;
        bucket += 1;
      }
      return seen;
    });
  }

  /** What was counted since `earlier`, an older state of the same histogram. `min` and `max` are those of its buckets. */
  since(earlier: Histogram): Histogram {
    const buckets = this.buckets.map((count, bucket) => Math.max(0, count - (earlier.buckets[bucket] ?? 0)));
    const first = buckets.findIndex((count) => count > 0);
    const last = buckets.findLastIndex((count) => count > 0);
    const max = last < 0 ? 0 : Math.min(this.upperBound(last), this.max);
    const min = first < 0 ? 0 : this.lowerBound(first);
    return new Histogram(buckets, this.subBits, Math.max(0, this.sum - earlier.sum), min, max);
  }
}
