import { open, readFile, rename } from 'node:fs/promises';
import { countersLength, readCounters, type Snapshot } from '../counters/index.js';
import { TEMPORARY } from './durable-file.js';

/** The live counters, read once. Rejects with the system's error or CountersError. */
export async function readLiveCounters(path: string): Promise<Snapshot> {
  return readCounters(await readFile(path));
}

/** Copies the live counters, cut behind the last value, to `to`: for the post-mortem (docs/formats.md, "Counters"). */
export async function copyCounters(live: string, to: string): Promise<void> {
  const bytes = await readFile(live);
  const end = countersLength(bytes);
  const file = await open(`${to}${TEMPORARY}`, 'w');
  try {
    await file.writeFile(bytes.subarray(0, end));
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${to}${TEMPORARY}`, to);
}
