/** What stands on the axes of charts. */

/** `84 us` on an axis. Three digits: what comes back from a logarithm is 49.99999 where 50 was meant. */
export function axisTime(ns: number): string {
  for (const [unit, size] of [
    ['s', 1e9],
    ['ms', 1e6],
    ['us', 1e3],
  ] as const) {
    if (ns >= size * 0.9995) return `${round(ns / size)} ${unit}`;
  }
  return `${round(ns)} ns`;
}

/** `1,000`, `20k` and `5M` on an axis. */
export function axisCount(count: number): string {
  if (count >= 1e6) return `${round(count / 1e6)}M`;
  return count >= 1e4 ? `${round(count / 1e3)}k` : round(count).toLocaleString('en-US');
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

/** A logarithmic axis: its ends and where it is labelled. */
export interface LogScale {
  min: number;
  max: number;
  ticks: number[];
}

const COARSE = [1, 2, 5];
const FINE = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
/** So few labels say too little of a logarithmic axis. */
const FEW = 4;

/**
 * An axis as close around its values as round numbers go: labelled at 1, 2 and 5 where that makes no more than `most` labels, else at
 * decades, and at every second or third of those where even they are too many. A narrow range has more between them.
 */
export function logScale(values: readonly (number | null)[], most: number): LogScale {
  const shown = values.filter((value): value is number => value !== null && value > 0);
  const [low, high] = shown.length === 0 ? [1, 10] : [Math.min(...shown), Math.max(...shown)];
  const coarse = ticksAround(low, high, COARSE);
  const fine = coarse.length < FEW ? ticksAround(low, high, FINE) : coarse;
  if (fine.length <= most) return scaleOf(fine, fine);
  if (coarse.length <= most) return scaleOf(coarse, coarse);
  const decades = ticksAround(low, high, [1]);
  const every = Math.ceil(decades.length / most);
  return scaleOf(
    decades,
    decades.filter((_, index) => index % every === 0),
  );
}

function scaleOf(around: readonly number[], ticks: number[]): LogScale {
  return { min: around[0] ?? 1, max: around.at(-1) ?? 10, ticks };
}

/** From the last round number at or below `low` to the first at or above `high`, two at least. */
function ticksAround(low: number, high: number, digits: readonly number[]): number[] {
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power += 1) {
    all.push(...digits.map((digit) => Number(`${digit}e${power}`)));
  }
  const from = all.findLastIndex((tick) => tick <= low);
  const to = all.findIndex((tick) => tick >= high);
  return all.slice(from, Math.max(to, from + 1) + 1);
}

/** Where a share stands on an axis that is stretched towards 100 %: each step is a nine more. */
export function nines(share: number): number {
  return share >= 1 ? 0 : -Math.log10(1 - share);
}

/** What such an axis is labelled at, in `nines`; half of everything is among it where there is room. */
export function percentTicks(most: number, room: 'wide' | 'narrow'): number[] {
  const whole = Array.from({ length: most }, (_, index) => index + 1);
  const every = room === 'narrow' && most > 5 ? 2 : 1;
  return [...(room === 'wide' ? [0] : []), nines(0.5), ...whole.filter((nine) => (nine - 1) % every === 0)];
}

/** `99.9%` of `nines`. */
export function percentLabel(value: number): string {
  const percent = 100 - 100 * 10 ** -value;
  return `${value < 1 ? Math.round(percent) : percent.toFixed(Math.max(0, Math.round(value) - 2))}%`;
}
