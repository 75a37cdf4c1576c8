import { type CpuSet, parseCpuList, parseCpuMask } from '../cpuset.js';
import type { FactTree } from '../tree.js';

/** Collects what could not be read or understood, a path once. */
export class Problems {
  readonly #found = new Map<string, string>();
  /** Parsed texts: a cache shared by a thousand CPUs says so a thousand times. */
  readonly #parsed = new Map<string, CpuSet>();

  add(path: string, problem: string): void {
    if (!this.#found.has(path)) this.#found.set(path, problem);
  }

  all(): { path: string; problem: string }[] {
    return [...this.#found].map(([path, problem]) => ({ path, problem }));
  }

  /** A CPU list from a file; undefined where there is none, or where it is malformed, which is noted. */
  cpuList(tree: FactTree, path: string): CpuSet | undefined {
    // Kernels with CONFIG_NO_HZ_FULL and no nohz_full= print a null pointer's name.
    return this.#parse(tree, path, 'list', (text) => (text.trim() === '(null)' ? [] : parseCpuList(text)));
  }

  /** A CPU mask from a file; undefined where there is none, or where it is malformed, which is noted. */
  cpuMask(tree: FactTree, path: string): CpuSet | undefined {
    return this.#parse(tree, path, 'mask', (text) => (text.trim() === '' ? [] : parseCpuMask(text)));
  }

  /** A CPU list that stood inside a file; undefined where it is malformed, which is noted. */
  parsedList(path: string, text: string): CpuSet | undefined {
    return this.#guard(path, () => parseCpuList(text));
  }

  #parse(tree: FactTree, path: string, form: string, parse: (text: string) => CpuSet): CpuSet | undefined {
    const text = tree.raw(path);
    if (text === undefined) return undefined;
    return this.#guard(`/${path}`, () => {
      const key = `${form} ${text}`;
      const cpus = this.#parsed.get(key) ?? parse(text);
      this.#parsed.set(key, cpus);
      return cpus;
    });
  }

  #guard(path: string, parse: () => CpuSet): CpuSet | undefined {
    try {
      return parse();
    } catch (error) {
      this.add(path, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
}
