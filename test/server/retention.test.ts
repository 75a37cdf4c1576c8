import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Description, Retention } from '../../src/engine/index.js';
import { parseSegmentName, planRetention, type SegmentFile } from '../../src/server/retention.js';
import { applyRetention, listSegments } from '../../src/server/retention-loop.js';
import { EMPTY, keyAt } from '../support/fake-engine.js';
import { openCatalogue, temporaryFolder } from './support.js';

const S = 1_000_000_000n;
const MiB = 2n ** 20n;
const NOW = 1_000_000n * S;

const sealed = (baseOffset: bigint, endedSecondsAgo: bigint, bytes = MiB): SegmentFile => ({
  baseOffset,
  startNs: NOW - (endedSecondsAgo + 10n) * S,
  endNs: NOW - endedSecondsAgo * S,
  bytes,
});
const active = (baseOffset: bigint, startedSecondsAgo: bigint): SegmentFile => ({
  baseOffset,
  startNs: NOW - startedSecondsAgo * S,
  endNs: undefined,
  bytes: 1024n * MiB, // preallocated: only the engine knows how much of it is used
});
const described = (bytes: bigint, endOffset: bigint, lastNs: bigint): Description => ({
  ...EMPTY,
  bytes,
  endOffset,
  lastTimestampNs: lastNs,
  next: { offset: endOffset, record: 9n, key: keyAt(lastNs), chain: 5 },
});
const keep = (maxAgeSecs: bigint, maxBytes: bigint): Retention => ({ maxAgeSecs, maxBytes });
const nothing = { seal: false, belowOffset: undefined, resume: undefined };

describe('retention', () => {
  it('by age removes what ended too long ago, and only that', () => {
    const segments = [sealed(0n, 300n), sealed(100n, 200n), sealed(200n, 50n), active(300n, 40n)];
    const plan = planRetention(keep(100n, 0n), segments, described(4n * MiB, 400n, NOW), NOW);
    expect(plan).toEqual({ ...nothing, belowOffset: 200n });
  });

  it('by age seals an active segment that began too long ago, so that it can go later', () => {
    const plan = planRetention(keep(100n, 0n), [active(0n, 101n)], described(MiB, 100n, NOW), NOW);
    expect(plan).toEqual({ ...nothing, seal: true });
    expect(planRetention(keep(100n, 0n), [active(0n, 99n)], described(MiB, 100n, NOW), NOW)).toEqual(nothing);
  });

  it('keeps where the topic goes on when the last batch goes', () => {
    const last = NOW - 200n * S;
    const description = described(2n * MiB, 200n, last);
    const plan = planRetention(keep(100n, 0n), [sealed(0n, 300n), sealed(100n, 200n)], description, NOW);
    expect(plan).toEqual({ seal: false, belowOffset: 200n, resume: description.next });
  });

  it('leaves the last sealed segment when something came after it that has no file yet', () => {
    const description = described(2n * MiB, 250n, NOW);
    const two = [sealed(0n, 300n), sealed(100n, 200n)];
    expect(planRetention(keep(100n, 0n), two, description, NOW)).toEqual({ ...nothing, belowOffset: 100n });
    expect(planRetention(keep(100n, 0n), [sealed(0n, 300n)], description, NOW)).toEqual(nothing);
  });

  it('by size removes the oldest until the limit holds', () => {
    const segments = [sealed(0n, 9n), sealed(100n, 8n), sealed(200n, 7n), active(300n, 6n)];
    const plan = (most: bigint) =>
      planRetention(keep(0n, most), segments, described(3n * MiB + 1000n, 400n, NOW), NOW);
    expect(plan(4n * MiB)).toEqual(nothing);
    expect(plan(3n * MiB)).toEqual({ ...nothing, belowOffset: 100n });
    expect(plan(MiB)).toEqual({ ...nothing, belowOffset: 300n });
    expect(plan(10n)).toEqual({ ...nothing, belowOffset: 300n });
  });

  it('by size never removes the newest data', () => {
    const last = NOW - 8n * S;
    const segments = [sealed(0n, 9n), sealed(100n, 8n)];
    const plan = planRetention(keep(0n, 10n), segments, described(2n * MiB, 200n, last), NOW);
    expect(plan).toEqual({ ...nothing, belowOffset: 100n });
  });

  it('by size seals an active segment before it alone fills the limit', () => {
    const at = (bytes: bigint) =>
      planRetention(keep(0n, 8n * MiB), [active(0n, 5n)], described(bytes, 9n, NOW), NOW);
    expect(at(4n * MiB - 1n).seal).toBe(false);
    expect(at(4n * MiB).seal).toBe(true);
    const small = planRetention(keep(0n, 10n), [active(0n, 5n)], described(MiB - 1n, 9n, NOW), NOW);
    expect(small.seal).toBe(false);
  });

  it('without limits or segments does nothing', () => {
    expect(planRetention(keep(0n, 0n), [sealed(0n, 999n)], described(MiB, 1n, NOW), NOW)).toEqual(nothing);
    expect(planRetention(keep(1n, 1n), [], EMPTY, NOW)).toEqual(nothing);
  });

  it('reads names of segments and of nothing else', () => {
    const digits = '00000000000000000100_00000000000000000007_123';
    expect(parseSegmentName(`${digits}.lnc`)).toEqual({ baseOffset: 100n, startNs: 123n, endNs: undefined });
    expect(parseSegmentName(`${digits}-456.lnc`)).toEqual({ baseOffset: 100n, startNs: 123n, endNs: 456n });
    for (const name of ['metadata.json', `${digits}.idx`, `${digits}.lnc~`, '1_2_3.lnc', `${digits}-.lnc`]) {
      expect(parseSegmentName(name), name).toBeUndefined();
    }
  });
});

