import { describe, expect, it } from 'vitest';
import { CountersError, readCounters } from '../../src/counters/index.js';
import { withTables } from '../support/counter-tables.js';
import { makeCounters } from '../support/counters.js';

const file = (): Buffer =>
  withTables(makeCounters([]), {
    topics: [
      [3, 1, 9_000, 10, 1, 500, 20, 480, 900, 2, 120, 5, 2],
      [4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    commits: [[3, 2n ** 64n - 1n, 450, 1_700_000_000]],
    events: [
      { number: 8, kind: 4, topic: 3, numbers: [0, 77, 0] },
      { number: 7, kind: 9, numbers: [12, 0, 0], text: 'topic_slabs' },
    ],
  });

const codeOf = (bytes: Buffer): string => {
  try {
    readCounters(bytes);
  } catch (error) {
    if (error instanceof CountersError) return error.code;
    throw error;
  }
  return 'none';
};

describe('the tables beside the counters', () => {
  it('tell where topics and consumers stand and what happened, empty rows left out', () => {
    const { tables } = readCounters(file());
    expect(tables?.topics).toEqual([
      {
        id: 3,
        state: 'live',
        lastTimestampNs: 9_000,
        firstOffset: 10,
        firstRecord: 1,
        endOffset: 500,
        endRecord: 20,
        durableOffset: 480,
        bytes: 900,
        segments: 2,
        fetchedBytes: 120,
        fetchedRecords: 5,
        fetches: 2,
      },
      expect.objectContaining({ id: 4, state: 'frozen' }),
    ]);
    expect(tables?.commits).toEqual([
      { topic: 3, consumer: 2n ** 64n - 1n, offset: 450, atS: 1_700_000_000 },
    ]);
    expect(tables?.events.map(({ number, kind, text }) => [number, kind, text])).toEqual([
      [7, 9, 'topic_slabs'],
      [8, 4, ''],
    ]);
  });

  it('are undefined where an older lance wrote the file', () => {
    expect(readCounters(makeCounters([])).tables).toBeUndefined();
  });

  it('are refused where the file is cut in them or rows have too few bytes', () => {
    expect(codeOf(file().subarray(0, file().length - 200))).toBe('COUNTERS_CUT');
    const narrow = file();
    narrow.writeUInt32LE(8, 192 + 12);
    expect(codeOf(narrow)).toBe('COUNTERS_FORMAT');
    const wild = file();
    wild.writeUInt32LE(0xffff_ffff, 208 + 8);
    expect(codeOf(wild)).toBe('COUNTERS_CUT');
    const far = file();
    far.writeBigUInt64LE(2n ** 62n, 224);
    expect(codeOf(far)).toBe('COUNTERS_CUT');
  });

  it('may have longer rows of a newer writer', () => {
    const wide = withTables(makeCounters([]), { topics: [[1, 1, 0, 0, 0, 64, 1, 64, 64, 1, 0, 0, 0]] });
    // Three rows of 128 bytes are one of 256 and a rest.
    wide.writeUInt32LE(1, 192 + 8);
    wide.writeUInt32LE(256, 192 + 12);
    wide.copy(wide, Number(wide.readBigUInt64LE(192)), Number(wide.readBigUInt64LE(192)) + 128);
    expect(readCounters(wide).tables?.topics).toMatchObject([{ id: 1, endOffset: 64 }]);
  });
});
