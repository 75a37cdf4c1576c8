/** Bytes of each size unit. Binary and decimal units both mean what they say; a bare letter is binary, as with `dd`. */
const SIZE_UNITS: Record<string, number> = {
  b: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  kb: 1e3,
  m: 2 ** 20,
  mib: 2 ** 20,
  mb: 1e6,
  g: 2 ** 30,
  gib: 2 ** 30,
  gb: 1e9,
  t: 2 ** 40,
  tib: 2 ** 40,
  tb: 1e12,
};

/** Milliseconds of each time unit. */
const TIME_UNITS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1e3,
  m: 60e3,
  h: 3_600e3,
  d: 86_400e3,
  w: 604_800e3,
};

const ONE_SIZE = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i;
const ONE_TIME = /(\d+(?:\.\d+)?)\s*([a-zµ]+)\s*/gy;

/** Bytes of `256KiB`, `10GiB`, `1.5MB` or a plain number; undefined when it is none of these or no whole number of bytes. */
export function parseSize(text: string): number | undefined {
  const match = ONE_SIZE.exec(text.trim());
  if (!match) return undefined;
  const unit = SIZE_UNITS[(match[2] || 'b').toLowerCase()];
  const bytes = unit === undefined ? Number.NaN : Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Milliseconds of `250ms`, `7d`, `1h30m`, or of a plain number of seconds; undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  const wanted = text.trim();
  if (/^\d+(\.\d+)?$/.test(wanted)) return Number(wanted) * 1e3;
  let total = 0;
  let end = 0;
  ONE_TIME.lastIndex = 0;
  for (let match = ONE_TIME.exec(wanted); match; match = ONE_TIME.exec(wanted)) {
    const unit = TIME_UNITS[match[2] ?? ''];
    if (unit === undefined) return undefined;
    total += Number(match[1]) * unit;
    end = ONE_TIME.lastIndex;
  }
  return end > 0 && end === wanted.length && total <= Number.MAX_SAFE_INTEGER ? total : undefined;
}

/** The shortest exact spelling of a number of bytes: `256KiB`, `1GiB`, `1000B`. Parses back to the same number. */
export function formatSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const size = SIZE_UNITS[unit.toLowerCase()] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

/** The shortest exact spelling of a number of milliseconds: `7d`, `90s`, `250ms`. Parses back to the same number. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's', 'ms', 'us']) {
    const size = TIME_UNITS[unit] ?? 1;
    const count = ms / size;
    if (count >= 1 && Number.isInteger(count)) return `${count}${unit}`;
  }
  return ms === 0 ? '0s' : `${Math.round(ms * 1e6)}ns`;
}

/** A number of bytes as a table shows it, rounded: `1.4 GiB`. */
export function roundedSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const size = SIZE_UNITS[unit.toLowerCase()] ?? 1;
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}
