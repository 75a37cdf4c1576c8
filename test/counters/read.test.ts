import { describe, expect, it } from 'vitest';
import {
  CountersError,
  histogramOf,
  isAlive,
  readCounters,
  samplesOf,
  total,
} from '../../src/counters/index.js';
import { makeCounters } from '../support/counters.js';

const file = (): Buffer =>
  makeCounters(
    [
      {
        key: 1,
        kind: 1,
        unit: 0,
        name: 'frames_in',
        label: 'agent=net-0',
        help: 'Frames received',
        value: 5n,
      },
      {
        key: 1,
        kind: 1,
        unit: 0,
        name: 'frames_in',
        label: 'agent=net-1',
        help: 'Frames received',
        value: 7n,
      },
      { key: 9, kind: 2, unit: 0, name: 'connections_open', value: 2n ** 40n },
      { key: 404, kind: 3, unit: 2, name: 'stage_receive_ack', counted: [100, 100, 100, 1_000_000] },
    ],
    { pid: 42, heartbeatNs: 10_000_000_000n },
  );

const codeOf = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    if (error instanceof CountersError) return error.code;
    throw error;
  }
  return 'none';
};

describe('a counters file', () => {
  it('gives every value with its name, labels, unit and help', () => {
    const snapshot = readCounters(file());
    expect(snapshot.pid).toBe(42);
    expect(snapshot.bytes).toBe(file().length);
    expect(samplesOf(snapshot, 'frames_in', { agent: 'net-1' })).toEqual([
      {
        key: 1,
        name: 'frames_in',
        labels: { agent: 'net-1' },
        unit: 'count',
        help: 'Frames received',
        kind: 'counter',
        value: 7,
      },
    ]);
    expect(total(snapshot, 'frames_in')).toBe(12);
    expect(total(snapshot, 'connections_open')).toBe(2 ** 40);
    expect(total(snapshot, 'nothing_of_that_name')).toBe(0);
  });

  it('gives quantiles within one percent', () => {
    const histogram = histogramOf(readCounters(file()), 'stage_receive_ack');
    expect(histogram?.count).toBe(4);
    expect(histogram?.quantile(0.5)).toBe(100);
    expect(Math.abs((histogram?.quantile(1) ?? 0) - 1_000_000)).toBeLessThan(10_000);
    expect(histogram?.quantile(0.75)).toBe(100);
  });

  it('counts cumulatively at any bounds', () => {
    const histogram = histogramOf(readCounters(file()), 'stage_receive_ack');
    expect(histogram?.cumulative([50, 100, 999_000, 2_000_000])).toEqual([0, 3, 3, 4]);
  });

  it('gives what was counted between two moments', () => {
    const before = histogramOf(readCounters(file()), 'stage_receive_ack');
    const later = makeCounters([
      { key: 404, kind: 3, unit: 2, name: 'stage_receive_ack', counted: [100, 100, 100, 1_000_000, 70, 70] },
    ]);
    const after = histogramOf(readCounters(later), 'stage_receive_ack');
    if (!before || !after) throw new Error('no histogram');
    const between = after.since(before);
    expect(between.count).toBe(2);
    expect(between.quantile(0.99)).toBe(70);
  });

  it('tells a writer that died by its heartbeat', () => {
    const snapshot = readCounters(file());
    expect(isAlive(snapshot, 15_000_000_000n)).toBe(true);
    expect(isAlive(snapshot, 15_000_000_001n)).toBe(false);
  });

  it('cut anywhere is an error of its own, never a wrong number', () => {
    const whole = file();
    for (const length of [0, 3, 4, 100, 4095, 4096, 4300, 5119, 5120, 5200, whole.length - 1]) {
      expect(
        codeOf(() => readCounters(whole.subarray(0, length))),
        `${length} bytes`,
      ).toBe('COUNTERS_CUT');
    }
    expect(codeOf(() => readCounters(whole))).toBe('none');
  });

  it('of a newer version is refused and says so', () => {
    expect(codeOf(() => readCounters(makeCounters([], { version: 2 })))).toBe('COUNTERS_VERSION');
    expect(() => readCounters(makeCounters([], { version: 2 }))).toThrow('version 2');
  });

  it('that is something else is refused', () => {
    expect(codeOf(() => readCounters(Buffer.from('LNJ1 and so on')))).toBe('COUNTERS_FORMAT');
    const lying = file();
    lying.writeUInt32LE(100_000, 64);
    expect(codeOf(() => readCounters(lying))).toBe('COUNTERS_FORMAT');
  });

  it('skips a kind of value that a newer writer added', () => {
    const newer = file();
    newer.writeUInt8(9, 4096 + 4);
    expect(total(readCounters(newer), 'frames_in')).toBe(7);
  });
});
