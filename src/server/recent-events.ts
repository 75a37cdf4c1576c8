import type { LogEntry } from '../engine/index.js';
import { sentenceOf } from '../engine/sentences.js';
import type { NumberedEvent } from '../sampling/index.js';
import { RateLimit } from './log.js';

/** Events that are remembered. */
const KEPT = 256;

const LEVELS = { debug: 'info', info: 'info', warn: 'warning', error: 'error' } as const;

/** The last things that happened on this node, for `lance top` (docs/operations.md, "The admin endpoint"). */
export class RecentEvents {
  readonly #all: NumberedEvent[] = [];
  readonly #own: NumberedEvent[] = [];
  readonly #limit = new RateLimit();
  #next = 0;

  /** `topicName` gives a topic's name by id. */
  constructor(private readonly topicName: (id: number) => string) {}

  /** Oldest first. */
  get all(): readonly NumberedEvent[] {
    return this.#all;
  }

  /** Those of the control plane itself: the engine's stand in the counters file, too. */
  get own(): readonly NumberedEvent[] {
    return this.#own;
  }

  /** Keeps what the engine tells, at most one a second of each kind and topic. */
  hear(entry: LogEntry): void {
    const { level, text } = sentenceOf(entry, this.topicName);
    const kind = `${entry.event}/${'topic' in entry ? entry.topic : ''}${'limit' in entry ? entry.limit : ''}`;
    const held = this.#limit.pass(kind);
    if (held === undefined) return;
    this.#keep(LEVELS[level], held > 0 ? `${text} (and ${held} more like it)` : text, this.#all);
  }

  /** Keeps what the control plane itself has done. */
  add(level: NumberedEvent['level'], text: string): void {
    this.#keep(level, text, this.#all, this.#own);
  }

  #keep(level: NumberedEvent['level'], text: string, ...lists: NumberedEvent[][]): void {
    const event = { number: this.#next, atMs: Date.now(), level, text };
    this.#next += 1;
    for (const list of lists) {
      list.push(event);
      if (list.length > KEPT) list.shift();
    }
  }
}
