/**
 * The damage corpus: ways to break a data directory that a real node wrote, and what each command must say of it.
 * `lance serve` is the truth that the others agree with. docs/segments.md shows this table.
 */
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { randomBytes } from '../harness/data.js';
import { readSegment } from '../harness/segment-file.js';
import { flipBit, overwrite, sizeOf, truncate, zero } from '../harness/spoil.js';
import {
  activeOf,
  batchAt,
  commitsOf,
  countersOf,
  editJson,
  lastBlock,
  metadataOf,
  renameWithIndex,
  sealedOf,
  smallBlock,
  startOf,
  swap,
} from './breaking.js';

/** A way to break the copy of a seeded directory. */
export interface Damage {
  name: string;
  /** Its node was stopped in order (then the journal is obsolete), or killed (then it is not). */
  directory?: 'drained' | 'killed';
  spoil: (dataDir: string) => void;
  /** A kind of problem that `inspect` and `verify` must tell. */
  finds: string;
  /** How `repair --yes` ends: all is whole again (exit 0), damage is left (3), it refuses (1). */
  repair: 'whole' | 'left' | 'refuses';
  /** What `serve` does: comes up and says nothing of it, comes up and logs this code, refuses. */
  serve: 'silent' | 'refuses' | { says: string };
  /** Whether the topic that is hit, `small`, takes writes after that; unless told, it does where the node comes up. */
  closed?: true;
  /** Records of `bystander` that are given back; 600, all of them, unless told. */
  bystander?: number;
}

const SEALED: readonly Damage[] = [
  // Sealed segments are read by name alone at a start: damage in them is found when somebody reads it.
  {
    name: 'a bit of a payload',
    spoil: (d) => flipBit(sealedOf(d), batchAt(sealedOf(d), 0.5) + 200),
    finds: 'payload',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'a bit of a header',
    spoil: (d) => flipBit(sealedOf(d), batchAt(sealedOf(d), 0.5) + 70),
    finds: 'header',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'a range of zeros',
    spoil: (d) => zero(sealedOf(d), batchAt(sealedOf(d), 0.5), 8192),
    finds: 'header',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'cut inside a batch',
    spoil: (d) => truncate(sealedOf(d), batchAt(sealedOf(d), 0.5) + 50),
    finds: 'end',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'zeros behind its last batch',
    spoil: (d) => truncateSync(sealedOf(d), sizeOf(sealedOf(d)) + 4096),
    finds: 'fill',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'a batch of a newer version',
    spoil: (d) => overwrite(sealedOf(d), 8, Buffer.from('2')),
    finds: 'newer',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'an empty file',
    spoil: (d) => truncate(sealedOf(d), 0),
    finds: 'end',
    repair: 'left',
    serve: 'silent',
  },
  { name: 'missing', spoil: (d) => rmSync(sealedOf(d)), finds: 'gap', repair: 'left', serve: 'silent' },
  {
    name: 'two swapped',
    spoil: (d) => swap(sealedOf(d), sealedOf(d, 2)),
    finds: 'chain',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'twice, under two names',
    spoil: (d) => copyFileSync(sealedOf(d), sealedOf(d).replace(/_(\d+)-/, '_1-')),
    finds: 'duplicate',
    repair: 'refuses',
    serve: 'refuses',
  },
  {
    name: 'the bytes of another topic in it',
    spoil: (d) => copyFileSync(activeOf(d), sealedOf(d)),
    finds: 'foreign',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'renamed: another time',
    spoil: (d) => renameWithIndex(sealedOf(d), (name) => name.replace(/_(\d+)-/, '_1-')),
    finds: 'name',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'renamed: another offset',
    spoil: (d) =>
      renameWithIndex(sealedOf(d), (name) =>
        name.replace(/^\d{20}/, (digits) => String(BigInt(digits) + 1n).padStart(20, '0')),
      ),
    finds: 'chain',
    repair: 'left',
    serve: 'silent',
  },
];

