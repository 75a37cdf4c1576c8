/** Segment files that were spoiled while no node ran (design.md, "Read path", "Durability and recovery"). */
import { rmSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectServing } from '../../harness/expectations.js';
import { decodeError, ErrorCode, raw } from '../../harness/lwp.js';
import { type LanceNode, startNode } from '../../harness/node.js';
import {
  codesOf,
  copyOf,
  offsetsOf,
  readThrough,
  type SeededDirectory,
  SMALL_SEGMENTS,
  seededDirectory,
} from '../../harness/seeded-directory.js';
import { readSegment } from '../../harness/segment-file.js';
import { flipBit, overwrite, sizeOf, truncate, zero } from '../../harness/spoil.js';
import { segmentPaths, verifiedTopic } from '../../harness/topic-files.js';

let drained: SeededDirectory;
beforeAll(async () => {
  drained = await seededDirectory('drained');
});

/** Starts a node on a spoiled copy. */
async function startOn(directory: SeededDirectory): Promise<LanceNode> {
  return startNode({ dataDir: directory.dataDir, config: SMALL_SEGMENTS });
}

function recordsBetween(records: readonly Buffer[], from: bigint, to: bigint): number {
  return offsetsOf(records).filter((offset) => offset >= from && offset < to).length;
}

describe('the directory before it is spoiled', () => {
  it('rotated several times and is whole', () => {
    const files = verifiedTopic(drained.dataDir, 'rotated');
    expect(files.segments.length).toBeGreaterThanOrEqual(4);
    expect(files.stream.equals(drained.topics.rotated.stream)).toBe(true);
  });
});

describe('a sealed segment', () => {
  /** Spoils the second segment of `rotated`; gives where the segment starts and ends in the stream. */
  const spoiling: ReadonlyArray<readonly [string, (path: string) => void]> = [
    ['truncated', (path) => truncate(path, Math.floor(sizeOf(path) / 2))],
    ['truncated to nothing', (path) => truncate(path, 0)],
    ['with one bit flipped in a payload', (path) => flipBit(path, middleBatch(path).position + 133 + 40)],
    ['with one bit flipped in a batch header', (path) => flipBit(path, middleBatch(path).position + 5 + 64)],
    [
      'with one bit flipped in the TLV before a batch header',
      (path) => flipBit(path, middleBatch(path).position + 1),
    ],
    ['with 8 KiB of zeros in the middle', (path) => zero(path, middleBatch(path).position - 100, 8192)],
    ['filled with zeros', (path) => zero(path, 0, sizeOf(path))],
    ['of a newer version', (path) => overwrite(path, 5, Buffer.from('LNB2'))],
    ['that is gone', (path) => rmSync(path)],
  ];
  const middleBatch = (path: string) => {
    const { batches } = readSegment(path);
    const batch = batches[Math.floor(batches.length / 2)];
    if (!batch) throw new Error(`${path} has no batch`);
    return batch;
  };

  it.each(spoiling)(
    '%s: StorageError that names topic and offset, never wrong bytes, the rest is served',
    {
      timeout: 240_000,
    },
    async (_, spoil) => {
      const directory = copyOf(drained);
      const paths = segmentPaths(directory.dataDir, 'rotated');
      const damaged = paths[1] as string;
      const after = readSegment(paths[2] as string);
      spoil(damaged);
      const node = await startOn(directory);
      const connection = await node.connect();
      const result = await readThrough(connection, directory.topics.rotated);
      expect(result.wrong).toEqual([]);
      expect(codesOf(result.errors)).toEqual([ErrorCode.storage]);
      for (const error of result.errors.slice(0, 5)) {
        expect(error.message).toMatch(new RegExp(`rotated|topic ${directory.topics.rotated.id}\\b`, 'i'));
        expect(`${error.message} ${JSON.stringify(error.details)}`).toMatch(/\d/);
        expect(error.message).not.toContain('FORWARD_FAILED');
        expect(error.message).not.toMatch(/catching.?up|no data|empty fetch response/i);
      }
      // What lies in other segments is all there: read one by one, no more is refused than the segment held.
      const inDamaged = recordsBetween(
        directory.topics.rotated.records,
        readStart(damaged),
        after.baseOffset,
      );
      const refused = result.errors.filter(
        (error) => error.offset >= readStart(damaged) && error.offset < after.baseOffset,
      );
      expect(refused.length).toBeLessThanOrEqual(inDamaged);
      expect(result.records).toBeGreaterThanOrEqual(directory.topics.rotated.records.length - inDamaged);
      // The topic goes on, and so do the others.
      await connection.ingestAcked(directory.topics.rotated.id, raw('after the damage'));
      expect(await readThrough(connection, directory.topics.bystander)).toMatchObject({
        records: directory.topics.bystander.records.length,
        errors: [],
        wrong: [],
      });
      connection.close();
      await expectServing(node);
      await node.stop();
    },
  );
  it('that is damaged does not hold back the good records before it from a large fetch', {
    timeout: 240_000,
  }, async () => {
    const directory = copyOf(drained);
    const damaged = segmentPaths(directory.dataDir, 'rotated')[1] as string;
    const start = readStart(damaged);
    zero(damaged, 0, sizeOf(damaged));
    const node = await startOn(directory);
    const connection = await node.connect();
    const { id, records, stream } = directory.topics.rotated;
    const before = offsetsOf(records).filter((offset) => offset < start);
    const from = before.at(-20) as bigint;
    const fetched = await connection.fetch(id, from, 1024 * 1024);
    expect(fetched.nextOffset).toBe(start);
    expect(fetched.data.equals(stream.subarray(Number(from), Number(start)))).toBe(true);
    connection.close();
    await node.stop();
  });

  const readStart = (path: string) => BigInt(/(\d{20})_\d{20}_\d+(?:-\d+)?\.lnc$/.exec(path)?.[1] ?? 0);
});

