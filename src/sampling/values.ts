import { Histogram, type Sample } from '../counters/index.js';
import type { RawCounters } from './raw.js';
import type { Distribution } from './reading.js';

/** The counters of one look and, of the same process, those of the look before. */
export class Values {
  readonly #now: ReadonlyMap<string, Sample[]>;
  readonly #before: ReadonlyMap<string, Sample>;

  /** `seconds` lie between the two; 0 and no `before` at the first look. */
  constructor(
    now: RawCounters | undefined,
    before: RawCounters | undefined,
    readonly seconds: number,
  ) {
    const byName = new Map<string, Sample[]>();
    for (const sample of now?.samples ?? []) {
      const list = byName.get(sample.name);
      if (list) list.push(sample);
      else byName.set(sample.name, [sample]);
    }
    this.#now = byName;
    this.#before = new Map(before?.samples.map((sample) => [identity(sample), sample]));
  }

  /** Samples of a name. */
  of(name: string): readonly Sample[] {
    return this.#now.get(name) ?? [];
  }

  /** Sum over all labels, as it is now. */
  total(name: string): number {
    return this.of(name).reduce((sum, sample) => sum + (sample.kind === 'histogram' ? 0 : sample.value), 0);
  }

  /** By how much one counter grew in the interval. */
  growth(sample: Sample): number {
    const before = this.#before.get(identity(sample));
    if (sample.kind === 'histogram' || before === undefined || before.kind === 'histogram') return 0;
    return Math.max(0, sample.value - before.value);
  }

  /** Growth of all labels of a counter together. */
  grown(name: string): number {
    return this.of(name).reduce((sum, sample) => sum + this.growth(sample), 0);
  }

  /** Growth a second, 0 at the first look. */
  rate(name: string): number {
    return this.seconds > 0 ? this.grown(name) / this.seconds : 0;
  }

  /** Of a counter of nanoseconds: the share of the interval that it grew by; null at the first look and where there is none. */
  share(sample: Sample | undefined): number | null {
    if (sample === undefined || this.seconds <= 0) return null;
    return Math.min(1, this.growth(sample) / (this.seconds * 1e9));
  }

  /** What was counted in the interval, all labels together; since the start of the node at the first look. Null: nothing. */
  distribution(name: string): Distribution | null {
    let all: Histogram | undefined;
    for (const sample of this.of(name)) {
      if (sample.kind !== 'histogram') continue;
      const before = this.#before.get(identity(sample));
      const one = before?.kind === 'histogram' ? sample.histogram.since(before.histogram) : sample.histogram;
      all = all === undefined ? one : added(all, one);
    }
    if (all === undefined || all.count === 0) return null;
    return {
      p50: all.quantile(0.5),
      p90: all.quantile(0.9),
      p99: all.quantile(0.99),
      p999: all.quantile(0.999),
      max: all.max,
      mean: all.sum / all.count,
      count: all.count,
    };
  }
}

const identity = (sample: Sample): string =>
  `${sample.name}{${Object.entries(sample.labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')}}`;

function added(a: Histogram, b: Histogram): Histogram {
  const buckets = a.buckets.map((count, i) => count + (b.buckets[i] ?? 0));
  return new Histogram(buckets, a.subBits, a.sum + b.sum, Math.min(a.min, b.min), Math.max(a.max, b.max));
}
