import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { countersLength, readCounters, type Snapshot } from '../counters/index.js';
import { discard, TEMPORARY } from './durable-file.js';

/** The live counters, read once. Rejects with the system's error or CountersError. */
export async function readLiveCounters(path: string): Promise<Snapshot> {
  return readCounters(await readFile(path));
}

/** Bytes that are copied at a time. */
const PIECE = 256 * 1024;
const PAGE = 4096;
const EMPTY = Buffer.alloc(PAGE);

/** Copies the live counters, cut behind the last value, to `to`: for the post-mortem (docs/formats.md, "Counters"). */
export async function copyCounters(live: string, to: string): Promise<void> {
  const name = `${to}${TEMPORARY}`;
  const from = await open(live);
  try {
    const draft = await open(name, 'w');
    try {
      await copyFilled(from, draft);
      await draft.datasync();
    } finally {
      await draft.close();
    }
    await rename(name, to);
  } catch (error) {
    discard(name);
    throw error;
  } finally {
    await from.close();
  }
}

/** Piece by piece, so that it takes little memory; the tables are mostly empty, and holes cost neither room nor time. */
async function copyFilled(from: FileHandle, to: FileHandle): Promise<void> {
  const piece = Buffer.alloc(PIECE);
  let end = 0;
  for (let at = 0; at === 0 || at < end; at += PIECE) {
    const { bytesRead } = await from.read(piece, 0, PIECE, at);
    const bytes = piece.subarray(0, bytesRead);
    if (at === 0) end = countersLength(bytes);
    for (const [first, last] of filledRuns(bytes.subarray(0, Math.max(0, end - at)))) {
      // A disk that fills up takes a part first: the rest must fail, not be a hole.
      for (let next = first; next < last; ) {
        next += (await to.write(bytes, next, last - next, at + next)).bytesWritten;
      }
    }
    if (bytesRead < PIECE) end = Math.min(end, at + bytesRead);
  }
  await to.truncate(end);
}

/** Runs of pages that hold anything but zeros, each from its first byte to the one behind its last. */
function filledRuns(bytes: Buffer): [from: number, to: number][] {
  const runs: [number, number][] = [];
  for (let at = 0; at < bytes.length; at += PAGE) {
    const end = Math.min(at + PAGE, bytes.length);
    if (bytes.compare(EMPTY, 0, end - at, at, end) === 0) continue;
    const last = runs.at(-1);
    if (last?.[1] === at) last[1] = end;
    else runs.push([at, end]);
  }
  return runs;
}
