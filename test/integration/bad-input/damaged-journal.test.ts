/**
 * A journal that was spoiled after a SIGKILL, when part of what was acknowledged stands in it alone, and metadata that
 * is gone. What can no longer be read cannot be given back; but nothing wrong is ever given, nothing goes silently, and
 * the other topics are served.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectServing } from '../../harness/expectations.js';
import { ErrorCode } from '../../harness/lwp.js';
import { type LanceNode, startNode } from '../../harness/node.js';
import {
  codesOf,
  copyOf,
  readThrough,
  SEEDED_TOPICS,
  type SeededDirectory,
  SMALL_SEGMENTS,
  seededDirectory,
} from '../../harness/seeded-directory.js';
import { flipBit, overwrite, sizeOf, truncate, zero } from '../../harness/spoil.js';
import { readMetadata, segmentPaths, topicDirectory, verifiedTopic } from '../../harness/topic-files.js';

const BLOCK = 4096;

/** Journal chunks of a directory, those with content first found. */
function chunks(dataDir: string): string[] {
  const directory = join(dataDir, 'journal');
  return readdirSync(directory)
    .filter((name) => name.endsWith('.lnj'))
    .sort()
    .map((name) => join(directory, name));
}

/** Positions of the 4 KiB blocks of a chunk that start a journal block (formats.md, "Journal"). */
function journalBlocks(path: string): number[] {
  const bytes = readFileSync(path);
  const found: number[] = [];
  for (let at = 0; at < bytes.length; at += BLOCK)
    if (bytes.toString('latin1', at, at + 4) === 'LNJ1') found.push(at);
  return found;
}

/** The chunk with the most blocks, and where they start. */
function busiest(dataDir: string): { path: string; blocks: number[] } {
  const all = chunks(dataDir).map((path) => ({ path, blocks: journalBlocks(path) }));
  const best = all.sort((a, b) => b.blocks.length - a.blocks.length)[0];
  if (!best || best.blocks.length < 4)
    throw new Error('the journal holds fewer than four blocks: nothing to spoil');
  return best;
}

async function startOn(directory: SeededDirectory): Promise<LanceNode> {
  return startNode({ dataDir: directory.dataDir, config: SMALL_SEGMENTS });
}

describe('after a SIGKILL with everything acknowledged', () => {
  let killed: SeededDirectory;
  beforeAll(async () => {
    killed = await seededDirectory('killed');
  });

  it('an unspoiled journal gives everything back', { timeout: 240_000 }, async () => {
    const directory = copyOf(killed);
    const node = await startOn(directory);
    const connection = await node.connect();
    for (const topic of SEEDED_TOPICS) {
      const { records } = directory.topics[topic];
      expect(await readThrough(connection, directory.topics[topic])).toEqual({
        records: records.length,
        errors: [],
        wrong: [],
      });
    }
    connection.close();
    await node.stop();
    for (const topic of SEEDED_TOPICS) {
      expect(verifiedTopic(directory.dataDir, topic).stream.equals(directory.topics[topic].stream)).toBe(
        true,
      );
    }
  });

  const middle = (blocks: number[]) => blocks[Math.floor(blocks.length / 2)] as number;
  const spoiling: ReadonlyArray<readonly [string, (path: string, blocks: number[]) => void]> = [
    ['a bit flipped in a block in the middle', (path, blocks) => flipBit(path, middle(blocks) + 200)],
    [
      'a bit flipped in the header of a block in the middle',
      (path, blocks) => flipBit(path, middle(blocks) + 9),
    ],
    ['a bit flipped in its last block', (path, blocks) => flipBit(path, (blocks.at(-1) as number) + 100)],
    ['a block in the middle zeroed', (path, blocks) => zero(path, middle(blocks), BLOCK)],
    ['its second half zeroed', (path, blocks) => zero(path, middle(blocks), sizeOf(path))],
    ['its second half cut off', (path, blocks) => truncate(path, middle(blocks))],
    ['all of it zeroed', (path) => zero(path, 0, sizeOf(path))],
    [
      'a block in the middle replaced by an older one',
      (path, blocks) =>
        overwrite(
          path,
          middle(blocks),
          readFileSync(path).subarray(blocks[0], (blocks[0] as number) + BLOCK),
        ),
    ],
  ];
  it.each(spoiling)(
    'a journal chunk with %s loses no more than it held, says so, and never gives wrong bytes',
    {
      timeout: 240_000,
    },
    async (_, spoil) => {
      const directory = copyOf(killed);
      const { path, blocks } = busiest(directory.dataDir);
      spoil(path, blocks);
      const node = await startOn(directory);
      const connection = await node.connect();
      let missing = 0;
      for (const topic of SEEDED_TOPICS) {
        const result = await readThrough(connection, directory.topics[topic]);
        expect(result.wrong).toEqual([]);
        expect(
          codesOf(result.errors).filter(
            (code) => code !== ErrorCode.storage && code !== ErrorCode.offsetOutOfRange,
          ),
        ).toEqual([]);
        missing += directory.topics[topic].records.length - result.records;
      }
      // What is gone was acknowledged: an operator must be able to see it.
      if (missing > 0) expect(node.log).toMatch(/journal|damage|quarantine|cut/i);
      connection.close();
      await expectServing(node);
      await node.stop();
      for (const topic of SEEDED_TOPICS) {
        if (missing === 0) verifiedTopic(directory.dataDir, topic);
      }
    },
  );

  it('a chunk of a newer version is refused with a message that says so', { timeout: 240_000 }, async () => {
    const directory = copyOf(killed);
    const { path, blocks } = busiest(directory.dataDir);
    for (const at of blocks) overwrite(path, at, Buffer.from('LNJ2'));
    await expect(startOn(directory)).rejects.toThrow(/newer|version|format/i);
  });
});