describe('an active segment', () => {
  const activeOf = (directory: SeededDirectory) => segmentPaths(directory.dataDir, 'small').at(-1) as string;

  it('with garbage after its last batch is cut there, and nothing that was acknowledged goes', {
    timeout: 240_000,
  }, async () => {
    const directory = copyOf(drained);
    const path = activeOf(directory);
    const { dataBytes, fileBytes, state } = readSegment(path);
    expect(state).toBe('active');
    expect(fileBytes - dataBytes).toBeGreaterThan(2_000);
    overwrite(path, dataBytes, Buffer.alloc(1_000, 0xa5));
    const node = await startOn(directory);
    const connection = await node.connect();
    expect(await readThrough(connection, directory.topics.small)).toMatchObject({
      errors: [],
      wrong: [],
      records: 600,
    });
    await connection.ingestAcked(directory.topics.small.id, raw('after the cut'));
    connection.close();
    expect(node.log).toMatch(/small/);
    await node.stop();
    const files = verifiedTopic(directory.dataDir, 'small');
    expect(files.stream.equals(Buffer.concat([directory.topics.small.stream, raw('after the cut')]))).toBe(
      true,
    );
  });

  it('with an old batch of its own after the last one never serves it', { timeout: 240_000 }, async () => {
    const directory = copyOf(drained);
    const path = activeOf(directory);
    const { batches, dataBytes } = readSegment(path);
    const old = batches[0];
    if (!old) throw new Error('no batch');
    const { readFileSync } = await import('node:fs');
    const bytes = readFileSync(path).subarray(old.position, old.position + 133 + old.payload.length);
    overwrite(path, dataBytes, bytes);
    const node = await startOn(directory);
    const connection = await node.connect();
    expect((await connection.fetchAll(directory.topics.small.id)).equals(directory.topics.small.stream)).toBe(
      true,
    );
    connection.close();
    await node.stop();
    verifiedTopic(directory.dataDir, 'small');
  });

  const damage: ReadonlyArray<readonly [string, (path: string) => void]> = [
    ['a bit flipped in its last batch', (path) => flipBit(path, readSegment(path).dataBytes - 20)],
    ['a bit flipped in its first batch', (path) => flipBit(path, 133 + 50)],
    ['its last batch zeroed', (path) => zero(path, readSegment(path).batches.at(-1)?.position ?? 0, 4096)],
    ['its second half cut off', (path) => truncate(path, Math.floor(readSegment(path).dataBytes / 2))],
  ];
  it.each(damage)(
    'with %s after a clean drain is repaired or reported as damage, not cut as a torn tail, never wrong bytes',
    {
      timeout: 240_000,
    },
    async (_, spoil) => {
      const directory = copyOf(drained);
      const path = activeOf(directory);
      spoil(path);
      const node = await startOn(directory);
      const connection = await node.connect();
      const result = await readThrough(connection, directory.topics.small);
      expect(result.wrong).toEqual([]);
      // Either the journal still held those batches and repaired the segment, or they are damage; never a silent cut.
      if (result.records < directory.topics.small.records.length) {
        expect(codesOf(result.errors)).toEqual([ErrorCode.storage]);
        expect(node.log).toMatch(/damage|quarantine/i);
        expect(node.log).toContain('small');
      }
      expect(await readThrough(connection, directory.topics.bystander)).toMatchObject({
        records: 600,
        errors: [],
        wrong: [],
      });
      connection.close();
      await expectServing(node);
      await node.stop();
    },
  );

  it('with a broken last batch after a clean drain refuses writes for the damage, not for an I/O error', {
    timeout: 240_000,
  }, async () => {
    const directory = copyOf(drained);
    // Another clean start and stop: the journal, which would heal it, is not needed any more.
    await (await startOn(directory)).stop();
    const path = activeOf(directory);
    flipBit(path, (readSegment(path).batches.at(-1)?.position ?? 0) + 5 + 64);
    const node = await startOn(directory);
    const connection = await node.connect();
    await connection.ingest(directory.topics.small.id, raw('refused'));
    const error = decodeError(await connection.next());
    expect(error.code).toBe(ErrorCode.storage);
    expect(error.message).toMatch(/stored data is damaged.*lance segment verify/);
    expect(error.message).not.toMatch(/I\/O error|restart/);
    await connection.ingestAcked(directory.topics.bystander.id, raw('taken'));
    connection.close();
    await node.stop();
  });

  it('of a newer version is refused with a message that says so', { timeout: 240_000 }, async () => {
    const directory = copyOf(drained);
    overwrite(activeOf(directory), 5, Buffer.from('LNB2'));
    // Whether the node refuses to start or only that topic is open; that it says so is not.
    const outcome = await startOn(directory).then(
      (node) => node,
      (error: Error) => error,
    );
    if (outcome instanceof Error) {
      expect(outcome.message).toMatch(/newer|version|format/i);
      return;
    }
    const connection = await outcome.connect();
    const result = await readThrough(connection, directory.topics.small);
    expect(result.wrong).toEqual([]);
    expect(result.records).toBe(0);
    expect(outcome.log).toMatch(/newer|version|format/i);
    connection.close();
    await expectServing(outcome);
    await outcome.stop();
  });
});
