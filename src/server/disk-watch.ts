import { statfs } from 'node:fs/promises';
import type { Logger } from 'pino';
import { roundedSize } from '../config/index.js';
import type { Engine } from '../engine/index.js';
import type { Condition } from './conditions.js';

/** Writes are taken again when this share more than the limit is free, so that it does not flap. */
const HYSTERESIS = 1.05;

/** Unless the limit was set by somebody, it is at most this share of the file system: a small one is not full at once. */
const MOST_OF_A_DISK = 0.05;

/** Free space and size of a file system, bytes. */
export interface DiskSpace {
  free: number;
  total: number;
}

/** Refuses writes while too little is free where the data lies (`limits.min_free_disk`). */
export class DiskWatch {
  /** When refusing began, s since 1970; undefined while writes are taken. */
  #since: number | undefined;
  #free: number | undefined;
  #least: number;

  /** `minFree.exact` tells whether somebody set the limit. `space` asks the system; a test brings another. */
  constructor(
    private readonly path: string,
    private readonly minFree: { bytes: number; exact: boolean },
    private readonly engine: Pick<Engine, 'refuseWrites'>,
    private readonly log: Pick<Logger, 'warn' | 'info'>,
    private readonly space: (path: string) => Promise<DiskSpace> = spaceOf,
  ) {
    this.#least = minFree.bytes;
  }

  /** Why writes are refused; undefined while they are taken. */
  get reason(): string | undefined {
    if (this.#since === undefined) return undefined;
    return `writes are refused: ${roundedSize(this.#free ?? 0)} are free and limits.min_free_disk is ${roundedSize(this.#least)}`;
  }

  /** What `/readyz` says of it. */
  get condition(): Pick<Condition, 'message' | 'sinceAt'> | undefined {
    const message = this.reason;
    return message === undefined || this.#since === undefined ? undefined : { message, sinceAt: this.#since };
  }

  /** Bytes free at the last look. */
  get freeBytes(): number | undefined {
    return this.#free;
  }

  /** Looks, and tells the engine when that changes something. Rejects when the file system does not answer. */
  async look(): Promise<void> {
    const { free, total } = await this.space(this.path);
    const { bytes, exact } = this.minFree;
    this.#free = free;
    this.#least = exact ? bytes : Math.min(bytes, Math.floor(total * MOST_OF_A_DISK));
    const refusing = this.#since !== undefined;
    const refuse = refusing ? free < this.#least * HYSTERESIS : free < this.#least;
    if (refuse === refusing) return;
    this.#since = refuse ? Math.floor(Date.now() / 1000) : undefined;
    this.engine.refuseWrites(refuse);
    if (refuse) this.log.warn({ freeBytes: free }, `${this.reason}; reads go on`);
    else this.log.info({ freeBytes: free }, `writes are taken again: ${roundedSize(free)} are free`);
  }
}

async function spaceOf(path: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { free: bavail * bsize, total: blocks * bsize };
}