const INDEX: readonly Damage[] = [
  {
    name: 'a bit',
    spoil: (d) => flipBit(sealedOf(d).replace(/lnc$/, 'pos'), 24 + 2),
    finds: 'index',
    repair: 'whole',
    serve: 'silent',
  },
  {
    name: 'a range of zeros',
    spoil: (d) => zero(sealedOf(d).replace(/lnc$/, 'idx'), 24, 48),
    finds: 'index',
    repair: 'whole',
    serve: 'silent',
  },
  {
    name: 'missing',
    spoil: (d) => rmSync(sealedOf(d).replace(/lnc$/, 'idx')),
    finds: 'index',
    repair: 'whole',
    serve: { says: 'index-rebuilt' },
  },
  {
    name: 'cut inside an entry',
    spoil: (d) => truncate(sealedOf(d).replace(/lnc$/, 'idx'), 30),
    finds: 'index',
    repair: 'whole',
    serve: 'silent',
  },
  {
    name: "another segment's",
    spoil: (d) => {
      for (const extension of ['idx', 'pos'])
        copyFileSync(sealedOf(d, 2).replace(/lnc$/, extension), sealedOf(d).replace(/lnc$/, extension));
    },
    finds: 'index',
    repair: 'whole',
    serve: 'silent',
  },
];

const ACTIVE: readonly Damage[] = [
  {
    name: 'a bit of an acknowledged payload',
    spoil: (d) => flipBit(activeOf(d), batchAt(activeOf(d), 1) + 200),
    finds: 'damage',
    repair: 'left',
    serve: { says: 'damage' },
    closed: true,
  },
  {
    // A start reads an active segment from its last index entry on: what is before it is found when it is read.
    name: 'a bit of a header before its last index entry',
    spoil: (d) => flipBit(activeOf(d), batchAt(activeOf(d), 0.5) + 70),
    finds: 'header',
    repair: 'left',
    serve: 'silent',
  },
  {
    name: 'acknowledged batches zeroed',
    spoil: (d) => zero(activeOf(d), batchAt(activeOf(d), 0.5), sizeOf(activeOf(d))),
    finds: 'damage',
    repair: 'left',
    serve: { says: 'damage' },
    closed: true,
  },
  {
    name: 'missing',
    spoil: (d) => {
      const path = activeOf(d);
      for (const extension of ['lnc', 'idx', 'pos']) rmSync(path.replace(/lnc$/, extension));
    },
    finds: 'damage',
    repair: 'left',
    serve: { says: 'damage' },
    closed: true,
  },
  {
    name: 'garbage behind its end',
    spoil: (d) => overwrite(activeOf(d), readSegment(activeOf(d)).dataBytes, randomBytes(3, 500)),
    finds: 'torn',
    repair: 'whole',
    serve: { says: 'torn-tail' },
  },
  {
    name: 'an old batch behind its end',
    spoil: (d) => {
      const [first] = readSegment(activeOf(d)).batches;
      const bytes = readFileSync(activeOf(d)).subarray(0, 133 + (first?.payload.length ?? 0));
      overwrite(activeOf(d), readSegment(activeOf(d)).dataBytes, bytes);
    },
    finds: 'torn',
    repair: 'whole',
    serve: { says: 'torn-tail' },
  },
  {
    name: 'a batch of a newer version',
    spoil: (d) => overwrite(activeOf(d), 8, Buffer.from('2')),
    finds: 'newer',
    repair: 'refuses',
    serve: 'refuses',
  },
];

