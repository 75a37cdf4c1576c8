import { type BatchSeen, openLogFile } from '../engine/index.js';
import { unreadable } from './errors.js';
import { parseSegmentName } from './names.js';
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
    for await (const batch of wholeBatches(file, { sealed, from, ...(passed && { passed }) }))
      yield { batch, records: () => recordsOf(file, batch, from) };
  } finally {
    file.close();
  }
}
