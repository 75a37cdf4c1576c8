import { derive } from './derive.js';
import type { RawSample } from './raw.js';
import type { Reading } from './reading.js';
import type { Source } from './source.js';

/** Follows one node: each look, with the one before, becomes a Reading. */
export class Watcher {
  #before: RawSample | undefined;
  #previous: Reading | undefined;

  constructor(private readonly source: Source) {}

  /** As a person names the node. */
  get name(): string {
    return this.source.name;
  }

  /** The topic that is looked at closely from now on. */
  focus(topic: number | undefined): void {
    this.source.focus?.(topic);
  }

  /** Looks once. Never rejects. */
  async look(): Promise<Reading> {
    const observation = await this.source.observe();
    const reading = derive(this.source.name, observation, this.#before, this.#previous);
    if (observation.kind === 'sample') this.#before = observation.sample;
    this.#previous = reading;
    return reading;
  }
}
