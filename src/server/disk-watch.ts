import { statfs } from 'node:fs/promises';
import type { Logger } from 'pino';
import { roundedSize } from '../config/index.js';
import type { Engine } from '../engine/index.js';

/** Writes are taken again when this share more than the limit is free, so that it does not flap. */
const HYSTERESIS = 1.05;

/** Refuses writes while less than `minFree` bytes are free where the data lies (`limits.min_free_disk`). */
export class DiskWatch {
  #refusing = false;
  #free: number | undefined;

  /** `free` asks the system; a test brings another. */
  constructor(
    private readonly path: string,
    private readonly minFree: number,
    private readonly engine: Pick<Engine, 'refuseWrites'>,
    private readonly log: Pick<Logger, 'warn' | 'info'>,
    private readonly free: (path: string) => Promise<number> = freeBytes,
  ) {}

  /** Why writes are refused; undefined while they are taken. */
  get reason(): string | undefined {
    if (!this.#refusing) return undefined;
    return `writes are refused: ${roundedSize(this.#free ?? 0)} are free and limits.min_free_disk is ${roundedSize(this.minFree)}`;
  }

  /** Bytes free at the last look. */
  get freeBytes(): number | undefined {
    return this.#free;
  }

  /** Looks, and tells the engine when that changes something. Rejects when the file system does not answer. */
  async look(): Promise<void> {
    const free = await this.free(this.path);
    this.#free = free;
    const refuse = this.#refusing ? free < this.minFree * HYSTERESIS : free < this.minFree;
    if (refuse === this.#refusing) return;
    this.#refusing = refuse;
    this.engine.refuseWrites(refuse);
    if (refuse) this.log.warn({ freeBytes: free }, `${this.reason}; reads go on`);
    else this.log.info({ freeBytes: free }, `writes are taken again: ${roundedSize(free)} are free`);
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
