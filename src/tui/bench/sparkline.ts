const BARS = '▁▂▃▄▅▆▇█';

/** The last values as bars, the highest full. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const most = Math.max(...shown, 1);
  return shown.map((value) => BARS[Math.min(7, Math.floor((value / most) * 7.999))] ?? '').join('');
}
