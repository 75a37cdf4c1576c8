import { dirname } from 'node:path';
import { type BatchSeen, openLogFile } from '../engine/index.js';
import { unreadable } from './errors.js';
import { indexedStart } from './index-file.js';
import { parseSegmentName, type SegmentName } from './names.js';
import { type Address, type Passed, recordsOf, type SeenRecord, wholeBatches } from './records.js';

/** A whole batch, and its records from the address on. */
export interface EachBatch {
  batch: BatchSeen;
  records: () => Generator<SeenRecord, void, undefined>;
}

/** The whole batches of the segment at `path` from an address on. Throws SegmentError where it cannot be opened. */
export async function* eachBatch(
  path: string,
  from?: Address,
  passed?: (gap: Passed) => void,
): AsyncGenerator<EachBatch, void, undefined> {
  const file = openLogFile(path);
  if ('message' in file) throw unreadable(path, file);
  try {
    const sealed = parseSegmentName(path)?.endNs !== undefined;
    const start = from === undefined ? 0 : await indexedStart(path, file, from);
    for await (const batch of wholeBatches(file, { sealed, from, start, ...(passed && { passed }) }))
      yield { batch, records: () => recordsOf(file, batch, from) };
  } finally {
    file.close();
  }
}

/** Of the paths, in order, those of segments that may hold the address or what comes behind it, by their names alone. */
export function segmentsFrom(paths: readonly string[], address: Address): string[] {
  return paths.filter((path, at) => {
    const next = paths[at + 1];
    const name = next !== undefined && dirname(next) === dirname(path) ? parseSegmentName(next) : undefined;
    if (!name) return true;
    return startsBeyond(name, address);
  });
}

function startsBeyond({ baseOffset, baseRecord, startNs }: SegmentName, { kind, value }: Address): boolean {
  switch (kind) {
    case 'offset':
      return baseOffset > value;
    case 'record':
      return baseRecord > value;
    case 'time':
      return startNs >= value;
    case 'key':
      return startNs >= value >> 64n;
    case 'byte':
      return true;
  }
}
