import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Curve, Moment, Stages } from '../result.js';

use([LineChart, BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const WIDTH = 860;
const HEIGHT = 340;
const GREY = '#8a8f98';

/** Renders a chart as SVG text: no script runs where the page is read. */
function render(option: EChartsCoreOption, height = HEIGHT): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'system-ui, sans-serif', color: GREY },
    color: ['#3574d6', '#e07b39', '#3f9c6b', '#a05ec4', '#c9a227'],
    grid: { left: 80, right: 24, top: 44, bottom: 48 },
    legend: { top: 4, itemGap: 48, textStyle: { color: GREY } },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // Scales with the page instead of keeping its pixels.
  return svg.replace(/width="\d+" height="\d+"/, `viewBox="0 0 ${WIDTH} ${height}" role="img"`);
}

/** `84 us` on an axis. */
function axisTime(ns: number): string {
  if (ns >= 1e9) return `${ns / 1e9} s`;
  if (ns >= 1e6) return `${ns / 1e6} ms`;
  if (ns >= 1e3) return `${ns / 1e3} us`;
  return `${ns} ns`;
}

const timeAxis = {
  type: 'log',
  name: 'time',
  nameTextStyle: { color: GREY },
  axisLabel: { formatter: axisTime, color: GREY },
  splitLine: { lineStyle: { color: '#8a8f9833' } },
};

/**
 * Latency by percentile. The axis is stretched towards 100% as the tail is: each step is a nine more, so a point stands at
 * -log10(1 - share).
 */
export function latencyCurves(curves: readonly { name: string; curve: Curve }[]): string {
  const most = Math.max(1, ...curves.flatMap(({ curve }) => curve.map(([share]) => nines(share))));
  return render({
    xAxis: {
      type: 'value',
      min: 0,
      max: Math.ceil(most),
      interval: 1,
      axisLabel: { formatter: (value: number) => percentLabel(value), color: GREY },
      splitLine: { lineStyle: { color: '#8a8f9833' } },
    },
    yAxis: timeAxis,
    series: curves.map(({ name, curve }) => ({
      name,
      type: 'line',
      showSymbol: false,
      data: curve.filter(([share]) => share < 1).map(([share, ns]) => [nines(share), Math.max(1, ns)]),
    })),
  });
}

function nines(share: number): number {
  return share >= 1 ? 0 : -Math.log10(1 - share);
}

function percentLabel(value: number): string {
  if (value === 0) return '0%';
  return `${(100 - 100 * 10 ** -value).toFixed(Math.max(0, value - 2))}%`;
}

const bandwidthAxis = {
  type: 'value',
  name: 'MB/s',
  nameTextStyle: { color: GREY },
  axisLabel: { color: GREY },
  splitLine: { lineStyle: { color: '#8a8f9833' } },
} as const;

/** Bytes a second over the run, with p99 on an axis of its own. */
export function throughputOverTime(timeline: readonly Moment[]): string {
  const every = timeline.length > 1 ? (timeline[1]?.at ?? 0) - (timeline[0]?.at ?? 0) : 0.25;
  return render({
    grid: { left: 80, right: 80, top: 44, bottom: 48 },
    xAxis: { type: 'value', name: 's', min: 0, axisLabel: { color: GREY }, splitLine: { show: false } },
    yAxis: [bandwidthAxis, { ...timeAxis, name: 'p99', splitLine: { show: false } }],
    series: [
      {
        name: 'throughput',
        type: 'line',
        showSymbol: false,
        areaStyle: { opacity: 0.15 },
        data: timeline.map(({ at, bytes }) => [at, bytes / every / 1e6]),
      },
      {
        name: 'p99 of each moment',
        type: 'line',
        yAxisIndex: 1,
        showSymbol: false,
        data: timeline.filter(({ p99 }) => p99 !== null).map(({ at, p99 }) => [at, p99]),
      },
    ],
  });
}

/** What each stage of the node takes, at three quantiles. */
export function stageBars(stages: Stages): string {
  const names = Object.keys(stages) as (keyof Stages)[];
  return render(
    {
      xAxis: { ...timeAxis, type: 'log', name: '' },
      yAxis: {
        type: 'category',
        inverse: true,
        data: names.map((name) => name.replace('_', ' to ')),
        axisLabel: { color: GREY },
      },
      grid: { left: 140, right: 24, top: 44, bottom: 32 },
      series: (['p50', 'p99', 'p999'] as const).map((quantile) => ({
        name: quantile === 'p999' ? 'p99.9' : quantile,
        type: 'bar',
        data: names.map((name) => stages[name][quantile] ?? '-'),
      })),
    },
    260,
  );
}

/** Latency against rate. */
export function ladderChart(
  steps: readonly {
    rate: number;
    latency: { p50: number | null; p99: number | null; p999: number | null };
  }[],
): string {
  return render({
    xAxis: {
      type: 'log',
      name: '/s',
      axisLabel: { formatter: (value: number) => value.toLocaleString('en-US'), color: GREY },
    },
    yAxis: timeAxis,
    series: (['p50', 'p99', 'p999'] as const).map((quantile) => ({
      name: quantile === 'p999' ? 'p99.9' : quantile,
      type: 'line',
      data: steps.map((step) => [step.rate, step.latency[quantile]]),
    })),
  });
}

/** Throughput and its floor as bars, p99 as a line, over the values of one axis. */
export function sweepChart(
  names: readonly string[],
  points: readonly {
    throughput: { bytes: number };
    floorBytes: number | null;
    latency: { p99: number | null };
  }[],
): string {
  return render(
    {
      grid: { left: 80, right: 80, top: 44, bottom: 32 },
      xAxis: { type: 'category', data: [...names], axisLabel: { color: GREY } },
      yAxis: [bandwidthAxis, { ...timeAxis, name: 'p99', splitLine: { show: false } }],
      series: [
        {
          name: 'throughput',
          type: 'bar',
          data: points.map(({ throughput }) => throughput.bytes / 1e6),
        },
        {
          name: 'floor',
          type: 'bar',
          itemStyle: { color: '#8a8f9866' },
          data: points.map(({ floorBytes }) => (floorBytes === null ? '-' : floorBytes / 1e6)),
        },
        {
          name: 'p99',
          type: 'line',
          yAxisIndex: 1,
          itemStyle: { color: '#e07b39' },
          data: points.map(({ latency }) => latency.p99 ?? '-'),
        },
      ],
    },
    260,
  );
}
