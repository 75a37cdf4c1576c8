import type { Sweep, SweepPoint } from '../sweep.js';
import { type AxisName, axisTitle, showValue } from '../sweep-axes.js';
import { bandwidth, rate, share, time } from '../units.js';
import { sweepChart } from './charts.js';
import { table } from './html.js';

/** A chart and a table for each axis of a sweep: `[heading, content]`. */
export function sweepSections(sweep: Sweep): [string, string][] {
  return (Object.entries(sweep) as [AxisName, SweepPoint[]][]).map(([axis, points]) => {
    const names = points.map(({ value }) => showValue(axis, value));
    const chart = points.length > 1 ? sweepChart(axisTitle(axis), names, points) : '';
    return [axisTitle(axis), `${chart}${pointTable(axis, names, points)}`];
  });
}

function pointTable(axis: AxisName, names: readonly string[], points: readonly SweepPoint[]): string {
  const start = axis === 'logSize' ? ['start'] : [];
  return table(
    [
      '',
      'bytes',
      'records',
      'of the floor',
      'floor',
      'p50',
      'p99',
      'p99.9',
      'node CPU/GB',
      'resident',
      ...start,
    ],
    points.map((point, index) => [
      `${names[index]}${point.interrupted ? ' (cut short)' : ''}`,
      bandwidth(point.throughput.bytes),
      rate(point.throughput.records),
      share(point.ratio),
      point.throughputFloor === null
        ? '-'
        : `${bandwidth(point.floorBytes)} (${point.throughputFloor === 'device' ? 'disk' : 'pipeline'})`,
      time(point.latency.p50),
      time(point.latency.p99),
      time(point.latency.p999),
      seconds(point.nodeSecondsPerGB),
      point.residentBytes === null ? '-' : `${Math.round(point.residentBytes / 2 ** 20)} MiB`,
      ...start.map(() => seconds(point.startSeconds)),
    ]),
  );
}

function seconds(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : `${value.toFixed(2)} s`;
}
