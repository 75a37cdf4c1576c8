import type { HistogramSample, Sample, Snapshot } from '../counters/index.js';

/** Upper bounds of the buckets of every histogram, ns: 1, 2, 5 to each decade from 1 us to 10 s. */
const BOUNDS_NS = [3, 4, 5, 6, 7, 8, 9]
  .flatMap((decade) => [1, 2, 5].map((step) => step * 10 ** decade))
  .concat(10 ** 10);

type Labels = Readonly<Record<string, string>>;

/** All series of one name. */
export interface Family {
  name: string;
  kind: Sample['kind'];
  help: string;
  /** `suffix` is what a histogram puts behind the name: `_bucket`, `_sum`, `_count`. */
  series: readonly { suffix?: string; labels: Labels; value: number }[];
}

/**
 * The counters in Prometheus' text format. Names are `lance_` and the counter's own with its base unit: seconds for
 * times, `_bytes` where the name does not say it, `_total` on counters. They are stable. What is labelled by topic is
 * left out: there may be 10,000 of them, and src/server/topic-metrics.ts shows a bounded number.
 */
export function prometheusText(snapshot: Snapshot): string {
  return engineFamilies(snapshot).map(familyText).join('');
}

/** The counters by name, without those labelled by topic. */
export function engineFamilies(snapshot: Snapshot): Family[] {
  const families = new Map<string, Sample[]>();
  for (const sample of snapshot.samples) {
    if ('topic' in sample.labels) continue;
    const name = metricName(sample);
    families.set(name, [...(families.get(name) ?? []), sample]);
  }
  return [...families].map(([name, samples]) => familyOf(name, samples));
}

/** `lance_bytes_in_total`, `lance_inflight_bytes`, `lance_stage_receive_ack_seconds`; `lance_slabs` for a gauge `slabs_total`. */
export function metricName({ name, unit, kind }: Pick<Sample, 'name' | 'unit' | 'kind'>): string {
  // `_total` is for counters in Prometheus.
  const own = kind === 'counter' ? name : name.replace(/_total$/, '');
  const unitSuffix =
    unit === 'nanoseconds' ? '_seconds' : unit === 'bytes' && !/(^|_)bytes(_|$)/.test(own) ? '_bytes' : '';
  return `lance_${own}${unitSuffix}${kind === 'counter' ? '_total' : ''}`;
}

/** A family as its lines of text: HELP, TYPE and one a series. */
export function familyText({ name, kind, help, series }: Family): string {
  const lines = series.map(
    ({ suffix = '', labels, value }) => `${name}${suffix}${labelText(labels)} ${value}\n`,
  );
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n${lines.join('')}`;
}

function familyOf(name: string, samples: readonly Sample[]): Family {
  return {
    name,
    kind: samples[0]?.kind ?? 'gauge',
    help: samples[0]?.help ?? '',
    series: samples.flatMap((sample) =>
      sample.kind === 'histogram'
        ? histogramSeries(sample)
        : [{ labels: sample.labels, value: sample.value / scaleOf(sample) }],
    ),
  };
}

function histogramSeries(sample: HistogramSample): Family['series'] {
  const { labels, histogram } = sample;
  const scale = scaleOf(sample);
  const counts = histogram.cumulative(BOUNDS_NS);
  const bucket = (le: string, value: number) => ({ suffix: '_bucket', labels: { ...labels, le }, value });
  return [
    ...BOUNDS_NS.map((bound, i) => bucket(String(bound / scale), counts[i] ?? 0)),
    bucket('+Inf', histogram.count),
    { suffix: '_sum', labels, value: histogram.sum / scale },
    { suffix: '_count', labels, value: histogram.count },
  ];
}

function scaleOf({ unit }: Sample): number {
  return unit === 'nanoseconds' ? 1e9 : 1;
}

function labelText(pairs: Labels): string {
  const written = Object.entries(pairs).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return written.length === 0 ? '' : `{${written.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function escapeHelp(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}