describe('metadata.json', () => {
  let drained: SeededDirectory;
  beforeAll(async () => {
    drained = await seededDirectory('drained');
  });

  const spoiling: ReadonlyArray<readonly [string, (path: string) => void]> = [
    ['missing', (path) => renameSync(path, `${path}.moved`)],
    ['empty', (path) => truncate(path, 0)],
    ['no JSON', (path) => writeFileSync(path, '{"format":1,')],
    ['a list', (path) => writeFileSync(path, '[]')],
  ];
  const expectWhole = async (directory: SeededDirectory) => {
    const node = await startOn(directory);
    const connection = await node.connect();
    expect(await readThrough(connection, directory.topics.small)).toEqual({
      records: 600,
      errors: [],
      wrong: [],
    });
    connection.close();
    await node.stop();
  };

  it.each(spoiling)(
    'that is %s is named, and the topic is not lost',
    { timeout: 240_000 },
    async (how, spoil) => {
      const directory = copyOf(drained);
      const path = join(topicDirectory(directory.dataDir, 'small'), 'metadata.json');
      const whole = readFileSync(path);
      spoil(path);
      const node = await startOn(directory).catch((error: Error) => error);
      const said = node instanceof Error ? node.message : node.log;
      expect(said).toContain('small');
      expect(said).toContain('metadata.json');
      if (node instanceof Error) {
        // A node may refuse to guess at content; what is merely missing must not keep the others from being served.
        expect(how).not.toBe('missing');
        writeFileSync(path, whole);
        await expectWhole(directory);
        return;
      }
      const connection = await node.connect();
      expect(await readThrough(connection, directory.topics.bystander)).toMatchObject({
        records: 600,
        errors: [],
        wrong: [],
      });
      // Rebuilt from its batches, or left alone until an operator comes: never emptied, never its id given away.
      const small = await readThrough(connection, directory.topics.small);
      expect(small.wrong).toEqual([]);
      const fresh = await connection.createTopic('created-meanwhile');
      expect(Object.values(directory.topics).map((topic) => topic.id)).not.toContain(fresh);
      connection.close();
      await expectServing(node);
      await node.stop();
      expect(segmentPaths(directory.dataDir, 'small').length).toBeGreaterThan(0);
      if (small.records < directory.topics.small.records.length) {
        writeFileSync(path, whole);
        await expectWhole(directory);
      }
    },
  );

  it('of a newer format is refused with a message that says so', { timeout: 240_000 }, async () => {
    const directory = copyOf(drained);
    const path = join(topicDirectory(directory.dataDir, 'small'), 'metadata.json');
    writeFileSync(path, JSON.stringify({ ...readMetadata(directory.dataDir, 'small'), format: 2 }));
    const outcome = await startOn(directory).then(
      (node) => node,
      (error: Error) => error,
    );
    const said = outcome instanceof Error ? outcome.message : outcome.log;
    expect(said).toMatch(/newer|version|format/i);
    expect(said).toContain('small');
    if (!(outcome instanceof Error)) {
      const connection = await outcome.connect();
      expect((await readThrough(connection, directory.topics.small)).records).toBe(0);
      connection.close();
      await expectServing(outcome);
      await outcome.stop();
    }
    expect(readMetadata(directory.dataDir, 'small').format).toBe(2);
  });
});
