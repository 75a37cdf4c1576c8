import { existsSync } from 'node:fs';
import type { BatchSeen, LogFile } from '../engine/index.js';
import { siblingOf } from './names.js';
import { withFile } from './open.js';
import type { ProblemList } from './problems.js';
import type { Address } from './records.js';

/** Bytes of an entry in either file (formats.md, "Sparse indexes"). */
export const ENTRY_BYTES = 24;
const ENTRIES_AT_ONCE = 4096;

/** One ordinal of both indexes. */
export interface IndexEntry {
  ordinal: number;
  timestampNs: bigint;
  nodeActorSequence: bigint;
  baseOffset: bigint;
  baseRecord: bigint;
  /** By the `.idx`, and by the `.pos`: the same, or the entry is wrong. */
  position: bigint;
  posPosition: bigint;
}

/** What a look at a segment's indexes gave. */
export interface IndexReport {
  /** Whole entries in both files. */
  entries: number;
  /** Those that the segment confirms. */
  valid: number;
}

/** What is expected of an index. */
export interface IndexExpectations {
  /** Where the segment's batches end. */
  end: number;
  /** The segment's indexes must be there: it stands in a topic's directory. */
  required: boolean;
  /** Entries may tell of what only the journal has, and one file may be an entry ahead. */
  growing: boolean;
}

/** A stretch of both indexes: whole entries, as many in the one as in the other. */
interface Piece {
  /** Ordinal of the first entry. */
  ordinal: number;
  count: number;
  idx: Buffer;
  pos: Buffer;
}

async function* pieces(path: string): AsyncGenerator<Piece, void, undefined> {
  for (let ordinal = 0; ; ) {
    const [idx, pos] = await Promise.all(
      (['idx', 'pos'] as const).map((extension) =>
        withFile(siblingOf(path, extension), async (file) =>
          file.read(ordinal * ENTRY_BYTES, ENTRIES_AT_ONCE * ENTRY_BYTES),
        ),
      ),
    );
    const count = Math.floor(Math.min(idx?.length ?? 0, pos?.length ?? 0) / ENTRY_BYTES);
    if (!idx || !pos || count === 0) return;
    const bytes = count * ENTRY_BYTES;
    yield { ordinal, count, idx: idx.subarray(0, bytes), pos: pos.subarray(0, bytes) };
    ordinal += count;
  }
}

/** The entries of both indexes of the segment at `path`, in order. */
export async function* indexEntries(path: string): AsyncGenerator<IndexEntry, void, undefined> {
  for await (const { idx, pos, ordinal, count } of pieces(path))
    for (let n = 0; n < count; n++) {
      const entry = entryOf(idx, pos, n * ENTRY_BYTES, ordinal + n);
      if (entry) yield entry;
    }
}

/** The entry at byte `from` of both; undefined where one of them ends before it does. */
function entryOf(idx: Buffer, pos: Buffer, from: number, ordinal: number): IndexEntry | undefined {
  if (Math.min(idx.length, pos.length) < from + ENTRY_BYTES) return undefined;
  return {
    ordinal,
    timestampNs: idx.readBigUInt64LE(from),
    nodeActorSequence: idx.readBigUInt64LE(from + 8),
    position: idx.readBigUInt64LE(from + 16),
    baseOffset: pos.readBigUInt64LE(from),
    baseRecord: pos.readBigUInt64LE(from + 8),
    posPosition: pos.readBigUInt64LE(from + 16),
  };
}

/** Compares the indexes of the segment at `path`, which is open as `segment`, with it; what does not hold goes to `problems`. */
export async function checkIndex(
  path: string,
  segment: LogFile,
  expected: IndexExpectations,
  problems: ProblemList,
): Promise<IndexReport> {
  const sizes = await sizesOf(path);
  if (sizes === undefined) {
    if (expected.required)
      problems.add('index', 0, 'there is no index; a start or `repair` writes it from the segment');
    return { entries: 0, valid: 0 };
  }
  if (typeof sizes === 'string') {
    problems.add('index', 0, `there is no ${sizes}; a start or \`repair\` writes both from the segment`);
    return { entries: 0, valid: 0 };
  }
  const { idx, pos } = sizes;
  const entries = Math.floor(Math.min(idx, pos) / ENTRY_BYTES);
  const ragged = idx !== pos || idx % ENTRY_BYTES !== 0;
  if (ragged && !expected.growing) {
    const detail = `the .idx has ${idx} bytes and the .pos ${pos}, which must be the same and whole entries of ${ENTRY_BYTES}`;
    problems.add('index', entries * ENTRY_BYTES, detail);
  }
  let valid = 0;
  let before = -1n;
  for await (const { idx, pos, ordinal, count } of pieces(path)) {
    // Nearly all are right, which the addon tells at once; the first of a piece is compared with the piece before.
    const suspects = new Set(await segment.unconfirmed(idx, pos, expected.end)).add(0);
    valid += count - suspects.size;
    for (const n of suspects) {
      const last = n > 0 ? entryOf(idx, pos, (n - 1) * ENTRY_BYTES, ordinal + n - 1)?.position : before;
      const entry = entryOf(idx, pos, n * ENTRY_BYTES, ordinal + n);
      const wrong = entry && judge(entry, segment, expected, last ?? -1n);
      if (wrong === undefined) valid += 1;
      else if (wrong !== AHEAD)
        problems.add('index', (ordinal + n) * ENTRY_BYTES, `entry ${ordinal + n} ${wrong}`);
    }
    before = entryOf(idx, pos, (count - 1) * ENTRY_BYTES, 0)?.position ?? before;
  }
  if (entries === 0 && expected.end > 0 && !expected.growing && !ragged)
    problems.add('index', 0, 'the index is empty; there is always an entry for the first batch');
  return { entries, valid };
}

