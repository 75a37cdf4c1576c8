/** Where the files of a seeded directory are, and ways to break them that take more than a call. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readSegment } from '../harness/segment-file.js';
import { segmentPaths } from '../harness/topic-files.js';
import { blocksOf } from './journal-blocks.js';

export const sealedOf = (dataDir: string, n = 1) => segmentPaths(dataDir, 'rotated')[n] as string;
export const activeOf = (dataDir: string) => segmentPaths(dataDir, 'small').at(-1) as string;
export const metadataOf = (dataDir: string, topic = 'small') =>
  join(dataDir, 'segments', topic, 'metadata.json');
export const startOf = (dataDir: string) => join(dataDir, 'journal', 'start.lns');
export const commitsOf = (dataDir: string) => join(dataDir, 'consumers', 'offsets.lco');
export const countersOf = (dataDir: string) => join(dataDir, 'counters.lcf');

export function batchAt(path: string, part: number): number {
  const { batches } = readSegment(path);
  return batches[Math.floor((batches.length - 1) * part)]?.position ?? 0;
}

export function editJson(path: string, change: Record<string, unknown>): void {
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));
}

/** A block in the middle of those that carry batches of `small`. */
export function smallBlock(dataDir: string) {
  const { id } = JSON.parse(readFileSync(metadataOf(dataDir), 'utf8'));
  const blocks = blocksOf(dataDir).filter(({ topics }) => topics.includes(id));
  const block = blocks[Math.floor(blocks.length / 2)];
  if (!block) throw new Error('the journal holds nothing of `small`');
  return block;
}

export function lastBlock(dataDir: string) {
  const block = blocksOf(dataDir).at(-1);
  if (!block) throw new Error('the journal is empty');
  return block;
}

export function swap(a: string, b: string): void {
  renameSync(a, `${a}.swap`);
  renameSync(b, a);
  renameSync(`${a}.swap`, b);
}

/** Renames a segment and its indexes. */
export function renameWithIndex(path: string, to: (name: string) => string): void {
  for (const extension of ['lnc', 'idx', 'pos']) {
    const from = path.replace(/lnc$/, extension);
    renameSync(from, join(dirname(from), to(basename(from))));
  }
}
