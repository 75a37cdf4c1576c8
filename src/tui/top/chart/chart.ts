import type { Theme } from '../theme.js';
import { DotCanvas } from './dots.js';
import type { Scale } from './scale.js';

/** A line of a chart: one value for each slice of time, NaN where it has none. */
export interface Line {
  /** Twice as many values as the chart has columns, or as many, as `Chart.slices` says. */
  readonly values: readonly number[];
  /** SGR code of its colour. */
  readonly code: string;
  /** What it is drawn with where colours or dots cannot tell lines apart. */
  readonly glyph: string;
}

/** A chart without its lines. */
export interface Frame {
  readonly columns: number;
  readonly rows: number;
  readonly scale: Scale;
  /** The text of a tick. */
  readonly label: (value: number) => string;
  /** Texts at the two ends of a time axis below; no axis without. */
  readonly axis?: readonly [string, string] | undefined;
}

/** Columns that the labels of the vertical axis take. */
export const LABELS = 7;

/** Slices of time that a chart of this width has room for: two a column in dots, one in characters. */
export function slicesOf(theme: Theme, columns: number, lines: number): number {
  const plot = Math.max(1, columns - LABELS);
  return dotted(theme, lines) ? plot * 2 : plot;
}

/** Dots where colours tell the lines apart, or there is but one. */
function dotted({ unicode, colour }: Theme, lines: number): boolean {
  return unicode && (colour || lines === 1);
}

/** Draws lines, later ones over earlier ones, with labels at the left. */
export function drawChart(theme: Theme, frame: Frame, lines: readonly Line[]): DotCanvas {
  const { columns, rows, axis } = frame;
  const canvas = new DotCanvas(columns * 2, rows * 4);
  const plotRows = axis === undefined ? rows : rows - 1;
  if (plotRows < 1 || columns <= LABELS) return canvas;
  drawLabels(theme, canvas, frame, plotRows);
  for (const line of lines) {
    if (dotted(theme, lines.length)) drawDots(theme, canvas, line, frame.scale, plotRows);
    else drawGlyphs(theme, canvas, line, frame.scale, plotRows, lines.length === 1);
  }
  if (axis !== undefined) {
    const [left, right] = axis;
    const faint = theme.colour ? '90' : '';
    canvas.text(LABELS, rows - 1, left, faint);
    canvas.text(columns - right.length, rows - 1, right, faint);
  }
  return canvas;
}

function drawLabels(theme: Theme, canvas: DotCanvas, { scale, label }: Frame, rows: number): void {
  const faint = theme.colour ? '90' : '';
  const bar = theme.unicode ? '│' : '|';
  for (let row = 0; row < rows; row += 1) canvas.text(LABELS - 1, row, bar, faint);
  const taken = new Set<number>();
  // The ends first: where rows are few, the ticks between them give way.
  const { ticks } = scale;
  const order = [...ticks.slice(-1), ...ticks.slice(0, 1), ...ticks.slice(1, -1)];
  for (const tick of order) {
    const row = Math.round((1 - scale.place(tick)) * (rows - 1));
    if (taken.has(row) || (rows < 5 && taken.size >= 2)) continue;
    taken.add(row);
    canvas.text(
      0,
      row,
      label(tick)
        .padStart(LABELS - 2)
        .slice(0, LABELS - 1),
      faint,
    );
    if (theme.unicode) canvas.text(LABELS - 1, row, '┤', faint);
    else canvas.text(LABELS - 1, row, '+', faint);
  }
}

function drawDots(theme: Theme, canvas: DotCanvas, line: Line, scale: Scale, rows: number): void {
  const most = rows * 4 - 1;
  const code = theme.colour ? line.code : '';
  let before: number | undefined;
  for (const [i, value] of line.values.entries()) {
    const share = scale.place(value);
    if (Number.isNaN(share)) {
      before = undefined;
      continue;
    }
    const y = most - Math.round(Math.min(1, share) * most);
    const x = LABELS * 2 + i;
    const [from, to] =
      before === undefined ? [y, y] : before < y ? [before + 1, y] : [y, Math.max(y, before - 1)];
    for (let at = from; at <= to; at += 1) canvas.dot(x, at, code);
    before = y;
  }
}

function drawGlyphs(
  theme: Theme,
  canvas: DotCanvas,
  line: Line,
  scale: Scale,
  rows: number,
  alone: boolean,
): void {
  const code = theme.colour ? line.code : '';
  let before: number | undefined;
  for (const [i, value] of line.values.entries()) {
    const share = scale.place(value);
    if (Number.isNaN(share)) {
      before = undefined;
      continue;
    }
    const row = rows - 1 - Math.round(Math.min(1, share) * (rows - 1));
    if (alone && before !== undefined) {
      for (let at = Math.min(row, before) + 1; at < Math.max(row, before); at += 1) {
        canvas.text(LABELS + i, at, '|', code);
      }
    }
    canvas.text(LABELS + i, row, line.glyph, code);
    before = row;
  }
}
