/** Nanoseconds as a person reads them: `84 us`, `1.2 ms`; `-` for nothing. */
export function time(ns: number | null): string {
  if (ns === null) return '-';
  if (ns < 1_000) return `${Math.round(ns)} ns`;
  if (ns < 1e6) return `${digits(ns / 1e3)} us`;
  if (ns < 1e9) return `${digits(ns / 1e6)} ms`;
  return `${digits(ns / 1e9)} s`;
}

/** Bytes a second: `612 MB/s`. Decimal, as disks and networks are sold. */
export function bandwidth(bytes: number | null): string {
  if (bytes === null) return '-';
  if (bytes >= 1e9) return `${digits(bytes / 1e9)} GB/s`;
  if (bytes >= 1e6) return `${digits(bytes / 1e6)} MB/s`;
  return `${digits(bytes / 1e3)} kB/s`;
}

/** A size as it was asked for, nothing rounded: `64 KiB`, `300 B`. */
export function size(bytes: number): string {
  for (const [unit, each] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (bytes >= each && bytes % each === 0) return `${bytes / each} ${unit}`;
  }
  return `${bytes.toLocaleString('en-US')} B`;
}

/** A rate: `1.2M/s`, `5,000/s`. */
export function rate(count: number): string {
  if (count >= 1e6) return `${digits(count / 1e6)}M/s`;
  return `${Math.round(count).toLocaleString('en-US')}/s`;
}

/** A share of a floor: `0.93`. */
export function share(ratio: number | null): string {
  return ratio === null ? '-' : ratio.toFixed(ratio < 10 ? 2 : 0);
}

/** Three significant digits, as far as there are whole ones. */
function digits(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(value >= 10 ? 1 : 2);
}
