import type { Curve, Moment, Stages } from '../result.js';
import { rate } from '../units.js';
import { axisCount, axisTime, type LogScale, logScale, nines, percentLabel, percentTicks } from './axes.js';
import { above, axis, below, figure, INK, type Room } from './svg.js';

/** More labels than these stand in each other's way. */
const ROWS = 10;
const COLUMNS: Readonly<Record<Room, number>> = { wide: 9, narrow: 7 };

const QUANTILES = [
  { key: 'p50', name: 'p50', colour: INK.first, symbol: 'circle' },
  { key: 'p99', name: 'p99', colour: INK.second, symbol: 'diamond' },
  { key: 'p999', name: 'p99.9', colour: INK.third, symbol: 'triangle' },
] as const;

function logAxis({ min, max, ticks }: LogScale, formatter: (value: number) => string): object {
  const { axisTick, axisLabel } = axis;
  return {
    ...axis,
    type: 'log',
    min,
    max,
    axisTick: { ...axisTick, customValues: ticks },
    axisLabel: { ...axisLabel, customValues: ticks, formatter },
  };
}

function timeAxis(values: readonly (number | null)[], name = 'latency'): object {
  return { ...logAxis(logScale(values, ROWS), axisTime), name, nameTextStyle: above('left') };
}

/** A second axis at the right, in the colour of what it measures. */
function rightTimeAxis(values: readonly (number | null)[]): object {
  const { axisLabel, ...shared } = logAxis(logScale(values, ROWS), axisTime) as { axisLabel: object };
  return {
    ...shared,
    name: 'p99',
    nameTextStyle: above('right', INK.second),
    axisLabel: { ...axisLabel, color: INK.second },
    splitLine: { show: false },
  };
}

const bandwidthAxis = {
  ...axis,
  type: 'value',
  name: 'MB/s',
  nameTextStyle: above('left', INK.first),
  axisLabel: { ...axis.axisLabel, color: INK.first },
} as const;
/** Room for the labels of two axes. */
const TWO_AXES = { left: 64, right: 64, top: 32 } as const;

/** Latency by percentile. The axis is stretched towards 100% as the tail is. */
export function latencyCurves(curves: readonly { name: string; curve: Curve }[]): string {
  const shown = curves.map(({ name, curve }, index) => ({
    name,
    colour: [INK.first, INK.second, INK.third][index % 3] ?? INK.first,
    points: curve
      .filter(([share]) => share < 1)
      .map(([share, ns]) => [nines(share), Math.max(1, ns)] as const),
  }));
  const points = shown.flatMap((one) => one.points);
  const most = Math.max(1, Math.ceil(Math.max(...points.map(([at]) => at))));
  const legend = shown.map(({ name, colour }) => ({ name, colour, mark: 'line' as const }));
  return figure({ label: 'Latency by percentile', height: 340, legend }, (room) => {
    const customValues = percentTicks(most, room);
    return {
      xAxis: {
        ...axis,
        type: 'value',
        min: 0,
        max: most,
        name: 'share that took no longer',
        ...below,
        axisTick: { ...axis.axisTick, customValues },
        axisLabel: { ...axis.axisLabel, customValues, formatter: percentLabel },
      },
      yAxis: timeAxis(points.map(([, ns]) => ns)),
      series: shown.map(({ points: data, colour }) => ({
        type: 'line',
        showSymbol: false,
        color: colour,
        data,
      })),
    };
  });
}

/** Bytes a second over the run, with p99 on an axis of its own; the warm-up of so many seconds, which no figure counts, is shaded. */
export function throughputOverTime(timeline: readonly Moment[], warmup: number): string {
  const spans = timeline.map((moment, index) => ({ ...moment, from: timeline[index - 1]?.at ?? 0 }));
  const [first] = spans;
  // A moment is what came until `at`: the line of each goes back to where the one before it ended.
  const until = <T>(of: (span: (typeof spans)[number]) => T): (readonly [number, T])[] =>
    first ? [[first.from, of(first)], ...spans.map((span) => [span.at, of(span)] as const)] : [];
  const legend = [
    { name: 'throughput', colour: INK.first, mark: 'line' },
    { name: 'p99 of each moment', colour: INK.second, mark: 'line' },
    ...(warmup > 0 ? ([{ name: 'warm-up, not counted', colour: INK.line, mark: 'box' }] as const) : []),
  ] as const;
  return figure({ label: 'Throughput and p99 over time', height: 340, legend }, () => ({
    grid: { ...TWO_AXES, bottom: 46 },
    xAxis: { ...axis, type: 'value', name: 'seconds', ...below, min: 0, splitLine: { show: false } },
    yAxis: [bandwidthAxis, rightTimeAxis(timeline.map(({ p99 }) => p99))],
    series: [
      {
        type: 'line',
        step: 'start',
        showSymbol: false,
        areaStyle: { opacity: 0.15 },
        data: until(({ at, from, bytes }) => (at > from ? bytes / (at - from) / 1e6 : '-')),
        markArea: {
          silent: true,
          itemStyle: { color: INK.line, opacity: 0.5 },
          data: warmup > 0 ? [[{ xAxis: 0 }, { xAxis: warmup }]] : [],
        },
      },
      {
        type: 'line',
        step: 'start',
        yAxisIndex: 1,
        showSymbol: false,
        data: until(({ p99 }) => p99 ?? '-'),
      },
    ],
  }));
}

