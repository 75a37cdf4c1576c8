import type { LogEntry } from '../engine/index.js';
import type { NumberedEvent } from '../sampling/index.js';
import { RateLimit, sentenceOf } from './log.js';

/** Events that are remembered. */
const KEPT = 256;

/** The last things that happened on this node, for `lance top` (docs/operations.md, "The admin endpoint"). */
export class RecentEvents {
  readonly #events: NumberedEvent[] = [];
  readonly #limit = new RateLimit();
  #next = 0;

  /** `topicName` gives a topic's name by id. */
  constructor(private readonly topicName: (id: number) => string) {}

  /** Oldest first. */
  get all(): readonly NumberedEvent[] {
    return this.#events;
  }

  /** Keeps what the engine tells, at most one a second of each kind and topic. */
  hear(entry: LogEntry): void {
    const { level, text } = sentenceOf(entry, this.topicName);
    const kind = `${entry.event}/${'topic' in entry ? entry.topic : ''}${'limit' in entry ? entry.limit : ''}`;
    const held = this.#limit.pass(kind);
    if (held === undefined) return;
    this.add(LEVELS[level], held > 0 ? `${text} (and ${held} more like it)` : text);
  }

  /** Keeps what the control plane itself has done. */
  add(level: NumberedEvent['level'], text: string): void {
    this.#events.push({ number: this.#next, atMs: Date.now(), level, text });
    this.#next += 1;
    if (this.#events.length > KEPT) this.#events.shift();
  }
}

const LEVELS = { debug: 'info', info: 'info', warn: 'warning', error: 'error' } as const;
