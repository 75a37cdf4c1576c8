/** The oracle itself: it accepts a directory written by the book (formats.md) and names every departure from it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { crc32c } from './checksum.js';
import { raw, tlv } from './lwp.js';
import { tempDir } from './temp.js';
import { readTopicFiles } from './topic-files.js';

interface BatchFields {
  payload: Buffer;
  recordCount: number;
  previous: number;
  timestampNs: bigint;
  sequence: bigint;
  baseRecord: bigint;
  baseOffset: bigint;
  /** Changes the 128 bytes before their checksum is computed. */
  edit: ((header: Buffer) => void) | undefined;
}

function batch(fields: BatchFields): { bytes: Buffer; checksum: number } {
  const header = Buffer.alloc(128);
  header.write('LNB1', 0, 'latin1');
  header.writeUInt32LE(fields.previous, 8);
  header.writeUInt32LE(crc32c(fields.payload), 12);
  header.writeUInt32LE(fields.payload.length, 16);
  header.writeUInt32LE(fields.recordCount, 20);
  header.writeUInt32LE(7, 28);
  header.writeUInt32LE(1, 32);
  header.writeBigUInt64LE(fields.timestampNs, 40);
  header.writeBigUInt64LE((1n << 48n) | fields.sequence, 48);
  header.writeBigUInt64LE(fields.baseRecord, 56);
  header.writeBigUInt64LE(fields.baseOffset, 64);
  fields.edit?.(header);
  header.writeUInt32LE(crc32c(header.subarray(8)), 4);
  return { bytes: Buffer.concat([tlv(0, header), fields.payload]), checksum: header.readUInt32LE(4) };
}

interface Directory {
  sealed: Buffer[];
  active: Buffer[];
  idx: Buffer[];
  pos: Buffer[];
  fill: Buffer;
  sealedName: string;
}

function entry(first: bigint, second: bigint, position: bigint): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(first, 0);
  bytes.writeBigUInt64LE(second, 8);
  bytes.writeBigUInt64LE(position, 16);
  return bytes;
}

/** Two batches in a sealed segment, one in the active one; `change` may spoil it before it is written. */
function directory(
  change: (parts: Directory) => void = () => undefined,
  edits: Partial<Record<0 | 1 | 2, (header: Buffer) => void>> = {},
): string {
  const payload = Buffer.concat([raw('a'), raw('bb')]);
  const size = BigInt(payload.length);
  const common = { payload, recordCount: 2 };
  const first = batch({
    ...common,
    previous: 0,
    timestampNs: 100n,
    sequence: 0n,
    baseRecord: 0n,
    baseOffset: 0n,
    edit: edits[0],
  });
  const second = batch({
    ...common,
    previous: first.checksum,
    timestampNs: 100n,
    sequence: 2n,
    baseRecord: 2n,
    baseOffset: size,
    edit: edits[1],
  });
  const third = batch({
    ...common,
    previous: second.checksum,
    timestampNs: 300n,
    sequence: 0n,
    baseRecord: 4n,
    baseOffset: 2n * size,
    edit: edits[2],
  });
  const stem = `${'0'.repeat(20)}_${'0'.repeat(20)}_100`;
  const parts: Directory = {
    sealed: [first.bytes, second.bytes],
    active: [third.bytes],
    idx: [entry(100n, 1n << 48n, 0n), entry(100n, (1n << 48n) | 2n, BigInt(first.bytes.length))],
    pos: [entry(0n, 0n, 0n), entry(size, 2n, BigInt(first.bytes.length))],
    fill: Buffer.alloc(4096),
    sealedName: `${stem}-100`,
  };
  change(parts);
  const dataDir = tempDir('oracle');
  const topic = join(dataDir, 'segments', 't');
  mkdirSync(topic, { recursive: true });
  const metadata = { format: 1, id: 7, name: 't', created_at: 1, topic_epoch: 1, durability: 'durable' };
  writeFileSync(join(topic, 'metadata.json'), JSON.stringify(metadata));
  const activeStem = `${String(2n * size).padStart(20, '0')}_${'4'.padStart(20, '0')}_300`;
  const files: ReadonlyArray<readonly [string, Buffer]> = [
    [`${parts.sealedName}.lnc`, Buffer.concat(parts.sealed)],
    [`${parts.sealedName}.idx`, Buffer.concat(parts.idx)],
    [`${parts.sealedName}.pos`, Buffer.concat(parts.pos)],
    [`${activeStem}.lnc`, Buffer.concat([...parts.active, parts.fill])],
    [`${activeStem}.idx`, entry(300n, 1n << 48n, 0n)],
    [`${activeStem}.pos`, entry(2n * size, 4n, 0n)],
  ];
  for (const [name, bytes] of files) writeFileSync(join(topic, name), bytes);
  return dataDir;
}

