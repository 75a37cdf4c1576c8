/** Something that does not hold (cli.md, `lance segment inspect`). */
export interface Problem {
  /**
   * `header`, `payload`, `chain`, `foreign`, `records`, `read`, `fill`, `end`: of a batch; `torn`: the end of a segment that
   * was being written, nothing of it was acknowledged; `empty`: such a one without any batch; `damage`: what a start of the node finds missing; `name`, `index`,
   * `newer`; between segments `gap`, `overlap`, `duplicate`; of other files `format`, `missing`, `checksum`, `quarantine`.
   */
  kind: string;
  /** Byte position in the file; for an index in the `.idx`. */
  at: number;
  /** One sentence for a person. */
  detail: string;
}

/** Problems listed of one file; the others are counted. */
export const MOST_PROBLEMS = 1000;

/** The problems of one file, bounded, so that garbage does not fill the memory. */
export class ProblemList {
  readonly list: Problem[] = [];
  private more = 0;

  add(kind: string, at: number, detail: string): void {
    if (this.list.length < MOST_PROBLEMS) this.list.push({ kind, at, detail });
    else this.more += 1;
  }

  has(kind: string): boolean {
    return this.list.some((problem) => problem.kind === kind);
  }

  /** In order of position, with a last one that counts those left out. */
  all(): Problem[] {
    const sorted = [...this.list].sort((a, b) => a.at - b.at);
    const last = sorted.at(-1);
    return this.more > 0 && last
      ? [...sorted, { kind: 'more', at: last.at, detail: `${this.more} more problems are not listed` }]
      : sorted;
  }
}
