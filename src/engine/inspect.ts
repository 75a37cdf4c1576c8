import { basename, dirname } from 'node:path';
import type * as Native from '../../native/addon/engine.js';
import { addon } from './addon.js';

export type {
  BatchSeen,
  BlockSeen,
  ChunkReport,
  EntryOfBlock,
  FileError,
  RecoverOptions,
  RecoverOutcome,
  Stretch,
  WantedBatch,
} from '../../native/addon/engine.js';

/** A file that is looked at; it stays the same one when it is renamed or removed meanwhile. Close it when done. */
export type LogFile = Native.LogFile;

/** Opens a regular file to be looked at, or says what the system has against it. */
export function openLogFile(path: string): LogFile | Native.FileError {
  const { LogFile } = addon();
  const file = new LogFile();
  return file.open(path) ?? file;
}

/** Reads a journal chunk whole and says what is in it. */
export function inspectChunk(path: string): Promise<Native.ChunkReport> {
  return addon().inspectChunk(dirname(path), basename(path));
}

/** Up to `most` blocks of a journal chunk from byte `from` on. */
export function chunkBlocks(path: string, from: number, most: number): Native.BlockSeen[] {
  return addon().chunkBlocks(dirname(path), basename(path), from, most);
}

/** Recovers a data directory as a start of a node does; a rehearsal changes nothing and only says what it would do. */
export function recoverDirectory(options: Native.RecoverOptions): Promise<Native.RecoverOutcome> {
  return addon().recoverDirectory(options);
}

/** Writes both indexes of a segment anew, from the segment alone; `everyBytes` as `index.every_bytes`. */
export function rebuildIndex(path: string, everyBytes: number): Promise<Native.IndexOutcome> {
  return addon().rebuildIndex(dirname(path), basename(path, '.lnc'), everyBytes);
}
