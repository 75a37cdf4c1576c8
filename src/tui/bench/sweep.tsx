import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import type { Sweep, SweepPoint } from '../../bench/sweep.js';
import { type AxisName, axisTitle, showValue } from '../../bench/sweep-axes.js';
import { bandwidth, rate, share, time } from '../../bench/units.js';
import { useStyle } from '../topology/theme.js';

/** A column of the table; those that are not `always` take a terminal of 80 columns and more. */
interface Column {
  title: string;
  width: number;
  always?: boolean;
  cell(point: SweepPoint): string;
}

const COLUMNS: readonly Column[] = [
  { title: 'bytes', width: 10, always: true, cell: ({ throughput }) => bandwidth(throughput.bytes) },
  { title: 'records', width: 11, always: true, cell: ({ throughput }) => rate(throughput.records) },
  { title: 'of floor', width: 9, always: true, cell: ({ ratio }) => share(ratio) },
  { title: 'p50', width: 9, always: true, cell: ({ latency }) => time(latency.p50) },
  { title: 'p99', width: 9, always: true, cell: ({ latency }) => time(latency.p99) },
  {
    title: 'CPU/GB',
    width: 8,
    cell: ({ nodeSecondsPerGB: s }) => (s === null ? '-' : `${s.toFixed(2)} s`),
  },
  {
    title: 'memory',
    width: 9,
    cell: ({ residentBytes: b }) => (b === null ? '-' : `${Math.round(b / 2 ** 20)} MiB`),
  },
];
/** In place of the memory, where the log's size is what changes. */
const START: Column = {
  title: 'start',
  width: 8,
  cell: ({ startSeconds: s }) => (s === null || s === undefined ? '-' : `${s.toFixed(2)} s`),
};
const VALUE = 10;
const WIDE = 80;

/** One axis: a line a point. */
function AxisTable({
  axis,
  points,
  wide,
}: {
  axis: AxisName;
  points: readonly SweepPoint[];
  wide: boolean;
}): ReactElement {
  const style = useStyle();
  const narrow = COLUMNS.filter(({ always }) => always);
  const all = axis === 'logSize' ? [...COLUMNS.slice(0, -1), START] : COLUMNS;
  const columns = wide ? all : narrow;
  return (
    <Box flexDirection="column">
      <Text wrap="truncate">
        <Text {...style({ bold: true })}>{axisTitle(axis).padEnd(VALUE + 2)}</Text>
        <Text {...style({ dimColor: true })}>
          {columns.map(({ title, width }) => title.padStart(width)).join('')}
        </Text>
      </Text>
      {points.map((point) => (
        <Text key={point.value} wrap="truncate">
          {`${point.interrupted ? '*' : ' '} ${showValue(axis, point.value).padStart(VALUE - 2)}  ${columns
            .map(({ width, cell }) => cell(point).padStart(width))
            .join('')}`}
        </Text>
      ))}
      {points.some(({ interrupted }) => interrupted) && (
        <Text {...style({ dimColor: true })}>* cut short</Text>
      )}
    </Box>
  );
}

/** The points of a sweep, axis by axis. */
export function SweepTables({ sweep, columns }: { sweep: Sweep; columns: number }): ReactElement {
  return (
    <Box flexDirection="column">
      {(Object.entries(sweep) as [AxisName, SweepPoint[]][]).map(([axis, points]) => (
        <AxisTable key={axis} axis={axis} points={points} wide={columns >= WIDE} />
      ))}
    </Box>
  );
}
