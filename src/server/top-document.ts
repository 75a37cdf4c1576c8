import {
  encodeSample,
  type MachineFacts,
  type NumberedEvent,
  observeMachine,
  type RawSample,
  topicFacts,
} from '../sampling/index.js';
import type { AdminParts } from './admin.js';

/** How long one look at the machine serves everybody who asks, ms: its loads are those since the look before. */
const MACHINE_MS = 150;
/** How long one look at the counters does: who asks more often gets the same numbers. */
const COUNTERS_MS = 100;

/** What `GET /v1/top` needs besides. */
export interface TopParts
  extends Pick<AdminParts, 'version' | 'nodeId' | 'catalogue' | 'counters' | 'health'> {
  clusterId: string;
  dataDir: string;
  events: { all: readonly NumberedEvent[]; own: readonly NumberedEvent[] };
}

/** What is asked of `GET /v1/top`. */
export interface TopRequest {
  /** `control`: what only the control plane knows, without counters, topics and machine. */
  part?: string;
  /** Id of the topic whose consumers are told one by one. */
  topic?: string;
  /** Number of the last event that the asker has. */
  since?: string;
}

/**
 * Makes the documents of `GET /v1/top`: all that `lance top` shows of this node, cumulative. The engine is asked nothing: where
 * topics and consumers stand is in the counters file.
 */
export class TopDocument {
  #machine: { atMs: number; facts: Promise<MachineFacts> } | undefined;
  #counters: { atMs: number; snapshot: ReturnType<TopParts['counters']> } | undefined;

  constructor(private readonly parts: TopParts) {}

  /** The document that is asked for. */
  async make({ part, topic, since }: TopRequest): Promise<unknown> {
    const { version, nodeId, clusterId, dataDir, catalogue, health, events } = this.parts;
    const control = part === 'control';
    const said = health.now();
    const [counters, machine] = await Promise.all([
      control ? undefined : this.#lookAtCounters(),
      control ? undefined : this.#lookAtMachine(),
    ]);
    const sample: RawSample = {
      atMs: Date.now(),
      identity: { nodeId, clusterId, version, dataDir },
      counters,
      topics: control ? [] : topicFacts(catalogue.list().map(identityOf), counters?.tables),
      readiness: {
        ready: said.reasons.length === 0,
        reasons: said.reasons.map(({ message }) => message),
        warnings: said.warnings.map(({ message }) => message),
      },
      events: control ? events.own : events.all,
      engineEvents: [],
      machine,
      cluster: undefined,
    };
    return encodeSample(sample, { topic: wholeNumber(topic), since: wholeNumber(since) });
  }

  #lookAtMachine(): Promise<MachineFacts> {
    const now = Date.now();
    if (this.#machine === undefined || now - this.#machine.atMs > MACHINE_MS) {
      const facts = observeMachine({ pid: process.pid, dataDir: this.parts.dataDir });
      this.#machine = { atMs: now, facts };
    }
    return this.#machine.facts;
  }

  #lookAtCounters(): ReturnType<TopParts['counters']> {
    const now = Date.now();
    if (this.#counters === undefined || now - this.#counters.atMs > COUNTERS_MS) {
      this.#counters = { atMs: now, snapshot: this.parts.counters() };
    }
    return this.#counters.snapshot;
  }
}

const wholeNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

function identityOf({
  id,
  name,
  durability,
  retention,
}: ReturnType<TopParts['catalogue']['list']>[number]): Parameters<typeof topicFacts>[0][number] {
  return {
    id,
    name,
    durability,
    retention: retention && {
      maxAgeSecs: Number(retention.maxAgeSecs),
      maxBytes: Number(retention.maxBytes),
    },
  };
}