const SMALL_FILES: readonly Damage[] = [
  {
    name: '`metadata.json`: missing',
    spoil: (d) => rmSync(metadataOf(d)),
    finds: 'missing',
    repair: 'whole',
    serve: { says: 'metadata-rebuilt' },
  },
  {
    name: '`metadata.json`: no JSON',
    spoil: (d) => writeFileSync(metadataOf(d), '{"format":1,'),
    finds: 'format',
    repair: 'whole',
    serve: { says: 'metadata-rebuilt' },
  },
  {
    name: '`metadata.json`: a newer format',
    spoil: (d) => editJson(metadataOf(d), { format: 2 }),
    finds: 'newer',
    repair: 'refuses',
    serve: 'refuses',
  },
  {
    name: '`metadata.json`: another name',
    spoil: (d) => editJson(metadataOf(d), { name: 'other' }),
    finds: 'name',
    repair: 'refuses',
    serve: 'refuses',
  },
  {
    name: '`metadata.json`: an id that is taken',
    spoil: (d) =>
      editJson(metadataOf(d), { id: JSON.parse(readFileSync(metadataOf(d, 'bystander'), 'utf8')).id }),
    finds: 'duplicate',
    repair: 'refuses',
    serve: 'refuses',
  },
  {
    name: "a topic's directory: renamed",
    spoil: (d) => renameSync(dirname(metadataOf(d)), join(d, 'segments', 'renamed')),
    finds: 'name',
    repair: 'refuses',
    serve: 'refuses',
  },
  {
    name: '`quarantine.json`: no JSON',
    spoil: (d) => writeFileSync(join(dirname(metadataOf(d)), 'quarantine.json'), 'gone'),
    finds: 'format',
    repair: 'refuses',
    serve: 'refuses',
  },
  {
    name: '`node.json`: a newer format',
    spoil: (d) => editJson(join(d, 'node.json'), { format: 2 }),
    finds: 'newer',
    repair: 'left',
    serve: 'refuses',
  },
  {
    name: '`node.json`: no JSON',
    spoil: (d) => writeFileSync(join(d, 'node.json'), ''),
    finds: 'format',
    repair: 'left',
    serve: 'refuses',
  },
  {
    name: '`counters.lcf`: cut',
    spoil: (d) => truncate(countersOf(d), 5000),
    finds: 'format',
    repair: 'whole',
    serve: 'silent',
  },
  {
    name: '`counters.lcf`: a newer version',
    spoil: (d) => overwrite(countersOf(d), 4, Buffer.from([2])),
    finds: 'newer',
    repair: 'whole',
    serve: 'silent',
  },
  {
    name: '`offsets.lco`: a bit',
    spoil: (d) => flipBit(commitsOf(d), 20),
    finds: 'checksum',
    repair: 'whole',
    serve: { says: 'commits-damaged' },
  },
  {
    name: '`offsets.lco`: cut inside an entry',
    spoil: (d) => truncate(commitsOf(d), sizeOf(commitsOf(d)) - 5),
    finds: 'checksum',
    repair: 'whole',
    serve: { says: 'commits-damaged' },
  },
  {
    name: '`offsets.lco`: zeros',
    spoil: (d) => zero(commitsOf(d), 0, sizeOf(commitsOf(d))),
    finds: 'format',
    repair: 'whole',
    serve: { says: 'commits-damaged' },
  },
  {
    name: '`offsets.lco`: a newer version',
    spoil: (d) => overwrite(commitsOf(d), 3, Buffer.from('2')),
    finds: 'newer',
    repair: 'refuses',
    serve: 'refuses',
  },
];

const JOURNAL: readonly Damage[] = [
  {
    name: '`start.lns`: a bit',
    spoil: (d) => flipBit(startOf(d), 20),
    finds: 'checksum',
    repair: 'whole',
    serve: { says: 'start-damaged' },
  },
  {
    name: '`start.lns`: a newer version',
    spoil: (d) => overwrite(startOf(d), 3, Buffer.from('2')),
    finds: 'newer',
    repair: 'refuses',
    serve: 'refuses',
  },
  {
    name: 'a chunk that is needed: a bit of a block',
    directory: 'killed',
    spoil: (d) => flipBit(smallBlock(d).path, smallBlock(d).position + 300),
    finds: 'journal-damage',
    repair: 'left',
    serve: { says: 'journal-damage' },
    closed: true,
  },
  {
    name: 'a chunk that is needed: a block of zeros',
    directory: 'killed',
    spoil: (d) => zero(smallBlock(d).path, smallBlock(d).position, 4096),
    finds: 'journal-damage',
    repair: 'left',
    serve: { says: 'journal-damage' },
    closed: true,
  },
  {
    name: 'a chunk that is needed: a bit of its last block',
    directory: 'killed',
    spoil: (d) => flipBit(lastBlock(d).path, lastBlock(d).position + 300),
    finds: 'journal-torn',
    repair: 'whole',
    serve: { says: 'journal-torn' },
    bystander: 550,
  },
  {
    name: 'a chunk: a block of a newer version',
    directory: 'killed',
    spoil: (d) => overwrite(smallBlock(d).path, smallBlock(d).position + 3, Buffer.from('2')),
    finds: 'newer',
    repair: 'refuses',
    serve: 'refuses',
  },
  {
    name: 'a chunk that is not needed: garbage',
    spoil: (d) => {
      mkdirSync(join(d, 'journal'), { recursive: true });
      writeFileSync(join(d, 'journal', '00000099.lnj'), randomBytes(9, 20_000));
    },
    finds: 'format',
    repair: 'whole',
    serve: 'silent',
  },
];

/** All of them, by the part they hit. */
export const CORPUS: Readonly<Record<string, readonly Damage[]>> = {
  'a sealed segment': SEALED,
  'an index': INDEX,
  'an active segment': ACTIVE,
  'small files': SMALL_FILES,
  'the journal': JOURNAL,
};
