import { describe, expect, it } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize, roundedSize } from '../../src/config/index.js';

describe('sizes', () => {
  it.each([
    ['256KiB', 262_144],
    ['10GiB', 10 * 2 ** 30],
    ['1.5 KiB', 1536],
    ['64k', 65_536],
    ['5MB', 5_000_000],
    ['262144', 262_144],
    ['0', 0],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'KiB', '-1', '1 XB', '0.3B', '9999999TiB', '1e6', '12 34'])('"%s" is no size', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it('what is written reads back as the same number of bytes', () => {
    for (const bytes of [0, 1, 1000, 1024, 65_536, 2 ** 30, 2 ** 30 + 1, 3 * 2 ** 40]) {
      expect(parseSize(formatSize(bytes))).toBe(bytes);
    }
    expect(formatSize(262_144)).toBe('256KiB');
    expect(roundedSize(1_500_000)).toBe('1.4 MiB');
  });
});

describe('times', () => {
  it.each([
    ['7d', 604_800_000],
    ['250ms', 250],
    ['1h30m', 5_400_000],
    ['1 h 30 m', 5_400_000],
    ['250us', 0.25],
    ['30', 30_000],
    ['0', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', 'd', '-5s', '5 parsecs', '5s!', '1h30'])('"%s" is no time', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('what is written reads back as the same time', () => {
    for (const ms of [0, 0.25, 1, 250, 1000, 90_000, 604_800_000]) {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }
    expect(formatDuration(604_800_000)).toBe('7d');
    expect(formatDuration(90_000)).toBe('90s');
  });
});
