/** Points of a series in order of time; NaN where there was nothing to measure. */
export interface Points {
  readonly times: readonly number[];
  readonly values: readonly number[];
}

/** How several points of one column become one. */
export type Merge = 'mean' | 'max';

/**
 * One value for each of `columns` slices of the time from `from` to `to` (same unit as the points' times), NaN where the
 * series has none. Between two points no further apart than `gap` a line is drawn; across longer ones none is.
 */
export function resample(
  { times, values }: Points,
  { from, to, columns, gap, merge }: { from: number; to: number; columns: number; gap: number; merge: Merge },
): number[] {
  const out = new Array<number>(columns).fill(Number.NaN);
  const step = (to - from) / columns;
  if (!(step > 0)) return out;
  const counts = new Array<number>(columns).fill(0);
  let i = Math.max(0, firstAtOrAfter(times, from) - 1);
  let before: { time: number; value: number } | undefined;
  for (; i < times.length; i += 1) {
    const time = times[i] ?? 0;
    const value = values[i] ?? Number.NaN;
    if (Number.isNaN(value)) {
      before = undefined;
      continue;
    }
    if (before !== undefined && time - before.time <= gap)
      join(out, counts, before, { time, value }, from, step);
    const column = Math.min(columns - 1, Math.floor((time - from) / step));
    if (time <= to && column >= 0) put(out, counts, column, value, merge);
    before = { time, value };
    if (time > to) break;
  }
  return out;
}

function put(out: number[], counts: number[], column: number, value: number, merge: Merge): void {
  const seen = counts[column] ?? 0;
  const old = out[column] ?? 0;
  if (seen === 0) out[column] = value;
  else out[column] = merge === 'max' ? Math.max(old, value) : (old * seen + value) / (seen + 1);
  counts[column] = seen + 1;
}

/** Fills the columns strictly between two points. */
function join(
  out: number[],
  counts: readonly number[],
  a: { time: number; value: number },
  b: { time: number; value: number },
  from: number,
  step: number,
): void {
  const first = Math.max(0, Math.floor((a.time - from) / step) + 1);
  const last = Math.min(out.length - 1, Math.floor((b.time - from) / step) - 1);
  for (let column = first; column <= last; column += 1) {
    if ((counts[column] ?? 0) > 0) continue;
    const share = (from + (column + 0.5) * step - a.time) / (b.time - a.time);
    out[column] = a.value + (b.value - a.value) * Math.min(1, Math.max(0, share));
  }
}

/** The first place whose time is not before `time`; times ascend. */
export function firstAtOrAfter(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
