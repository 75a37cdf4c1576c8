import { closeSync, constants, lstatSync, openSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TopologyError } from '../errors.js';
import { resolveIn, targetBelow } from '../tree.js';

/** The files of a machine as apply and revert touch them. Paths start at the machine's top (`/proc/irq/25/smp_affinity_list`). */
export interface MachineFiles {
  /** The bytes of a file as Latin-1. Throws what node:fs throws. */
  read(path: string): string;
  /** Replaces what a file holds in one write, as `echo` would; never makes a file. Throws what node:fs throws. */
  write(path: string, text: string): void;
}

/** The files below a root directory. Links are followed inside it only: nothing above `root` is ever written. */
export class RootFiles implements MachineFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  read(path: string): string {
    return readFileSync(this.locate(path), 'latin1');
  }

  write(path: string, text: string): void {
    const fd = openSync(this.locate(path), constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW);
    try {
      // The kernel takes a steering file's value from a single write.
      writeSync(fd, text, null, 'latin1');
    } finally {
      closeSync(fd);
    }
  }

  /** Where a path of the machine stands on this disk. Raises UNSAFE_PATH where its links turn in a circle. */
  locate(path: string): string {
    const real = resolveIn(path, (at) => {
      try {
        const absolute = join(this.#root, at);
        return lstatSync(absolute).isSymbolicLink()
          ? targetBelow(this.#root, readlinkSync(absolute))
          : undefined;
      } catch {
        return undefined; // not there: opening it will say so
      }
    });
    if (real === undefined)
      throw new TopologyError('UNSAFE_PATH', `${path} is a circle of links`, 'look at it by hand');
    return join(this.#root, real);
  }
}
