import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCounters } from '../../src/counters/index.js';
import { decodeSample, encodeSample, type RawSample, topicFacts } from '../../src/sampling/index.js';
import { TopicDirectories } from '../../src/sampling/topic-directories.js';
import { tempDir } from '../harness/temp.js';
import { withTables } from '../support/counter-tables.js';
import { makeCounters } from '../support/counters.js';
import { sampleAt, topicOf } from '../support/samples.js';

const named = (id: number) => ({ id, name: `t${id}`, durability: undefined, retention: undefined });

/** What the other side of the wire gets. */
const sent = (sample: RawSample, wanted = {}): RawSample => {
  const got = decodeSample(JSON.parse(JSON.stringify(encodeSample(sample, wanted))));
  if (typeof got === 'string') throw new Error(got);
  return got;
};

describe('topics', () => {
  it('take rates, ends and consumers from the rows of the counters file, by id', () => {
    const file = withTables(makeCounters([]), {
      topics: [[2, 2, 5_000_000, 0, 0, 1_000, 10, 900, 1_200, 3, 70, 7, 1]],
      commits: [
        [2, 77n, 400, 1_700_000_000],
        [2, 78n, 1_000, 1_700_000_001],
        [9, 1n, 5, 1_700_000_000],
      ],
    });
    const { tables } = readCounters(file);
    const [quiet, busy] = topicFacts([named(1), named(2)], tables);
    expect(quiet).toMatchObject({ name: 't1', endOffset: undefined, lag: undefined });
    expect(busy).toMatchObject({
      name: 't2',
      state: 'frozen',
      endOffset: 1_000,
      durableOffset: 900,
      segments: 3,
      fetchedRecords: 7,
      lastWriteMs: 5,
      consumerCount: 2,
      lag: 600,
    });
    expect(busy?.consumers).toEqual([
      { id: '77', offset: 400, lag: 600, committedAt: 1_700_000_000 },
      { id: '78', offset: 1_000, lag: 0, committedAt: 1_700_000_001 },
    ]);
  });

  it('travel as rows, thousands of them, with consumers one by one only of the topic that is asked for', () => {
    const consumers = [{ id: '5', offset: 1, lag: 2, committedAt: 3 }];
    const topics = Array.from({ length: 5_000 }, (_, id) =>
      topicOf(id, { consumers, consumerCount: 1, lag: 2, retention: { maxAgeSecs: 1, maxBytes: 0 } }),
    );
    const sample = sampleAt(1_000, { topics });
    const document = JSON.stringify(encodeSample(sample, { topic: 7 }));
    expect(document.length).toBeLessThan(1_000_000);
    const got = sent(sample, { topic: 7 });
    expect(got.topics).toHaveLength(5_000);
    expect(got.topics[7]).toEqual(topics[7]);
    expect(got.topics[8]).toEqual({ ...topics[8], consumers: undefined });
    const few = sampleAt(1_000, { topics: topics.slice(0, 20) });
    expect(sent(few).topics).toEqual(topics.slice(0, 20));
  });

  it('are refused with their place where a row is none', () => {
    const document = JSON.parse(
      JSON.stringify(encodeSample(sampleAt(1, { topics: [topicOf(1), topicOf(2)] }))),
    );
    for (const row of [['x'], [1, 'a', 9], [1, 'a', 0, null, -1], [1, 'a', 0, null, 'x']]) {
      document.topics[1] = row;
      expect(decodeSample(document)).toBe('topics.1: not as expected');
    }
  });

  it('are named by their directories, also when one comes, and a damaged one is left out', async () => {
    const dir = tempDir();
    const add = (name: string, text: string): void => {
      mkdirSync(join(dir, name));
      writeFileSync(join(dir, name, 'metadata.json'), text);
    };
    add('b', '{"id":4,"name":"b","durability":"written"}');
    add('broken', '{');
    add('half~new', '{"id":9,"name":"half"}');
    const directories = new TopicDirectories(dir);
    expect((await directories.read()).map(({ name }) => name)).toEqual(['b']);
    add('a', '{"id":2,"name":"a"}');
    expect(await directories.read()).toMatchObject([
      { id: 2, name: 'a' },
      { id: 4, durability: 'written' },
    ]);
    expect(directories.nameOf(4)).toBe('b');
    expect(directories.nameOf(5)).toBeUndefined();
    rmSync(dir, { recursive: true });
  });

  it('leave the events that the asker has out of a document', () => {
    const events = [0, 1, 2].map(
      (number) => ({ number, atMs: 1, level: 'info', text: `${number}` }) as const,
    );
    const sample = sampleAt(1, { events });
    expect(sent(sample, { since: 1 }).events.map(({ number }) => number)).toEqual([2]);
    expect(sent(sample).events).toHaveLength(3);
  });
});
