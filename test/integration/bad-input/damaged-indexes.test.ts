/** Sparse indexes that lie: verified against the batch headers they point at, rebuilt, never believed (formats.md). */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { Command, decodeFetched, fetchPayload, locatePayload } from '../../harness/lwp.js';
import { startNode } from '../../harness/node.js';
import type { RawConnection } from '../../harness/raw-connection.js';
import {
  copyOf,
  offsetsOf,
  readThrough,
  type SeededDirectory,
  type SeededTopicData,
  SMALL_SEGMENTS,
  seededDirectory,
} from '../../harness/seeded-directory.js';
import { readSegment } from '../../harness/segment-file.js';
import { sizeOf, truncate, zero } from '../../harness/spoil.js';
import { readTopicFiles, type StoredRecord, segmentPaths, verifiedTopic } from '../../harness/topic-files.js';

const ENTRY = 24;
let drained: SeededDirectory;
let stored: readonly StoredRecord[];
beforeAll(async () => {
  drained = await seededDirectory('drained');
  stored = verifiedTopic(drained.dataDir, 'rotated').records;
});

/** Looks up records all over the topic by offset, by index, by key and by time. */
async function expectLookups(connection: RawConnection, topic: SeededTopicData): Promise<void> {
  const starts = offsetsOf(topic.records);
  for (let index = 0; index < topic.records.length; index += 97) {
    const offset = starts[index] as bigint;
    const frame = await connection.request(
      Command.fetch,
      fetchPayload(topic.id, offset, 0),
      Command.fetchResponse,
    );
    expect(decodeFetched(frame.payload).data.equals(topic.records[index] as Buffer)).toBe(true);
    const record = stored[index] as StoredRecord;
    const { timestampNs, nodeActorSequence } = record.key;
    for (const [kind, first, rest] of [
      [0, BigInt(index), 0n],
      [2, timestampNs, nodeActorSequence],
      [3, offset, 0n],
    ] as const) {
      const payload = locatePayload(topic.id, kind, first, rest);
      const located = await connection.request(Command.locate, payload, Command.locateResponse);
      expect([located.payload.readBigUInt64LE(0), located.payload.readBigUInt64LE(8)]).toEqual([
        offset,
        BigInt(index),
      ]);
    }
    const byTime = await connection.request(
      Command.locate,
      locatePayload(topic.id, 1, timestampNs),
      Command.locateResponse,
    );
    const firstOfTime = stored.findIndex((candidate) => candidate.key.timestampNs >= timestampNs);
    expect(byTime.payload.readBigUInt64LE(8)).toBe(BigInt(firstOfTime));
  }
}

/** Rewrites the 8 bytes at `at` of every entry but the first. */
function editEntries(path: string, at: number, edit: (value: bigint, ordinal: number) => bigint): void {
  const bytes = readFileSync(path);
  for (let entry = 1; entry * ENTRY < bytes.length; entry++) {
    const position = entry * ENTRY + at;
    bytes.writeBigUInt64LE(BigInt.asUintN(64, edit(bytes.readBigUInt64LE(position), entry)), position);
  }
  writeFileSync(path, bytes);
}

type Spoil = (idx: string, pos: string) => void;

/** The same to both files. */
function both(spoil: (path: string) => void): Spoil {
  return (idx, pos) => {
    spoil(idx);
    spoil(pos);
  };
}

/** The same to one field of every entry but the first, in both files. */
function bothPositions(edit: (position: bigint) => bigint): Spoil {
  return both((path) => editEntries(path, 16, edit));
}

function reverseEntries(path: string): void {
  const bytes = readFileSync(path);
  const count = Math.floor(bytes.length / ENTRY);
  const entries = Array.from({ length: count }, (_, at) => bytes.subarray(at * ENTRY, (at + 1) * ENTRY));
  writeFileSync(path, Buffer.concat(entries.reverse()));
}

const spoiling: ReadonlyArray<readonly [string, Spoil]> = [
  ['missing', both((path) => rmSync(path))],
  ['missing in half', (_, pos) => rmSync(pos)],
  ['empty', both((path) => truncate(path, 0))],
  ['stale (their first entry alone)', both((path) => truncate(path, ENTRY))],
  ['cut inside an entry', both((path) => truncate(path, 2 * ENTRY + 7))],
  ['of unequal length', (idx) => truncate(idx, 2 * ENTRY)],
  ['filled with zeros', both((path) => zero(path, 0, sizeOf(path)))],
  ['full of garbage', both((path) => writeFileSync(path, Buffer.alloc(10 * ENTRY, 0xa5)))],
  ['pointing beyond the file', bothPositions((position) => position + (1n << 40n))],
  ['pointing into the middle of batches', bothPositions((position) => position - 7n)],
  ['lying about offsets', (_, pos) => editEntries(pos, 0, (offset) => offset + 3n)],
  ['lying about record indexes', (_, pos) => editEntries(pos, 8, (record) => record + 1n)],
  ['lying about keys', (idx) => editEntries(idx, 0, (timestamp) => timestamp - 1_000_000_000n)],
  ['pointing at batches in the wrong order', both(reverseEntries)],
];

/** Spoils the indexes of two sealed segments and of the active one, in a copy. */
function spoiledCopy(spoil: Spoil): SeededDirectory {
  const directory = copyOf(drained);
  const paths = segmentPaths(directory.dataDir, 'rotated');
  for (const path of [paths[0], paths[1], paths.at(-1)] as string[]) {
    spoil(path.replace(/lnc$/, 'idx'), path.replace(/lnc$/, 'pos'));
  }
  return directory;
}

/** Runs a node on the directory, looks up and reads all of the topic, and drains. */
async function expectRightAnswers(directory: SeededDirectory): Promise<void> {
  const node = await startNode({ dataDir: directory.dataDir, config: SMALL_SEGMENTS });
  const connection = await node.connect();
  const { rotated } = directory.topics;
  await expectLookups(connection, rotated);
  expect(await readThrough(connection, rotated)).toMatchObject({
    records: rotated.records.length,
    errors: [],
    wrong: [],
  });
  connection.close();
  await node.stop();
}

describe('indexes that are', () => {
  it.each(spoiling)('%s change no answer', { timeout: 240_000 }, async (_, spoil) => {
    const directory = spoiledCopy(spoil);
    await expectRightAnswers(directory);
    expect(readSegment(segmentPaths(directory.dataDir, 'rotated').at(-1) as string).problems).toEqual([]);
  });

  it('lying in any of these ways are rebuilt on disk', { timeout: 240_000 }, async () => {
    const left: string[] = [];
    for (const [how, spoil] of spoiling.filter((_, index) => index % 3 === 2)) {
      const directory = spoiledCopy(spoil);
      await expectRightAnswers(directory);
      if (readTopicFiles(directory.dataDir, 'rotated').problems.length > 0) left.push(how);
    }
    expect(left).toEqual([]);
  });
});
