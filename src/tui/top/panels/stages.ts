import type { StageReading } from '../../../sampling/index.js';
import { joinFitting, padEnd, padStart } from '../text.js';
import { glyphs, paint, type Theme, type Tone } from '../theme.js';
import { duration, percent } from '../words.js';
import type { Drawn, PanelInput } from './panel.js';

/** What the stages are called on the screen, and what happens in them. */
const NAMES: Readonly<Record<string, { name: string; what: string; tone: Tone }>> = {
  receive_enqueue: { name: 'receive', what: 'frame whole to ingest agent', tone: 'plain' },
  enqueue_submit: { name: 'batch', what: 'ordered, laid out, waiting for the device', tone: 'second' },
  submit_complete: { name: 'device', what: 'written and flushed', tone: 'third' },
  complete_ack: { name: 'ack', what: 'stable to ack queued', tone: 'first' },
};

/** Where the microseconds between receipt and ack go, on average. */
export function stagesPanel({ reading, theme, width, height }: PanelInput): Drawn {
  const { stages, latency } = reading;
  const known = stages.reduce((sum, stage) => sum + stage.mean, 0);
  const mean = Math.max(known, latency.ack?.mean ?? 0);
  const title = joinFitting(
    [
      paint(theme, 'strong', 'where the time goes'),
      ...(mean > 0 ? [`mean ${duration(mean)} from receipt to ack`] : []),
    ],
    width,
  );
  if (known === 0) return { title, body: { kind: 'text', lines: ['no acks in this time'] } };
  const { shades } = glyphs(theme);
  const bar = barOf(theme, stages, mean, width, shades);
  const legend = stages.map((stage, i) => {
    const { name, tone } = named(stage);
    const mark = paint(theme, tone, shades[i % shades.length] ?? '');
    return `${mark} ${name} ${duration(stage.mean)} ${percent(stage.mean / mean)}`;
  });
  if (height <= 5) return { title, body: { kind: 'text', lines: [bar, joinFitting(legend, width)] } };
  const rows = stages.map((stage, i) => {
    const { name, what, tone } = named(stage);
    const mark = paint(theme, tone, shades[i % shades.length] ?? '');
    const numbers = [stage.mean, stage.p50, stage.p99, stage.max]
      .map((ns) => padStart(duration(ns), 7))
      .join('  ');
    const line = `${mark} ${padEnd(name, 8)}${padStart(percent(stage.mean / mean), 4)}  ${numbers}`;
    return line.length + what.length + 12 < width ? `${line}   ${what}` : line;
  });
  const heading = `  ${padEnd('', 8)}      ${['mean', 'p50', 'p99', 'max'].map((word) => word.padStart(7)).join('  ')}`;
  return { title, body: { kind: 'text', lines: [bar, '', heading, ...rows].slice(0, height) } };
}

function named({ stage }: StageReading) {
  return NAMES[stage] ?? { name: stage.replace(/_/g, '-'), what: '', tone: 'plain' as Tone };
}

/** One bar over the whole width; each stage that took any time has a cell at least. */
function barOf(
  theme: Theme,
  stages: readonly StageReading[],
  mean: number,
  width: number,
  shades: readonly string[],
): string {
  let at = 0;
  let sum = 0;
  let out = '';
  for (const [i, stage] of stages.entries()) {
    sum += stage.mean;
    const end = Math.min(width, Math.max(at + (stage.mean > 0 ? 1 : 0), Math.round((sum / mean) * width)));
    out += paint(theme, named(stage).tone, (shades[i % shades.length] ?? '').repeat(Math.max(0, end - at)));
    at = Math.max(at, end);
  }
  return out;
}