describe('the retention loop', () => {
  const name = (base: bigint, rest: string) =>
    `${String(base).padStart(20, '0')}_${'0'.repeat(20)}_${rest}.lnc`;

  it('has resume on disk before the engine removes the last batch', async () => {
    const { catalogue, engine, directory } = await openCatalogue();
    await catalogue.create('a', keep(100n, 0n));
    const last = NOW - 200n * S;
    writeFileSync(join(directory.topicPath('a'), name(0n, `5-${last}`)), 'x');
    engine.descriptions.set(1, described(1n, 50n, last));
    let resume: unknown;
    engine.before = (call) => {
      if (call.startsWith('retain')) resume = catalogue.get(1).resume;
    };
    await applyRetention({ engine, catalogue, directory, log: silent as never }, NOW);
    expect(engine.calls).toContain('retain 1 50');
    expect(resume).toMatchObject({ offset: 50n, chain: 5 });
  });

  it('goes on with the other topics when one fails, and says so', async () => {
    const { catalogue, engine, directory } = await openCatalogue();
    await catalogue.create('bad', keep(100n, 0n));
    await catalogue.create('good', keep(100n, 0n));
    await catalogue.create('unlimited');
    engine.before = (call) => {
      if (call === 'describe 1') throw new Error('no');
    };
    const warnings: string[] = [];
    const log = { ...silent, warn: (_: unknown, text: string) => warnings.push(text) };
    await applyRetention({ engine, catalogue, directory, log: log as never }, NOW);
    expect(engine.calls.filter((call) => call.startsWith('describe'))).toEqual(['describe 1', 'describe 2']);
    expect(warnings).toEqual(['retention of topic bad failed: no']);
  });

  it('lists segments with their sizes', async () => {
    const path = temporaryFolder();
    mkdirSync(join(path, 'sub'));
    for (const file of [name(0n, '1-2'), name(9n, '3'), 'metadata.json']) writeFileSync(join(path, file), '');
    truncateSync(join(path, name(9n, '3')), 4096);
    const segments = (await listSegments(path)).sort((a, b) => Number(a.baseOffset - b.baseOffset));
    expect(segments).toEqual([
      { baseOffset: 0n, startNs: 1n, endNs: 2n, bytes: 0n },
      { baseOffset: 9n, startNs: 3n, endNs: undefined, bytes: 4096n },
    ]);
  });
});

const silent = { warn: () => {}, debug: () => {} };