/**
 * Position of the last batch with an index entry that does not lie behind the address, found by halves; 0 where the
 * indexes have none that the segment, open as `segment`, confirms: an index is never believed.
 */
export async function indexedStart(path: string, segment: LogFile, address: Address): Promise<number> {
  const sizes = await sizesOf(path);
  if (typeof sizes !== 'object') return 0;
  return withFile(siblingOf(path, 'idx'), (idx) =>
    withFile(siblingOf(path, 'pos'), async (pos) => {
      let [low, high] = [0, Math.floor(Math.min(sizes.idx, sizes.pos) / ENTRY_BYTES)];
      let start = 0;
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        const at = middle * ENTRY_BYTES;
        const entry = entryOf(idx.read(at, ENTRY_BYTES), pos.read(at, ENTRY_BYTES), 0, middle);
        if (!entry) return start;
        const [batch] = entry.position <= SAFE ? segment.headers(Number(entry.position), 1) : [];
        const holds = batch !== undefined && differs(entry, batch) === undefined;
        if (!holds) high = middle;
        else if (liesBefore(entry, address)) [low, start] = [middle + 1, batch.position];
        else high = middle;
      }
      return start;
    }),
  );
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** Whether nothing at or behind the address stands before the entry's batch; of two batches of one time the first counts. */
function liesBefore(entry: IndexEntry, { kind, value }: Address): boolean {
  switch (kind) {
    case 'offset':
      return entry.baseOffset <= value;
    case 'record':
      return entry.baseRecord <= value;
    case 'byte':
      return entry.position <= value;
    case 'time':
      return entry.timestampNs < value;
    case 'key':
      return ((entry.timestampNs << 64n) | entry.nodeActorSequence) <= value;
  }
}

const AHEAD = 'ahead';

function judge(
  entry: IndexEntry,
  segment: LogFile,
  { end, growing }: IndexExpectations,
  before: bigint,
): string | undefined {
  const { position, posPosition, ordinal } = entry;
  const allZero = entry.timestampNs === 0n && entry.nodeActorSequence === 0n && position === 0n;
  if (allZero && ordinal > 0) return growing ? AHEAD : 'is zeros';
  if (position !== posPosition)
    return `points at byte ${position} by the .idx and at ${posPosition} by the .pos`;
  if (ordinal === 0 && position !== 0n)
    return `points at byte ${position}; the first is for the first batch, at byte 0`;
  if (position <= before) return `points at byte ${position}, not beyond the entry before it`;
  if (position >= BigInt(end)) return growing ? AHEAD : `points at byte ${position}, beyond the last batch`;
  const [batch] = segment.headers(Number(position), 1);
  if (!batch) return `points at byte ${position}, where no batch starts`;
  return differs(entry, batch);
}

function differs(entry: IndexEntry, batch: BatchSeen): string | undefined {
  const place = `the batch at byte ${batch.position}`;
  if (entry.timestampNs !== batch.timestampNs || entry.nodeActorSequence !== batch.nodeActorSequence)
    return `has another key than ${place}`;
  if (entry.baseOffset !== batch.baseOffset)
    return `says offset ${entry.baseOffset}, ${place} ${batch.baseOffset}`;
  if (entry.baseRecord !== batch.baseRecord)
    return `says record ${entry.baseRecord}, ${place} ${batch.baseRecord}`;
  return undefined;
}

/** Bytes of both files; the one that is missing; undefined when both are. */
async function sizesOf(path: string): Promise<{ idx: number; pos: number } | '.idx' | '.pos' | undefined> {
  const [idx, pos] = [siblingOf(path, 'idx'), siblingOf(path, 'pos')];
  if (!existsSync(idx) && !existsSync(pos)) return undefined;
  if (!existsSync(idx)) return '.idx';
  if (!existsSync(pos)) return '.pos';
  const size = (name: string) => withFile(name, async (file) => file.size());
  return { idx: await size(idx), pos: await size(pos) };
}
