import {
  type BatchSeen,
  type BlockSeen,
  chunkBlocks,
  type EntryOfBlock,
  type LogFile,
  openLogFile,
} from '../engine/index.js';
import { unreadable } from './errors.js';
import { recordsOf, type SeenRecord } from './records.js';

/** A block of a journal chunk, and what its entries carry. */
export interface BlockOfChunk {
  block: Omit<BlockSeen, 'entries'>;
  entries: {
    entry: EntryOfBlock;
    /** Of a batch: its header; its position is that in the chunk. */
    batch?: BatchSeen;
    /** Of a batch: its records. */
    records?: () => Generator<SeenRecord, void, undefined>;
  }[];
}

const BLOCKS_AT_ONCE = 4096;
/** docs/formats.md, "Journal": blocks are multiples of this long, with a header of so many bytes. */
const BLOCK_BYTES = 4096;
const BLOCK_HEADER_BYTES = 64;

/**
 * The whole blocks of the journal chunk at `path`, in the order in which they stand, of whatever generation; from the one
 * that holds byte `from` on, or the next. Throws SegmentError where it cannot be opened.
 */
export async function* eachBlock(path: string, from = 0): AsyncGenerator<BlockOfChunk, void, undefined> {
  const file = openLogFile(path);
  if ('message' in file) throw unreadable(path, file);
  try {
    for (let at = 0; ; ) {
      const blocks = chunkBlocks(path, at, BLOCKS_AT_ONCE);
      for (const { entries, ...block } of blocks) {
        at = block.position + 1;
        if (endOf(block) > from) yield { block, entries: entries.map((entry) => carried(file, entry)) };
      }
      if (blocks.length < BLOCKS_AT_ONCE) return;
    }
  } finally {
    file.close();
  }
}

function endOf({ position, length }: { position: number; length: number }): number {
  return position + Math.ceil((BLOCK_HEADER_BYTES + length) / BLOCK_BYTES) * BLOCK_BYTES;
}

function carried(file: LogFile, entry: EntryOfBlock): BlockOfChunk['entries'][number] {
  const [batch] = entry.kind === 'batch' && entry.at !== undefined ? file.headers(entry.at, 1) : [];
  return batch ? { entry, batch, records: () => recordsOf(file, batch) } : { entry };
}
