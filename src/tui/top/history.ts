import type { Reading } from '../../sampling/index.js';
import { firstAtOrAfter, type Points } from './chart/resample.js';

/** What charts show over time. */
export const SERIES = [
  'ingestBytes',
  'ingestRecords',
  'fetchBytes',
  'fetchRecords',
  'ackP50',
  'ackP99',
  'ackP999',
  'ackMax',
  'flushP99',
  'writeP99',
  'deviceBytes',
] as const;

export type Series = (typeof SERIES)[number];

/** Longest time that is kept, s, and most points: an hour at five a second. */
const KEPT_SECONDS = 3_600;
const KEPT_POINTS = 18_000;

/** What charts need of the past of one node. */
export class History {
  readonly #times: number[] = [];
  readonly #values = new Map<Series, number[]>(SERIES.map((series) => [series, []]));

  /** Takes a reading; one that is not later than the last is left out. */
  push(reading: Reading): void {
    const last = this.#times.at(-1);
    if (last !== undefined && reading.sampledAt <= last) return;
    this.#times.push(reading.sampledAt);
    for (const [series, value] of Object.entries(valuesOf(reading))) {
      this.#values.get(series as Series)?.push(value);
    }
    const old = Math.max(
      firstAtOrAfter(this.#times, reading.sampledAt - KEPT_SECONDS),
      this.#times.length - KEPT_POINTS,
    );
    // In steps, so that an array is not moved at every reading.
    if (old > 600) {
      this.#times.splice(0, old);
      for (const values of this.#values.values()) values.splice(0, old);
    }
  }

  /** A series as it was, NaN where there was nothing to measure. */
  points(series: Series): Points {
    return { times: this.#times, values: this.#values.get(series) ?? [] };
  }

  /** Time of the last reading, s; 0 while there is none. */
  get end(): number {
    return this.#times.at(-1) ?? 0;
  }

  /** Seconds between the last two readings, 1 while there are not two. */
  get interval(): number {
    const [a, b] = this.#times.slice(-2);
    return a === undefined || b === undefined ? 1 : b - a;
  }
}

function valuesOf(reading: Reading): Record<Series, number> {
  // Out of reach, or the first look: there is no rate.
  const there = reading.seconds > 0;
  const { ingest, fetch, latency, device } = reading;
  const of = (value: number | undefined): number => (there && value !== undefined ? value : Number.NaN);
  return {
    ingestBytes: of(ingest.bytes),
    ingestRecords: of(ingest.records),
    fetchBytes: of(fetch.bytes),
    fetchRecords: of(fetch.records),
    ackP50: of(latency.ack?.p50),
    ackP99: of(latency.ack?.p99),
    ackP999: of(latency.ack?.p999),
    ackMax: of(latency.ack?.max),
    flushP99: of(device.flushLatency?.p99),
    writeP99: of(device.writeLatency?.p99),
    deviceBytes: of(device.bytes),
  };
}
