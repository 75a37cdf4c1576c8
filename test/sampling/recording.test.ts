import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { derive, type Reading, Recorder, readRecording } from '../../src/sampling/index.js';
import { tempDir } from '../harness/temp.js';
import { sampleAt, topicOf } from '../support/samples.js';

function readingOf(topics = [topicOf(1)]): Reading {
  const before = sampleAt(1_000, { topics: topics.map((topic) => ({ ...topic, endOffset: 0 })) });
  const now = sampleAt(2_000, { topics });
  const observed = { kind: 'sample', sample: now, presence: 'serving', notes: [] } as const;
  return derive('n', observed, before, undefined);
}

function recorded(...readings: readonly Reading[]): string {
  const path = join(tempDir(), 'r.jsonl');
  const recorder = Recorder.create(path);
  for (const reading of readings) recorder.write(reading);
  recorder.close();
  return path;
}

describe('a recording', () => {
  it('gives back the readings that were written', () => {
    const reading = readingOf();
    expect(readRecording(recorded(reading, reading))).toEqual(JSON.parse(JSON.stringify([reading, reading])));
  });

  it('keeps of thousands of topics those that are busy or in trouble, and how many there were', () => {
    const topics = Array.from({ length: 3_000 }, (_, id) =>
      topicOf(id, { endOffset: id === 2_900 ? 10_000 : id % 7, state: id === 1_500 ? 'frozen' : 'live' }),
    );
    const [kept] = readRecording(recorded(readingOf(topics)));
    expect(kept?.topics.length).toBeLessThanOrEqual(200);
    expect(kept?.topicCount).toBe(3_000);
    expect(kept?.topics.map(({ id }) => id)).toEqual(expect.arrayContaining([1_500, 2_900]));
  });

  it('whose last line was cut is read up to it; a broken line before is named', () => {
    const path = recorded(readingOf(), readingOf());
    appendFileSync(path, '{"sampledAt":1');
    expect(readRecording(path)).toHaveLength(2);
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, [lines[0], '{}', lines[2], ''].join('\n'));
    expect(() => readRecording(path)).toThrow(/line 2: sampledAt is not as expected/);
  });

  it('of another version, an empty one and another file are told apart', () => {
    const path = join(tempDir(), 'x');
    writeFileSync(path, '{"recording":"lance-top","version":9}\n');
    expect(() => readRecording(path)).toThrow(/version 9/);
    writeFileSync(path, '{"recording":"lance-top","version":1}\n');
    expect(() => readRecording(path)).toThrow(/holds no reading/);
    writeFileSync(path, 'something');
    expect(() => readRecording(path)).toThrow(/no recording/);
    expect(() => readRecording('/nonexistent')).toThrow(/ENOENT/);
    expect(() => Recorder.create(path)).toThrow(/is there already/);
  });
});