/** What each stage of the node takes, at three quantiles. Points, since the length of a bar says nothing on a logarithmic axis. */
export function stageRanges(stages: Stages): string {
  const rows = Object.entries(stages).map(([name, of]) => ({ name: name.replace('_', ' to '), of }));
  const times = rows.flatMap(({ of }) => QUANTILES.map(({ key }) => of[key]));
  const legend = QUANTILES.map(({ name, colour }) => ({ name, colour, mark: 'dot' as const }));
  return figure({ label: 'Stages of the node', height: 240, legend }, (room) => ({
    grid: { left: 144, right: 28, top: 12, bottom: 32 },
    xAxis: logAxis(logScale(times, COLUMNS[room]), axisTime),
    yAxis: {
      ...axis,
      type: 'category',
      inverse: true,
      data: rows.map(({ name }) => name),
      axisTick: { show: false },
    },
    series: [
      ...rows.map(({ name, of }) => ({
        type: 'line',
        showSymbol: false,
        lineStyle: { color: INK.quiet, width: 2 },
        data: QUANTILES.map(({ key }) => [of[key] ?? '-', name]),
      })),
      ...QUANTILES.map(({ key, colour, symbol }) => ({
        type: 'scatter',
        symbol,
        symbolSize: 12,
        color: colour,
        itemStyle: { opacity: 1 },
        data: rows.map(({ name, of }) => [of[key] ?? '-', name]),
      })),
    ],
  }));
}

/** Latency against rate, and where the knee is. */
export function ladderChart(
  steps: readonly {
    rate: number;
    latency: { p50: number | null; p99: number | null; p999: number | null };
  }[],
  knee: number | null,
): string {
  const ordered = [...steps].sort((a, b) => a.rate - b.rate);
  const times = ordered.flatMap(({ latency }) => QUANTILES.map(({ key }) => latency[key]));
  const legend = [
    ...QUANTILES.map(({ name, colour }) => ({ name, colour, mark: 'line' as const })),
    ...(knee === null
      ? []
      : [{ name: `knee, at ${rate(knee)}`, colour: INK.quiet, mark: 'dashes' as const }]),
  ];
  return figure({ label: 'Latency against rate', height: 340, legend }, (room) => ({
    xAxis: {
      ...logAxis(
        logScale(
          ordered.map((step) => step.rate),
          COLUMNS[room],
        ),
        axisCount,
      ),
      name: 'records a second',
      ...below,
    },
    yAxis: timeAxis(times),
    series: QUANTILES.map(({ key, colour, symbol }, index) => ({
      type: 'line',
      symbol,
      symbolSize: 8,
      color: colour,
      data: ordered.map((step) => [step.rate, step.latency[key] ?? '-']),
      ...(index === 0 &&
        knee !== null && {
          markLine: {
            silent: true,
            symbol: 'none',
            lineStyle: { color: INK.quiet, type: 'dashed' },
            label: { show: false },
            data: [{ xAxis: knee }],
          },
        }),
    })),
  }));
}

/** Throughput and its floor as bars, p99 as a line, over the values of one axis. */
export function sweepChart(
  title: string,
  names: readonly string[],
  points: readonly {
    throughput: { bytes: number };
    floorBytes: number | null;
    latency: { p99: number | null };
  }[],
): string {
  const floored = points.some(({ floorBytes }) => floorBytes !== null);
  const legend = [
    { name: 'throughput', colour: INK.first, mark: 'box' },
    ...(floored ? ([{ name: 'floor', colour: INK.floor, mark: 'box' }] as const) : []),
    { name: 'p99', colour: INK.second, mark: 'line' },
  ] as const;
  return figure({ label: `Throughput and p99 by ${title.toLowerCase()}`, height: 280, legend }, (room) => {
    // All of them are named: what is left out is what somebody looks for.
    const rotate = names.join('').length > (room === 'wide' ? 80 : 30) ? 40 : 0;
    return {
      grid: { ...TWO_AXES, bottom: rotate ? 64 : 32 },
      xAxis: {
        ...axis,
        type: 'category',
        data: [...names],
        axisTick: { show: false },
        axisLabel: { color: INK.quiet, interval: 0, rotate },
      },
      yAxis: [bandwidthAxis, rightTimeAxis(points.map(({ latency }) => latency.p99))],
      series: [
        { type: 'bar', data: points.map(({ throughput }) => throughput.bytes / 1e6) },
        ...(floored
          ? [
              {
                type: 'bar',
                itemStyle: { color: INK.floor },
                data: points.map(({ floorBytes }) => (floorBytes === null ? '-' : floorBytes / 1e6)),
              },
            ]
          : []),
        {
          type: 'line',
          yAxisIndex: 1,
          color: INK.second,
          symbol: 'circle',
          symbolSize: 8,
          data: points.map(({ latency }) => latency.p99 ?? '-'),
        },
      ],
    };
  });
}
