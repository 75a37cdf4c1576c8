/** Blocks of a journal, found by docs/formats.md alone. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '../harness/checksum.js';

/** A whole block. */
export interface JournalBlock {
  path: string;
  position: number;
  sequence: bigint;
  /** Topics whose batches it carries. */
  topics: number[];
}

const BLOCK = 4096;
const HEADER = 64;

/** The whole blocks of all chunks, in the order of their sequence. */
export function blocksOf(dataDir: string): JournalBlock[] {
  const folder = join(dataDir, 'journal');
  const chunks = readdirSync(folder).filter((name) => name.endsWith('.lnj'));
  return chunks
    .flatMap((name) => blocksIn(join(folder, name)))
    .sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
}

function blocksIn(path: string): JournalBlock[] {
  const bytes = readFileSync(path);
  const blocks: JournalBlock[] = [];
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 28);
    const end = at + HEADER + length;
    const whole =
      bytes.toString('latin1', at, at + 4) === 'LNJ1' &&
      end <= bytes.length &&
      bytes.readUInt32LE(at + 4) === crc32c(bytes.subarray(at + 8, end));
    if (whole) {
      const topics = topicsIn(bytes.subarray(at + HEADER, end));
      blocks.push({ path, position: at, sequence: bytes.readBigUInt64LE(at + 16), topics });
    }
    at += whole ? Math.ceil((HEADER + length) / BLOCK) * BLOCK : BLOCK;
  }
  return blocks;
}

function topicsIn(entries: Buffer): number[] {
  const topics: number[] = [];
  for (let at = 0; at + 8 <= entries.length; ) {
    const length = entries.readUInt32LE(at + 4);
    if (entries[at] === 1) topics.push(entries.readUInt32LE(at + 8));
    at += Math.ceil((8 + length) / 8) * 8;
  }
  return topics;
}
