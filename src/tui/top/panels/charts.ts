import { drawChart, type Line, slicesOf } from '../chart/chart.js';
import { type Merge, resample } from '../chart/resample.js';
import { linearScale, logScale } from '../chart/scale.js';
import type { Series } from '../history.js';
import { joinFitting } from '../text.js';
import { paint } from '../theme.js';
import { byteRate, clock, duration, number, rate, uptime } from '../words.js';
import type { Drawn, PanelInput } from './panel.js';

/** Ingest over time. */
export function ingestPanel(input: PanelInput): Drawn {
  const { ingest } = input.reading;
  const extra = [`${rate(ingest.frames)} frames`, `${rate(ingest.batches)} batches`];
  return throughput(input, 'ingest', 'ingestBytes', 'ingestRecords', ingest, 'first', extra);
}

/** Fetches over time. */
export function fetchPanel(input: PanelInput): Drawn {
  const { fetch } = input.reading;
  const cold = fetch.coldBytes > 0 ? [`${byteRate(fetch.coldBytes)} from disk`] : [];
  const extra = [`${rate(fetch.fetches)} fetches`, ...cold, `${fetch.waiters} waiting`];
  return throughput(input, 'fetch', 'fetchBytes', 'fetchRecords', fetch, 'second', extra);
}

function throughput(
  input: PanelInput,
  name: string,
  bytes: Series,
  records: Series,
  now: { bytes: number; records: number },
  tone: 'first' | 'second',
  extra: readonly string[],
): Drawn {
  const { theme, state, width } = input;
  const inBytes = state.unit === 'bytes';
  const both = inBytes
    ? [byteRate(now.bytes), `${rate(now.records)} rec`]
    : [`${rate(now.records)} rec`, byteRate(now.bytes)];
  const [lead = '', ...rest] = both;
  const title = joinFitting(
    [paint(theme, 'strong', name), paint(theme, tone, lead), ...rest, ...extra],
    width,
  );
  const lines = seriesLines(input, [{ series: inBytes ? bytes : records, tone, glyph: '*' }], 'mean');
  const largest = Math.max(0, ...(lines[0]?.values.filter((value) => !Number.isNaN(value)) ?? []));
  const scale = linearScale(largest, inBytes ? 1_000 : 10);
  const label = (value: number): string =>
    number(value)
      .replace('k', inBytes ? 'kB' : 'k')
      .replace(/([MGT])$/, inBytes ? '$1B' : '$1');
  return {
    title,
    body: { kind: 'chart', canvas: drawChart(theme, { ...frameOf(input), scale, label }, lines) },
  };
}

/** Ack latency over time on a log scale. */
export function latencyPanel(input: PanelInput): Drawn {
  const { theme, reading, width, history } = input;
  const { ack } = reading.latency;
  const wanted = [
    { series: 'ackMax', tone: 'plain', glyph: '^', name: 'max', value: ack?.max },
    { series: 'ackP999', tone: 'third', glyph: 'x', name: 'p99.9', value: ack?.p999 },
    { series: 'ackP99', tone: 'second', glyph: '+', name: 'p99', value: ack?.p99 },
    { series: 'ackP50', tone: 'first', glyph: 'o', name: 'p50', value: ack?.p50 },
  ] as const;
  const marked = !(theme.colour && theme.unicode);
  const legend = [...wanted].reverse().map(({ name, value, tone, glyph }) => {
    const label = marked ? `${glyph} ${name}` : name;
    return `${paint(theme, tone, label)} ${value === undefined ? '-' : duration(value)}`;
  });
  const whole = reading.seconds === 0 && ack !== null ? ['since the start'] : [];
  const title = joinFitting([paint(theme, 'strong', 'ack latency'), ...legend, ...whole], width);
  const lines = seriesLines(input, wanted, 'max');
  const values = lines.flatMap((line) => line.values.filter((value) => value > 0));
  const smallest = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const largest = values.reduce((a, b) => Math.max(a, b), 0);
  const scale = values.length > 0 ? logScale(smallest, largest) : logScale(1e4, 1e7);
  const frame = { ...frameOf(input), scale, label: duration };
  if (values.length === 0) {
    const canvas = drawChart(theme, frame, []);
    const said = history.end === 0 ? 'measuring ...' : 'no acks in this time';
    canvas.text(
      Math.max(8, Math.floor((input.width - said.length) / 2)),
      Math.floor((input.height - 1) / 2),
      said,
      '',
    );
    return { title, body: { kind: 'chart', canvas } };
  }
  return { title, body: { kind: 'chart', canvas: drawChart(theme, frame, lines) } };
}

const CODES = { plain: '', first: '32', second: '36', third: '35' } as const;

function seriesLines(
  { theme, history, state, width, nowMs }: PanelInput,
  wanted: readonly { series: Series; tone: keyof typeof CODES; glyph: string }[],
  merge: Merge,
): Line[] {
  const to = nowMs / 1000;
  const columns = slicesOf(theme, width, wanted.length);
  const gap = Math.max(3, history.interval * 3);
  return wanted.map(({ series, tone, glyph }) => ({
    values: resample(history.points(series), { from: to - state.windowSeconds, to, columns, gap, merge }),
    code: CODES[tone],
    glyph,
  }));
}

function frameOf({ width, height, state, nowMs }: PanelInput) {
  const axis = height < 8 ? undefined : ([`${uptime(state.windowSeconds)} ago`, clock(nowMs)] as const);
  return { columns: width, rows: height, axis };
}
