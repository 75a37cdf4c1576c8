/** Maps values to a share of the height, and says where its labels stand. */
export interface Scale {
  /** 0 at the bottom, 1 at the top; NaN stays NaN. */
  place(value: number): number;
  /** Ascending. */
  ticks: readonly number[];
}

/** From 0 to a round number at or above the largest value. */
export function linearScale(largest: number, floor = 1): Scale {
  const top = roundUp(Math.max(largest, floor));
  return { place: (value) => value / top, ticks: [0, top / 2, top] };
}

/** Whole powers of ten around all values, two decades at least; for what is 0 or less the bottom. */
export function logScale(smallest: number, largest: number): Scale {
  const safe = (value: number, other: number): number =>
    value > 0 && Number.isFinite(value) ? value : other;
  const high = Math.max(1, Math.ceil(Math.log10(safe(largest, 1e6)) - 1e-9));
  const low = Math.min(high - 2, Math.floor(Math.log10(safe(smallest, 1e4)) + 1e-9));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return {
    place: (value) =>
      value > 0 ? Math.max(0, (Math.log10(value) - low) / (high - low)) : value === 0 ? 0 : Number.NaN,
    ticks,
  };
}

/** The next 1, 2, 4, 5, 8 times a power of ten: halves of it are round, too. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 5, 8, 10].find((times) => times * power >= value * 0.999_999) ?? 10;
  return step * power;
}
