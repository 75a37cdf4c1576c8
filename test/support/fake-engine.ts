import { rmSync } from 'node:fs';
import type {
  Commit,
  ControlAnswer,
  ControlId,
  Description,
  Durability,
  Engine,
  PlacedMemory,
  TopicMetadata,
} from '../../src/engine/index.js';
import { EngineRefusal } from '../../src/engine/index.js';

/** A key with this timestamp, as the engine writes it. */
export const keyAt = (ns: bigint): string => `${ns.toString(16).padStart(16, '0')}0001000000000000`;

/** What an engine says of an empty topic. */
export const EMPTY: Description = {
  firstOffset: 0n,
  endOffset: 0n,
  firstRecord: 0n,
  endRecord: 0n,
  bytes: 0n,
  segments: 0,
  lastTimestampNs: 0n,
  next: { offset: 0n, record: 0n, key: keyAt(0n), chain: 0 },
  frozen: false,
};

/** Keeps what it was told, as an engine without disk or network would. `topicPath` tells which directory a removal takes. */
export class FakeEngine implements Engine {
  readonly calls: string[] = [];
  readonly answers: { id: ControlId; answer: ControlAnswer }[] = [];
  readonly topics = new Map<number, TopicMetadata>();
  readonly descriptions = new Map<number, Description>();
  readonly commits = new Map<number, Commit[]>();
  refusing = false;
  /** Called before a command is carried out; what it throws is the refusal. */
  before: (call: string) => void | Promise<void> = () => {};

  constructor(private readonly topicPath: (name: string) => string = () => '/nonexistent') {}

  async addTopic(metadata: TopicMetadata): Promise<void> {
    await this.#call(`addTopic ${metadata.id} ${metadata.name}`);
    this.topics.set(metadata.id, metadata);
  }
  async removeTopic(topic: number): Promise<void> {
    await this.#call(`removeTopic ${topic}`);
    const found = this.topics.get(topic);
    if (found) rmSync(this.topicPath(found.name), { recursive: true });
    this.topics.delete(topic);
  }
  async setDurability(topic: number, durability: Durability): Promise<void> {
    await this.#call(`setDurability ${topic} ${durability}`);
  }
  async describe(topic: number): Promise<Description> {
    await this.#call(`describe ${topic}`);
    return this.descriptions.get(topic) ?? EMPTY;
  }
  async retain(topic: number, belowOffset: bigint): Promise<void> {
    await this.#call(`retain ${topic} ${belowOffset}`);
  }
  async seal(topic: number): Promise<void> {
    await this.#call(`seal ${topic}`);
  }
  async listCommits(topic: number): Promise<Commit[]> {
    await this.#call(`listCommits ${topic}`);
    return this.commits.get(topic) ?? [];
  }
  async lookAtMemory(): Promise<PlacedMemory[]> {
    return [];
  }
  refuseWrites(refuse: boolean): void {
    this.refusing = refuse;
  }
  answer(id: ControlId, answer: ControlAnswer): void {
    this.answers.push({ id, answer });
  }
  async drain(): Promise<void> {}
  async stop(): Promise<void> {}

  async #call(call: string): Promise<void> {
    this.calls.push(call);
    await this.before(call);
  }
}

/** A refusal as the engine gives it. */
export function refusal(code: number, reason: string, value = 0n, bound = 0n): EngineRefusal {
  return new EngineRefusal({ code, reason, value, bound });
}
