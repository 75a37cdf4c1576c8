import { existsSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withFile } from './open.js';
import { endOfBytes } from './scan.js';

const PIECE = 1024 * 1024;
const BLOCK = 4096;

/** Where the bytes of a cut go, by number where a name is taken by other bytes (docs/formats.md, "Names with `~`"). */
export function keptName(path: string, at: number, number = 0): string {
  return `${path}.~cut-${at}${number === 0 ? '' : `.${number}`}`;
}

/**
 * Keeps what stands from `at` on beside the file, durably, then puts zeros in its place, up to a whole block. Interrupted
 * anywhere it can be done again: a copy that is there already is not made twice, and nothing is zeroed before it is durable.
 */
export async function cutTail(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    const to = await withFile(path, (log) => endOfBytes(log, at));
    if (to > at) await keep(file, path, at, to);
    const zeros = Buffer.alloc(PIECE);
    // From the end on: what an interruption leaves is the start of what was kept.
    for (let end = to; end > at; ) {
      const from = Math.max(at, end - PIECE);
      await writeFully(file, zeros.subarray(0, end - from), from);
      end = from;
    }
    if (size % BLOCK !== 0) await file.truncate(Math.ceil(size / BLOCK) * BLOCK);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function keep(file: FileHandle, path: string, at: number, to: number): Promise<void> {
  for (let number = 0; ; number++) {
    const name = keptName(path, at, number);
    if (existsSync(name)) {
      if (await isCopy(name, file, at, to)) return;
      continue;
    }
    await copy(file, at, to, `${name}~`);
    await rename(`${name}~`, name);
    await flushDirectory(dirname(path));
    return;
  }
}

/** Writes bytes `at` to `to` into a file of their own; one that an interruption left half is written over. */
async function copy(file: FileHandle, at: number, to: number, name: string): Promise<void> {
  const kept = await open(name, 'w');
  try {
    for (let from = at; from < to; from += PIECE) {
      const piece = await read(file, from, Math.min(PIECE, to - from));
      // Zeros stay a hole: a tail may be torn at its start and its end only.
      if (piece.some((byte) => byte !== 0)) await writeFully(kept, piece, from - at);
    }
    await kept.sync();
  } finally {
    await kept.close();
  }
}

async function isCopy(name: string, file: FileHandle, at: number, to: number): Promise<boolean> {
  const kept = await open(name, 'r');
  try {
    if ((await kept.stat()).size !== to - at) return false;
    for (let from = at; from < to; from += PIECE) {
      const length = Math.min(PIECE, to - from);
      if (!(await read(kept, from - at, length)).equals(await read(file, from, length))) return false;
    }
    return true;
  } finally {
    await kept.close();
  }
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

async function writeFully(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

/** Gives a file that nobody needs a name that no reader takes for anything else; one that had it before goes. */
export async function moveAside(path: string): Promise<void> {
  await rename(path, `${path}.~damaged`);
  await flushDirectory(dirname(path));
}

async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