function problemsOf(dataDir: string): string {
  return readTopicFiles(dataDir, 't').problems.join('\n');
}

describe('the oracle of topic directories', () => {
  it('accepts a directory written by the book and gives its records', () => {
    const files = readTopicFiles(directory(), 't');
    expect(files.problems).toEqual([]);
    expect(files.segments.map((segment) => segment.state)).toEqual(['sealed', 'active']);
    expect(files.records.map((record) => record.value.toString())).toEqual(['a', 'bb', 'a', 'bb', 'a', 'bb']);
    expect(files.records.map((record) => record.record)).toEqual([0n, 1n, 2n, 3n, 4n, 5n]);
    expect(files.records.map((record) => record.offset)).toEqual([0n, 6n, 13n, 19n, 26n, 32n]);
  });

  const flip = (bytes: Buffer[], batchIndex: number, at: number) => {
    const target = bytes[batchIndex] as Buffer;
    target[at] = (target[at] as number) ^ 0x10;
  };
  const cases: ReadonlyArray<readonly [string, string, () => string]> = [
    ['a flipped payload bit', 'payload checksum', () => directory((parts) => flip(parts.sealed, 1, 133 + 6))],
    ['a flipped header bit', 'header checksum', () => directory((parts) => flip(parts.sealed, 0, 5 + 72))],
    ['a wrong magic', 'magic', () => directory((parts) => flip(parts.active, 0, 5))],
    ['a dirty fill', 'fill is not zero', () => directory((parts) => flip([parts.fill], 0, 1000))],
    [
      'fill in a sealed segment',
      'bytes follow the last batch',
      () => directory((parts) => parts.sealed.push(Buffer.alloc(10))),
    ],
    [
      'a cut batch',
      'overruns the file',
      () => directory((parts) => parts.sealed.push((parts.sealed[1] as Buffer).subarray(0, 140))),
    ],
    ['a missing batch', 'the chain is broken', () => directory((parts) => parts.sealed.pop())],
    [
      'a wrong end in the name',
      "name's end",
      () =>
        directory((parts) => {
          parts.sealedName = parts.sealedName.replace('-100', '-99');
        }),
    ],
    [
      'a lying index',
      'no batch starts',
      () =>
        directory((parts) => {
          parts.idx[1] = entry(100n, 2n, 50n);
          parts.pos[1] = entry(13n, 2n, 50n);
        }),
    ],
    [
      'an index with another key',
      "its key is not the batch's",
      () =>
        directory((parts) => {
          parts.idx[0] = entry(101n, 1n << 48n, 0n);
        }),
    ],
    ['indexes of unequal length', 'entries, .pos', () => directory((parts) => parts.pos.pop())],
    [
      'no index entry for the first batch',
      'first batch',
      () =>
        directory((parts) => {
          parts.idx.shift();
          parts.pos.shift();
        }),
    ],
    [
      'a wrong record count',
      'the header claims',
      () => directory(undefined, { 1: (header) => header.writeUInt32LE(3, 20) }),
    ],
    [
      'a foreign topic id',
      'topic id 9',
      () => directory(undefined, { 2: (header) => header.writeUInt32LE(9, 28) }),
    ],
    [
      'a key that does not rise',
      'sort key',
      () => directory(undefined, { 2: (header) => header.writeBigUInt64LE(50n, 40) }),
    ],
    [
      'an offset gap',
      'base offset',
      () => directory(undefined, { 1: (header) => header.writeBigUInt64LE(14n, 64) }),
    ],
    [
      'a record gap',
      'base record',
      () => directory(undefined, { 1: (header) => header.writeBigUInt64LE(3n, 56) }),
    ],
    [
      'a durable offset from the future',
      'durable offset',
      () => directory(undefined, { 1: (header) => header.writeBigUInt64LE(14n, 80) }),
    ],
    [
      'an unknown flag',
      'flags 0x2',
      () => directory(undefined, { 1: (header) => header.writeUInt16LE(2, 24) }),
    ],
    [
      'a reserved byte that is not 0',
      'are not 0',
      () => directory(undefined, { 1: (header) => header.writeUInt8(1, 120) }),
    ],
  ];
  it.each(cases)('names %s', (_, sentence, build) => {
    expect(problemsOf(build())).toContain(sentence);
  });
});
