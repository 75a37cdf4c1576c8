import { type HrTime, ValueType } from '@opentelemetry/api';
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import type { Family } from '../metrics.js';

/** A stretch of time that cumulative values belong to. */
export interface Span {
  start: HrTime;
  end: HrTime;
}

/**
 * Metrics in OpenTelemetry's data model, under the names of docs/metrics.md, so that both ways show the same. Series without a
 * value, which Prometheus writes as NaN, are left out.
 */
export function metricData(families: readonly Family[], span: Span): MetricData[] {
  return families.map((family) => {
    const base = {
      descriptor: {
        name: family.name,
        description: family.help,
        unit: unitOf(family.name),
        valueType: ValueType.DOUBLE,
      },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    };
    if (family.kind === 'histogram') {
      return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints: histogramPoints(family, span) };
    }
    const dataPoints = family.series
      .filter(({ value }) => Number.isFinite(value))
      .map(({ labels, value }) => point(labels, value, span));
    return family.kind === 'counter'
      ? { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
      : { ...base, dataPointType: DataPointType.GAUGE, dataPoints };
  });
}

/** UCUM, from the base unit that every name ends with. */
function unitOf(name: string): string {
  const own = name.replace(/_total$/, '');
  return own.endsWith('_seconds') ? 's' : own.endsWith('_bytes') ? 'By' : '1';
}

function point<T>(attributes: Family['series'][number]['labels'], value: T, span: Span): DataPoint<T> {
  return { attributes, value, startTime: span.start, endTime: span.end };
}

/** The lines of Prometheus' histograms put together again: buckets there are cumulative, here they are not. */
function histogramPoints({ series }: Family, span: Span): DataPoint<Histogram>[] {
  const found = new Map<string, { labels: Record<string, string>; le: [number, number][]; sum: number }>();
  for (const { suffix = '', labels, value } of series) {
    const { le, ...own } = labels;
    const key = JSON.stringify(own);
    const histogram = found.get(key) ?? { labels: own, le: [], sum: 0 };
    found.set(key, histogram);
    if (suffix === '_sum') histogram.sum = value;
    if (suffix === '_bucket') histogram.le.push([le === '+Inf' ? Infinity : Number(le), value]);
  }
  return [...found.values()].map(({ labels, le, sum }) => {
    const cumulative = le.sort(([a], [b]) => a - b);
    const counts = cumulative.map(([, count], i) => count - (cumulative[i - 1]?.[1] ?? 0));
    const boundaries = cumulative.map(([bound]) => bound).filter(Number.isFinite);
    const count = cumulative.at(-1)?.[1] ?? 0;
    return point(labels, { buckets: { boundaries, counts }, count, sum }, span);
  });
}
