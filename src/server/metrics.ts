import type { HistogramSample, NumberSample, Sample, Snapshot } from '../counters/index.js';

/** Upper bounds of the buckets of every histogram, ns: 1, 2, 5 to each decade from 1 us to 10 s. */
const BOUNDS_NS = [3, 4, 5, 6, 7, 8, 9]
  .flatMap((decade) => [1, 2, 5].map((step) => step * 10 ** decade))
  .concat(10 ** 10);

/**
 * The counters in Prometheus' text format. Names are `lance_` and the counter's own with its base unit: seconds for
 * times, `_bytes` where the name does not say it, `_total` on counters. They are stable.
 */
export function prometheusText(snapshot: Snapshot): string {
  const families = new Map<string, Sample[]>();
  for (const sample of snapshot.samples) {
    const name = metricName(sample);
    families.set(name, [...(families.get(name) ?? []), sample]);
  }
  return [...families]
    .map(([name, samples]) => {
      const lines = samples.flatMap((sample) =>
        sample.kind === 'histogram'
          ? histogramLines(name, sample)
          : [`${name}${labels(sample.labels)} ${numberOf(sample)}`],
      );
      const help = escapeHelp(samples[0]?.help ?? '');
      return `# HELP ${name} ${help}\n# TYPE ${name} ${samples[0]?.kind}\n${lines.join('\n')}\n`;
    })
    .join('');
}

/** `lance_bytes_in_total`, `lance_inflight_bytes`, `lance_stage_receive_ack_seconds`. */
export function metricName({ name, unit, kind }: Pick<Sample, 'name' | 'unit' | 'kind'>): string {
  const unitSuffix =
    unit === 'nanoseconds' ? '_seconds' : unit === 'bytes' && !/(^|_)bytes(_|$)/.test(name) ? '_bytes' : '';
  return `lance_${name}${unitSuffix}${kind === 'counter' ? '_total' : ''}`;
}

function numberOf({ unit, value }: NumberSample): number {
  return unit === 'nanoseconds' ? value / 1e9 : value;
}

function histogramLines(name: string, { labels: own, unit, histogram }: HistogramSample): string[] {
  const scale = unit === 'nanoseconds' ? 1e9 : 1;
  const counts = histogram.cumulative(BOUNDS_NS);
  const buckets = BOUNDS_NS.map(
    (bound, i) => `${name}_bucket${labels({ ...own, le: String(bound / scale) })} ${counts[i]}`,
  );
  return [
    ...buckets,
    `${name}_bucket${labels({ ...own, le: '+Inf' })} ${histogram.count}`,
    `${name}_sum${labels(own)} ${histogram.sum / scale}`,
    `${name}_count${labels(own)} ${histogram.count}`,
  ];
}

function labels(pairs: Readonly<Record<string, string>>): string {
  const written = Object.entries(pairs).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return written.length === 0 ? '' : `{${written.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function escapeHelp(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}
