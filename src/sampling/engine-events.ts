import type { EventRow, Tables } from '../counters/index.js';
import { sentenceOf } from '../engine/sentences.js';
import type { LogEntry } from '../engine/types.js';
import type { NumberedEvent } from './raw.js';

const LEVELS = { debug: 'info', info: 'info', warn: 'warning', error: 'error' } as const;

/** Follows the engine's events in a counters file: each row is put into words once. */
export class EngineEvents {
  #startNs = 0n;
  #events: NumberedEvent[] = [];

  /** All events that the file has now, oldest first; `topicName` gives a topic's name by id. */
  read(
    startNs: bigint,
    tables: Tables | undefined,
    topicName: (id: number) => string,
  ): readonly NumberedEvent[] {
    if (startNs !== this.#startNs) {
      // Another process writes, and counts from 1.
      this.#startNs = startNs;
      this.#events = [];
    }
    const rows = tables?.events ?? [];
    const last = this.#events.at(-1)?.number ?? 0;
    const oldest = rows[0]?.number ?? 0;
    const fresh = rows.filter((row) => row.number > last).flatMap((row) => inWords(row, topicName));
    this.#events = [...this.#events.filter((event) => event.number >= oldest), ...fresh];
    return this.#events;
  }
}

function inWords(row: EventRow, topicName: (id: number) => string): NumberedEvent[] {
  const entry = entryOf(row);
  if (entry === undefined) return [];
  const { level, text } = sentenceOf(entry, topicName);
  return [{ number: row.number, atMs: row.atNs / 1e6, level: LEVELS[level], text }];
}

/** The event as the engine told it to the control plane; nothing for a kind of a newer engine. */
export function entryOf({ kind, topic, numbers: [a, b, c], text }: EventRow): LogEntry | undefined {
  const [first = '', second = ''] = text.split('\n');
  switch (kind) {
    case 1:
      return { event: 'badPeer', peer: second, what: first, unreported: BigInt(a) };
    case 2:
      return { event: 'connectionLimit', peer: first, limit: a };
    case 3:
      return { event: 'segmentOpened', topic, baseOffset: BigInt(a) };
    case 4:
      return { event: 'segmentSealed', topic, baseOffset: BigInt(a), end: BigInt(b) };
    case 5:
      return { event: 'segmentsRemoved', topic, belowOffset: BigInt(a), segments: b, bytes: BigInt(c) };
    case 6:
      return { event: 'topicFrozen', topic, offset: BigInt(a), errno: b, what: first };
    case 7:
      return { event: 'journalFailed', errno: b, what: first };
    case 8:
      return { event: 'damageFound', topic, offset: BigInt(a) };
    case 9:
      return { event: 'limitHit', limit: first, times: BigInt(a) };
    case 10:
      return { event: 'background', what: first, path: second, errno: b };
    case 11:
      return { event: 'backpressure', pauses: BigInt(a), paused: BigInt(b) };
    default:
      return undefined;
  }
}
