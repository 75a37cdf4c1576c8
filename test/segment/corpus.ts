/**
 * The damage corpus: ways to break a data directory that a real node wrote and drained, and what each command must say of
 * it. `lance serve` is the truth that the others agree with.
 */
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { randomBytes } from '../harness/data.js';
import { readSegment } from '../harness/segment-file.js';
import { flipBit, overwrite, sizeOf, truncate, zero } from '../harness/spoil.js';
import { segmentPaths } from '../harness/topic-files.js';

/** A way to break the copy of a seeded directory. */
export interface Damage {
  name: string;
  spoil: (dataDir: string) => void;
  /** A kind of problem that `verify` must tell. */
  verify: string;
  /** What `repair --yes` ends with: 0 all is whole again, 3 damage is left, 1 it refuses. */
  repair: 0 | 1 | 3;
  /** What `serve` does: comes up and says nothing of it, comes up and logs it, refuses. */
  serve: 'silent' | 'says' | 'refuses';
}

const sealedOf = (dataDir: string) => segmentPaths(dataDir, 'rotated')[1] as string;
const activeOf = (dataDir: string) => segmentPaths(dataDir, 'small').at(-1) as string;
const metadataOf = (dataDir: string, topic = 'small') => join(dataDir, 'segments', topic, 'metadata.json');

function batchAt(path: string, part: number): number {
  const { batches } = readSegment(path);
  return batches[Math.floor((batches.length - 1) * part)]?.position ?? 0;
}

function editJson(path: string, change: Record<string, unknown>): void {
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));
}

/** All of them, by the part they hit. */
export const CORPUS: readonly Damage[] = [
  // Sealed segments are read by name alone at a start: damage in them is found when somebody reads it.
  {
    name: 'sealed: a bit of a payload',
    spoil: (d) => flipBit(sealedOf(d), batchAt(sealedOf(d), 0.5) + 200),
    verify: 'payload',
    repair: 3,
    serve: 'silent',
  },
  {
    name: 'sealed: a bit of a header',
    spoil: (d) => flipBit(sealedOf(d), batchAt(sealedOf(d), 0.5) + 70),
    verify: 'header',
    repair: 3,
    serve: 'silent',
  },
  {
    name: 'sealed: a range of zeros',
    spoil: (d) => zero(sealedOf(d), batchAt(sealedOf(d), 0.5), 8192),
    verify: 'header',
    repair: 3,
    serve: 'silent',
  },
  {
    name: 'sealed: cut inside a batch',
    spoil: (d) => truncate(sealedOf(d), batchAt(sealedOf(d), 0.5) + 50),
    verify: 'end',
    repair: 3,
    serve: 'silent',
  },
  {
    name: 'sealed: a newer version',
    spoil: (d) => overwrite(sealedOf(d), 8, Buffer.from('2')),
    verify: 'newer',
    repair: 3,
    serve: 'silent',
  },
  { name: 'sealed: missing', spoil: (d) => rmSync(sealedOf(d)), verify: 'gap', repair: 3, serve: 'silent' },
  {
    name: 'sealed: two swapped',
    spoil: (d) => swap(sealedOf(d), segmentPaths(d, 'rotated')[2] as string),
    verify: 'chain',
    repair: 3,
    serve: 'silent',
  },
  {
    name: 'sealed: twice, under two names',
    spoil: (d) => copyFileSync(sealedOf(d), sealedOf(d).replace(/_(\d+)-/, '_1-')),
    verify: 'duplicate',
    repair: 1,
    serve: 'refuses',
  },
  {
    name: 'sealed: another topic in its name',
    spoil: (d) => copyFileSync(activeOf(d), sealedOf(d)),
    verify: 'foreign',
    repair: 3,
    serve: 'silent',
  },
  {
    name: 'index: a bit',
    spoil: (d) => flipBit(sealedOf(d).replace(/lnc$/, 'pos'), 24 + 2),
    verify: 'index',
    repair: 0,
    serve: 'silent',
  },
  {
    name: 'index: missing',
    spoil: (d) => rmSync(sealedOf(d).replace(/lnc$/, 'idx')),
    verify: 'index',
    repair: 0,
    serve: 'says',
  },
  {
    name: 'index: cut inside an entry',
    spoil: (d) => truncate(sealedOf(d).replace(/lnc$/, 'idx'), 30),
    verify: 'index',
    repair: 0,
    serve: 'silent',
  },
  {
    name: 'active: a bit of an acknowledged payload',
    spoil: (d) => flipBit(activeOf(d), batchAt(activeOf(d), 1) + 200),
    verify: 'damage',
    repair: 3,
    serve: 'says',
  },
  {
    name: 'active: acknowledged batches zeroed',
    spoil: (d) => zero(activeOf(d), batchAt(activeOf(d), 0.5), sizeOf(activeOf(d))),
    verify: 'damage',
    repair: 3,
    serve: 'says',
  },
  {
    name: 'active: garbage behind its end',
    spoil: (d) => overwrite(activeOf(d), readSegment(activeOf(d)).dataBytes, randomBytes(3, 500)),
    verify: 'torn',
    repair: 0,
    serve: 'says',
  },
  {
    name: 'metadata: missing',
    spoil: (d) => rmSync(metadataOf(d)),
    verify: 'missing',
    repair: 0,
    serve: 'says',
  },
  {
    name: 'metadata: no JSON',
    spoil: (d) => writeFileSync(metadataOf(d), '{"format":1,'),
    verify: 'format',
    repair: 0,
    serve: 'says',
  },
  {
    name: 'metadata: a newer format',
    spoil: (d) => editJson(metadataOf(d), { format: 2 }),
    verify: 'newer',
    repair: 1,
    serve: 'refuses',
  },
  {
    name: 'metadata: another name',
    spoil: (d) => editJson(metadataOf(d), { name: 'other' }),
    verify: 'name',
    repair: 1,
    serve: 'refuses',
  },
  {
    name: 'metadata: an id that is taken',
    spoil: (d) =>
      editJson(metadataOf(d), { id: JSON.parse(readFileSync(metadataOf(d, 'bystander'), 'utf8')).id }),
    verify: 'duplicate',
    repair: 1,
    serve: 'refuses',
  },
  {
    name: 'topic directory: renamed',
    spoil: (d) => renameSync(dirname(metadataOf(d)), join(d, 'segments', 'renamed')),
    verify: 'name',
    repair: 1,
    serve: 'refuses',
  },
  {
    name: 'node.json: a newer format',
    spoil: (d) => editJson(join(d, 'node.json'), { format: 2 }),
    verify: 'newer',
    repair: 3,
    serve: 'refuses',
  },
  {
    name: 'journal: a bit of start.lns',
    spoil: (d) => flipBit(join(d, 'journal', 'start.lns'), 20),
    verify: 'checksum',
    repair: 0,
    serve: 'says',
  },
];

function swap(a: string, b: string): void {
  renameSync(a, `${a}.swap`);
  renameSync(b, a);
  renameSync(`${a}.swap`, b);
}
