import type { Histogram } from './histogram.js';
import type { Sample, Snapshot } from './read.js';

type Labels = Readonly<Record<string, string>>;

/** The samples of a name whose labels agree with `labels`. */
export function samplesOf(snapshot: Snapshot, name: string, labels: Labels = {}): Sample[] {
  return snapshot.samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
}

/** The sum of all counters or gauges of a name whose labels agree; 0 when there is none. */
export function total(snapshot: Snapshot, name: string, labels: Labels = {}): number {
  return samplesOf(snapshot, name, labels).reduce(
    (sum, sample) => sum + (sample.kind === 'histogram' ? 0 : sample.value),
    0,
  );
}

/** The first histogram of a name whose labels agree. */
export function histogramOf(snapshot: Snapshot, name: string, labels: Labels = {}): Histogram | undefined {
  for (const sample of samplesOf(snapshot, name, labels)) {
    if (sample.kind === 'histogram') return sample.histogram;
  }
  return undefined;
}
