/** Runs asynchronous work one piece after the other, in the order in which it was given. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when everything given before has ended, well or not. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
