import { listening, play } from './child.js';

const MiB = 2 ** 20;

/** How the bare pipeline reads: blocks under way. A block below 1 MiB is one operation of a virtio disk, whose requests have 254 pages. */
const READ_WAYS = [
  { block: MiB, depth: 4 },
  { block: MiB / 2, depth: 8 },
];
/** Shortest that is more than a connection's start, seconds. */
export const READ_SECONDS = 0.5;
/** Longest that a log is read for, seconds: more than any takes. */
const WHOLE_LOG_SECONDS = 3_600;

/** What a bare pipeline reads: so many bytes of the file of the floors in `dir`, over and over, from the disk or (not cold) from memory. */
interface BareRead {
  dir: string;
  file: number;
  seconds: number;
  cold: boolean;
}

/** The best of the ways to read ahead; bytes a second, null when it was aborted. */
export async function bestRead(read: BareRead, signal: AbortSignal): Promise<number | null> {
  let best: number | null = null;
  for (const way of READ_WAYS) {
    const bytes = await bareRead(read, signal, way);
    if (bytes !== null) best = Math.max(best ?? 0, bytes);
  }
  return best;
}

/** One pipeline of read, checksum, send and receive; bytes a second, null when it was aborted. */
export async function bareRead(
  { dir, file, seconds, cold }: BareRead,
  signal: AbortSignal,
  way = READ_WAYS[0],
): Promise<number | null> {
  return pipeline({ dir, 'file-bytes': file, cold: cold ? 1 : 0, ...way }, seconds, signal);
}

/** The pipeline that these flags of the native half name, for so long or until it has sent all. */
async function pipeline(
  flags: Readonly<Record<string, string | number>>,
  seconds: number,
  signal: AbortSignal,
): Promise<number | null> {
  if (signal.aborted) return null;
  const { playing, endpoint } = await listening('read', flags);
  try {
    return Number((await play('sink', { endpoint, seconds }, { signal }).result).bytesPerSecond);
  } finally {
    playing.stop();
    await playing.result;
  }
}

/**
 * A log of `bytes` in the folder `dir` of a topic, read as cold as a reader finds it: each way to read ahead has a part of its own, so that
 * none reads what another one has brought into somebody's memory. Bytes a second of the best, null when it was aborted. Throws BenchError,
 * also where a part has no whole block, or the log more segments than the native half opens.
 */
export async function readLog(dir: string, bytes: number, signal: AbortSignal): Promise<number | null> {
  const part = Math.floor(bytes / READ_WAYS.length);
  let best: number | null = null;
  for (const [number, way] of READ_WAYS.entries()) {
    const place = { dir, log: dir, from: number * part, to: (number + 1) * part };
    const speed = await pipeline({ ...place, ...way }, WHOLE_LOG_SECONDS, signal);
    // Half a measurement is none.
    if (signal.aborted || speed === null) return null;
    best = Math.max(best ?? 0, speed);
  }
  return best;
}
