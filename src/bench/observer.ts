import type { Moment } from './result.js';

/** Who watches a bench. */
export interface Observer {
  /** A part begins: what it is, and about how many seconds it takes. */
  part(what: string, seconds: number): void;
  /** What the load came to in the last quarter of a second. */
  moment(moment: Moment): void;
  /** Something that a person should know about the result. */
  note(text: string): void;
}

/** Nobody watches. */
export const NOBODY: Observer = { part: () => undefined, moment: () => undefined, note: () => undefined };
