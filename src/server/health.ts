import { HEARTBEAT_STALE_NS, isAlive, type Snapshot } from '../counters/index.js';
import type { LogEntry } from '../engine/index.js';
import type { Catalogue } from './catalogue.js';
import { type Condition, type ConditionCode, Conditions } from './conditions.js';
import { words } from './errors.js';

/** Codes of reasons that make `/healthz` fail, too. */
const DEAD: readonly ConditionCode[] = ['ENGINE_HANGS', 'COUNTERS_UNREADABLE'];

/** What `/readyz` says: `reasons` keep the node from some of its work, `warnings` want an operator's eye. */
export interface Readiness {
  reasons: Condition[];
  warnings: Condition[];
}

/** What a node's health is told from. */
export interface HealthParts {
  /** Reads the live counters. */
  counters: () => Promise<Snapshot>;
  catalogue: Pick<Catalogue, 'nameOf' | 'has'>;
  /** Why writes are refused for want of space and since when; undefined while they are taken. */
  disk: () => Pick<Condition, 'message' | 'sinceAt'> | undefined;
  /** Ms since 1970. */
  clock?: () => number;
}

/** Follows what the engine and the control plane tell, and knows what is wrong and since when. */
export class Health {
  readonly #parts: Required<HealthParts>;
  readonly #reasons: Conditions;
  readonly #warnings: Conditions;

  constructor(parts: HealthParts) {
    this.#parts = { clock: Date.now, ...parts };
    const seconds = () => Math.floor(this.#parts.clock() / 1000);
    this.#reasons = new Conditions(seconds);
    this.#warnings = new Conditions(seconds);
  }

  /** The node takes nothing new any more. */
  draining(): void {
    this.#reasons.raise('DRAINING', 'the node is draining');
  }

  /** A topic takes no writes until the node is started again. */
  frozen(topic: number): void {
    const name = this.#parts.catalogue.nameOf(topic);
    this.#warnings.raise('TOPIC_FROZEN', `topic ${name} is frozen and takes no writes`, { topic });
  }

  /**
   * Why a drain cannot have brought everything acknowledged into the segments: a frozen topic's last batches may stand in
   * the journal alone. Undefined where it did.
   */
  leftInJournal(): string | undefined {
    const { catalogue } = this.#parts;
    const has = (id: number) => catalogue.has(id);
    const causes = [...this.#reasons.list(), ...this.#warnings.list(has)].filter(
      ({ code }) => code === 'JOURNAL_FAILED' || code === 'TOPIC_FROZEN',
    );
    return causes.length > 0 ? causes.map(({ message }) => message).join('; ') : undefined;
  }

  /** Takes notice of what the engine logs. */
  hear(entry: LogEntry): void {
    if (entry.event === 'topicFrozen') this.frozen(entry.topic);
    if (entry.event === 'damageFound') {
      const name = this.#parts.catalogue.nameOf(entry.topic);
      const text = `topic ${name} has damaged bytes, last met at offset ${entry.offset}`;
      this.#warnings.raise('DAMAGE', text, { topic: entry.topic });
    }
    if (entry.event === 'journalFailed') {
      const text = `the journal failed (${entry.what}, errno ${entry.errno}): no topic takes writes until a restart`;
      this.#reasons.raise('JOURNAL_FAILED', text);
    }
  }

  /** Why the engine cannot be called alive; undefined when it showed life a moment ago. */
  async engine(): Promise<Condition | undefined> {
    const { counters, clock } = this.#parts;
    try {
      const snapshot = await counters();
      this.#reasons.clear('COUNTERS_UNREADABLE');
      const nowNs = BigInt(clock()) * 1_000_000n;
      if (isAlive(snapshot, nowNs)) this.#reasons.clear('ENGINE_HANGS');
      else {
        const age = (nowNs - snapshot.heartbeatNs) / 1_000_000_000n;
        const sinceAt = Number((snapshot.heartbeatNs + HEARTBEAT_STALE_NS) / 1_000_000_000n);
        this.#reasons.raise('ENGINE_HANGS', `the engine's last heartbeat is ${age} s old`, { sinceAt });
      }
    } catch (error) {
      this.#reasons.raise('COUNTERS_UNREADABLE', `the counters cannot be read: ${words(error)}`);
    }
    return this.#reasons.list().find(({ code }) => DEAD.includes(code));
  }

  /** What is wrong now, apart from the engine's life. */
  now(): Readiness {
    const { disk, catalogue } = this.#parts;
    const full = disk();
    if (full === undefined) this.#reasons.clear('DISK_FULL');
    else this.#reasons.raise('DISK_FULL', full.message, { sinceAt: full.sinceAt });
    const has = (id: number) => catalogue.has(id);
    return { reasons: this.#reasons.list(), warnings: this.#warnings.list(has) };
  }
}
