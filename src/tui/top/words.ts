const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** Three significant digits, no more: `0`, `7.3`, `42`, `999`, `1.2k`, `312M`. */
export function number(value: number): string {
  return scaled(value, 1000, DECIMAL, '');
}

/** Bytes a second in powers of ten, as links and disks are sold: `0 B/s`, `312 MB/s`. */
export function byteRate(value: number): string {
  return `${scaled(value, 1000, DECIMAL, ' ')}B/s`;
}

/** A rate of things: `41.2k/s`. */
export function rate(value: number): string {
  return `${number(value)}/s`;
}

/** A size in powers of two, as files are listed: `0 B`, `1.4 GiB`. */
export function size(value: number): string {
  return scaled(value, 1024, BINARY, ' ');
}

function scaled(value: number, base: number, units: readonly string[], gap: string): string {
  if (!Number.isFinite(value)) return '-';
  let left = Math.max(0, value);
  let unit = 0;
  while (left >= 999.5 && unit < units.length - 1) {
    left /= base;
    unit += 1;
  }
  return `${digits(left, unit === 0)}${gap}${units[unit]}`;
}

function digits(value: number, whole: boolean): string {
  if (value === 0) return '0';
  if (value >= 99.95 || (whole && value >= 9.95)) return value.toFixed(0);
  if (whole && Number.isInteger(value)) return String(value);
  if (value >= 9.995) return value.toFixed(1).replace(/\.0$/, '');
  if (value < 0.05) return '<0.1';
  return value.toFixed(value < 1 || whole ? 1 : 2).replace(/\.?0+$/, '') || '0';
}

/** Nanoseconds: `870ns`, `182us`, `1.24ms`, `3.1s`. */
export function duration(ns: number): string {
  if (!Number.isFinite(ns)) return '-';
  const steps: [number, string][] = [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'us'],
  ];
  // A little below the step, so that 999.7 us is not written as 1000us.
  const [unit, name] = steps.find(([step]) => ns >= step * 0.9995) ?? [1, 'ns'];
  return `${digits(ns / unit, unit === 1)}${name}`;
}

/** A share of 1: `0%`, `7%`, `100%`. */
export function percent(share: number): string {
  return `${share > 0 && share < 0.005 ? '<1' : Math.round(share * 100)}%`;
}

/** Seconds as two units at most: `12s`, `3m12s`, `5h03m`, `12d4h`. */
export function uptime(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  if (s < 60) return `${s}s`;
  if (s < 3_600) return s % 60 === 0 ? `${s / 60}m` : `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s === 3_600) return '1h';
  if (s < 86_400) return `${Math.floor(s / 3_600)}h${two(Math.floor((s % 3_600) / 60))}m`;
  return `${Math.floor(s / 86_400)}d${Math.floor((s % 86_400) / 3_600)}h`;
}

/** Wall clock of this machine, `10:20:31`; with a day before it where that is not today. */
export function clock(ms: number, nowMs: number = ms): string {
  const at = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const today = new Date(nowMs).toDateString() === at.toDateString();
  return today ? time : `${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}
