import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Size at which `lance.log` becomes `lance.log.1`; so a data directory holds at most twice as much of logs. */
const MAX_BYTES = 1024 * 1024;

/**
 * The last lines of a node's log in its data directory, as JSON, for a post-mortem where nobody kept stderr. Until `open`
 * lines are kept in memory: the directory may be another node's. A line that cannot be written is dropped; the log
 * itself goes to stderr.
 */
export class LogFile {
  #kept: string[] = [];
  #path: string | undefined;
  #file = -1;
  #bytes = 0;

  constructor(private readonly maxBytes: number = MAX_BYTES) {}

  /** Writes into `dataDir` from now on, behind what is there; the directory is locked by this process. */
  open(dataDir: string): void {
    this.#path = join(dataDir, 'lance.log');
    for (const line of this.#kept.splice(0)) this.write(line);
  }

  /** Appends a line, its end included. */
  write(line: string): void {
    if (this.#path === undefined) {
      this.#kept.push(line);
      return;
    }
    try {
      if (this.#file < 0) this.#open(this.#path);
      this.#bytes += writeSync(this.#file, line);
      if (this.#bytes >= this.maxBytes) this.#rotate(this.#path);
    } catch {
      // A full disk is told on stderr and by /readyz.
    }
  }

  /** Opens the file by its name again: somebody has moved it away. */
  reopen(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #open(path: string): void {
    this.#file = openSync(path, 'a', 0o640);
    this.#bytes = fstatSync(this.#file).size;
  }

  #rotate(path: string): void {
    closeSync(this.#file);
    this.#file = -1;
    renameSync(path, `${path}.1`);
  }
}
