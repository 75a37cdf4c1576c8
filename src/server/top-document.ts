import type { Description } from '../engine/index.js';
import {
  encodeSample,
  type MachineFacts,
  type NumberedEvent,
  observeMachine,
  type RawSample,
  type TopicFacts,
} from '../sampling/index.js';
import type { AdminParts } from './admin.js';

/** How long one look at the machine serves everybody who asks, ms: its loads are those since the look before. */
const MACHINE_MS = 150;
/** How long committed offsets are taken as they were, ms: each topic's are a question to the engine. */
const CONSUMERS_MS = 2_000;
/** Topics whose place the engine is asked for at each look; of others only name and settings are shown. */
const MOST_DESCRIBED = 256;

/** What `GET /v1/top` needs besides. */
export interface TopParts
  extends Pick<AdminParts, 'version' | 'nodeId' | 'engine' | 'catalogue' | 'counters' | 'health'> {
  clusterId: string;
  dataDir: string;
  events: () => readonly NumberedEvent[];
}

/** Makes the documents of `GET /v1/top`: all that `lance top` shows of this node, cumulative. */
export class TopDocument {
  #machine: { atMs: number; facts: Promise<MachineFacts> } | undefined;
  #consumers: { atMs: number; byTopic: Promise<Map<number, TopicFacts['consumers']>> } | undefined;

  constructor(private readonly parts: TopParts) {}

  /** Everything; without counters and machine where `control` asks for what only the control plane knows. */
  async make(control: boolean): Promise<unknown> {
    const { version, nodeId, clusterId, dataDir, catalogue, health, events } = this.parts;
    const said = health.now();
    const [counters, machine, consumers, described] = await Promise.all([
      control ? undefined : this.parts.counters(),
      control ? undefined : this.#lookAtMachine(),
      this.#askConsumers(),
      this.#describe(),
    ]);
    const sample: RawSample = {
      atMs: Date.now(),
      identity: { nodeId, clusterId, version, dataDir },
      counters,
      topics: topicsOf(catalogue, described, consumers),
      readiness: {
        ready: said.reasons.length === 0,
        reasons: said.reasons.map(({ message }) => message),
        warnings: said.warnings.map(({ message }) => message),
      },
      events: events(),
      machine,
      cluster: undefined,
    };
    return encodeSample(sample);
  }

  #lookAtMachine(): Promise<MachineFacts> {
    const now = Date.now();
    if (this.#machine === undefined || now - this.#machine.atMs > MACHINE_MS) {
      const facts = observeMachine({ pid: process.pid, dataDir: this.parts.dataDir });
      this.#machine = { atMs: now, facts };
    }
    return this.#machine.facts;
  }

  /** Where topics stand; the engine answers from memory. */
  async #describe(): Promise<Map<number, Description>> {
    const { engine, catalogue } = this.parts;
    const topics = catalogue.list().slice(0, MOST_DESCRIBED);
    const found = await Promise.all(
      // A topic may go while it is asked about.
      topics.map(async ({ id }) => [id, await engine.describe(id).catch(() => undefined)] as const),
    );
    return new Map(found.flatMap(([id, of]) => (of === undefined ? [] : [[id, of]])));
  }

  #askConsumers(): Promise<Map<number, TopicFacts['consumers']>> {
    const now = Date.now();
    if (this.#consumers === undefined || now - this.#consumers.atMs > CONSUMERS_MS) {
      this.#consumers = { atMs: now, byTopic: this.#readConsumers() };
    }
    return this.#consumers.byTopic;
  }

  async #readConsumers(): Promise<Map<number, TopicFacts['consumers']>> {
    const { engine, catalogue } = this.parts;
    const topics = catalogue.list();
    const found = await Promise.all(
      topics.map(async ({ id }) => {
        // A topic may go while it is asked about.
        const commits = await engine.listCommits(id).catch(() => undefined);
        const consumers = commits?.map(({ consumer, offset, at }) => ({
          id: consumer.toString(),
          offset: Number(offset),
          lag: 0,
          committedAt: Number(at),
        }));
        return [id, consumers] as const;
      }),
    );
    return new Map(found);
  }
}

function topicsOf(
  catalogue: Pick<AdminParts['catalogue'], 'list'>,
  described: ReadonlyMap<number, Description>,
  consumers: ReadonlyMap<number, TopicFacts['consumers']>,
): TopicFacts[] {
  const atMs = Date.now();
  return catalogue.list().map(({ id, name, durability, retention }) => {
    const of = described.get(id);
    const plain = (value: bigint | undefined): number | undefined =>
      value === undefined ? undefined : Number(value);
    const endOffset = plain(of?.endOffset);
    return {
      id,
      name,
      atMs,
      durability,
      state: of?.frozen ? 'frozen' : 'live',
      firstOffset: plain(of?.firstOffset),
      endOffset,
      firstRecord: plain(of?.firstRecord),
      endRecord: plain(of?.endRecord),
      durableOffset: undefined,
      bytes: plain(of?.bytes),
      segments: of?.segments,
      fetchedBytes: undefined,
      fetchedRecords: undefined,
      retention: retention && {
        maxAgeSecs: Number(retention.maxAgeSecs),
        maxBytes: Number(retention.maxBytes),
      },
      consumers: consumers.get(id)?.map((consumer) => ({
        ...consumer,
        lag: Math.max(0, (endOffset ?? 0) - consumer.offset),
      })),
    };
  });
}
