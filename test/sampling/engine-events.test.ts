import { describe, expect, it } from 'vitest';
import { readCounters } from '../../src/counters/index.js';
import { EngineEvents } from '../../src/sampling/engine-events.js';
import { type MadeEvent, withTables } from '../support/counter-tables.js';
import { makeCounters } from '../support/counters.js';

const tables = (events: readonly MadeEvent[]) =>
  readCounters(withTables(makeCounters([]), { events })).tables;
const nameOf = (id: number): string => `t${id}`;

describe("the engine's events", () => {
  it('are put into words with their topic and numbers, whatever their kind', () => {
    const read = new EngineEvents().read(
      1n,
      tables([
        { number: 1, kind: 1, numbers: [2, 0, 0], text: 'magic\n10.0.0.1:5' },
        { number: 2, kind: 2, numbers: [64, 0, 0], text: '10.0.0.2:6' },
        { number: 3, kind: 3, topic: 4, numbers: [4096, 0, 0] },
        { number: 4, kind: 4, topic: 4, numbers: [4096, 512, 0] },
        { number: 5, kind: 5, topic: 4, numbers: [8192, 2, 1024] },
        { number: 6, kind: 6, topic: 4, numbers: [9, 5, 0], text: 'flush' },
        { number: 7, kind: 7, numbers: [0, 28, 0], text: 'write' },
        { number: 8, kind: 8, topic: 4, numbers: [77, 0, 0] },
        { number: 9, kind: 9, numbers: [12, 0, 0], text: 'topic_slabs' },
        { number: 10, kind: 10, numbers: [0, 2, 0], text: 'sealing a segment\n/x' },
        { number: 11, kind: 11, numbers: [3, 1, 0] },
        { number: 12, kind: 9, numbers: [1, 0, 0], text: 'topic_slabs' },
        { number: 13, kind: 4_000 },
      ]),
      nameOf,
    );
    expect(read.map(({ level, text }) => `${level}: ${text}`)).toEqual([
      'warning: closed the connection from 10.0.0.1:5: its first bytes are not LWP; 2 more since the last such line',
      'warning: refused 10.0.0.2:6: limits.connections (64) is reached',
      'info: topic t4: new segment from offset 4096',
      'info: topic t4: sealed the segment from offset 4096, 512 bytes',
      'info: topic t4: removed 2 segments (1024 bytes) below offset 8192',
      'error: topic t4 is frozen at offset 9: flush failed with errno 5. It serves reads; check the disk, then restart the node to recover it',
      'error: the journal failed: write, errno 28. Check the disk, then restart the node',
      'error: topic t4: stored bytes are damaged at offset 77; see `lance segment verify`',
      'warning: limits.topic_slabs was reached 12 times; more load waits',
      'warning: sealing a segment of /x failed with errno 2 and will be tried again',
      'warning: backpressure: sockets were left unread 3 times; 1 is now',
      'warning: limits.topic_slabs was reached; more load waits',
    ]);
    expect(read[0]).toMatchObject({ number: 1, atMs: 5 });
  });

  it('keep the words that they got while the file has them, and begin anew with another process', () => {
    const events = new EngineEvents();
    const row = (number: number): MadeEvent => ({ number, kind: 3, topic: 1 });
    events.read(1n, tables([row(1), row(2)]), () => 'first');
    const read = events.read(1n, tables([row(2), row(3)]), () => 'second');
    expect(read.map(({ number, text }) => [number, text.split(':')[0]])).toEqual([
      [2, 'topic first'],
      [3, 'topic second'],
    ]);
    expect(events.read(2n, tables([row(1)]), nameOf).map(({ number }) => number)).toEqual([1]);
    expect(events.read(2n, undefined, nameOf)).toHaveLength(1);
  });
});
