import type { Distribution } from '../../../sampling/index.js';
import { joinFitting, padEnd, padStart } from '../text.js';
import { paint } from '../theme.js';
import { byteRate, duration, number, percent, rate } from '../words.js';
import { gauge } from './agents.js';
import type { Drawn, PanelInput } from './panel.js';

/** Device latency and depth, journal, and what the system says of the disk. */
export function devicePanel({ reading, theme, width, height }: PanelInput): Drawn {
  const { device, journal, machine } = reading;
  const disk = machine?.disk ?? null;
  const title = joinFitting(
    [
      paint(theme, 'strong', disk === null ? 'device' : `device ${disk.name}`),
      `depth ${number(device.depth)}`,
      byteRate(device.bytes),
      `${rate(device.writes)} writes`,
      `${rate(device.flushes)} flushes`,
    ],
    width,
  );
  const line = (name: string, of: Distribution | null): string => `${padEnd(name, 6)} ${cells(of, width)}`;
  const heading = `${padEnd('', 6)} ${headings(width)}`;
  const latencies = [
    paint(theme, 'faint', heading),
    line('write', device.writeLatency),
    line('flush', device.flushLatency),
    line('read', device.readLatency),
  ];
  // Three rows: the numbers, which explain themselves by their order, before the heading.
  const short = height <= 3 ? latencies.filter((_, i) => i < 3) : latencies;
  const more = [
    `journal  ${byteRate(journal.bytes)}  ${rate(journal.writes)} blocks  chunk ${journal.chunk}, ${journal.chunksBusy} not free yet`,
    ...(disk === null
      ? ['disk     not a block device of its own: the system counts nothing for it']
      : [
          `disk     ${gauge(theme, disk.busy, Math.min(20, Math.max(6, width - 60)))} ${percent(disk.busy)} busy  depth ${disk.depth.toFixed(1)}`,
          `         ${byteRate(disk.writtenBytes)} out in ${rate(disk.writes)}  ${byteRate(disk.readBytes)} in  ${rate(disk.flushes)} flushes`,
        ]),
  ].map((text) => text.slice(0, Math.max(width, text.includes('\u001b') ? text.length : 0)));
  return { title, body: { kind: 'text', lines: [...short, ...more].slice(0, height) } };
}

const COLUMNS = ['p50', 'p99', 'p99.9', 'max', 'count'] as const;

function columnsFor(width: number): number {
  return Math.max(2, Math.min(COLUMNS.length, Math.floor((width - 7) / 8)));
}

function headings(width: number): string {
  return COLUMNS.slice(0, columnsFor(width))
    .map((name) => padStart(name, 7))
    .join(' ');
}

function cells(of: Distribution | null, width: number): string {
  const values =
    of === null
      ? COLUMNS.map(() => '-')
      : [of.p50, of.p99, of.p999, of.max].map(duration).concat(number(of.count));
  return values
    .slice(0, columnsFor(width))
    .map((value) => padStart(value, 7))
    .join(' ');
}
