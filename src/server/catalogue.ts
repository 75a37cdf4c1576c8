import type { Description, Durability, Engine, Position, Retention, TopicMetadata } from '../engine/index.js';
import type { DataDirectory } from './data-directory.js';
import { LwpCode, LwpError } from './lwp-error.js';
import { Serial } from './serial.js';
import { isTopicName, newTopic, retentionOf } from './topic.js';

/** What a catalogue is made of. */
export interface CatalogueParts {
  engine: Pick<Engine, 'addTopic' | 'removeTopic' | 'setDurability' | 'describe'>;
  directory: DataDirectory;
  /** As recovered. */
  topics: readonly TopicMetadata[];
  /** Of topics that are created without saying. */
  durability: Durability;
  /** `limits.topics`. */
  limit: number;
  /** Seconds since 1970. */
  clock?: () => number;
}

/** The topic whose id is 0, which always exists. */
const DEFAULT_TOPIC = 0;

/** The topics of a node. Changes run one after the other; what they answer is durable. Failures are LwpError. */
export class Catalogue {
  readonly #parts: CatalogueParts;
  readonly #topics = new Map<number, TopicMetadata>();
  readonly #changes = new Serial();

  constructor(parts: CatalogueParts) {
    this.#parts = parts;
    for (const topic of parts.topics) this.#topics.set(topic.id, topic);
  }

  /** All topics by id. */
  list(): TopicMetadata[] {
    return [...this.#topics.values()].sort((a, b) => a.id - b.id);
  }

  /** A topic; 0x13 when it was deleted, 0x10 when there never was one. */
  get(id: number): TopicMetadata {
    const topic = this.#topics.get(id);
    if (topic) return topic;
    if (id < this.#parts.directory.node.nextTopicId) {
      throw new LwpError(LwpCode.topicDeleted, `Topic ${id} was deleted`);
    }
    throw new LwpError(LwpCode.topicNotFound, `Topic ${id} not found`);
  }

  /** A topic's name for messages; `#7` where there is none any more. */
  nameOf(id: number): string {
    return this.#topics.get(id)?.name ?? `#${id}`;
  }

  /** Whether there is a topic with this id. */
  has(id: number): boolean {
    return this.#topics.has(id);
  }

  /** The topic of this name, if there is one. */
  find(name: string): TopicMetadata | undefined {
    for (const topic of this.#topics.values()) if (topic.name === name) return topic;
    return undefined;
  }

  /** Creates a topic; 0x12 for a bad name, 0x11 for one that is taken. */
  create(name: string, retention?: Retention): Promise<TopicMetadata> {
    return this.#changes.run(async () => {
      const { engine, directory, durability, limit, clock = now } = this.#parts;
      if (!isTopicName(name)) {
        throw new LwpError(
          LwpCode.invalidTopicName,
          `${shown(name)} is no topic name: 1 to 249 of A-Z a-z 0-9 . _ - are wanted, and not "." or ".."`,
        );
      }
      if (this.find(name)) throw new LwpError(LwpCode.topicExists, `Topic ${name} exists already`);
      if (this.#topics.size >= limit) {
        throw new LwpError(LwpCode.storage, `There are ${limit} topics already, which is limits.topics`);
      }
      const { id, durable } = directory.takeTopicId();
      const topic = newTopic(id, name, durability, retention, clock());
      // Side by side: a start takes the ids of all topics that it finds as given.
      const written = await Promise.allSettled([durable, directory.createTopic(topic)]);
      try {
        for (const step of written) if (step.status === 'rejected') throw step.reason;
        await engine.addTopic(topic);
      } catch (error) {
        await directory.discardTopic(name);
        throw error;
      }
      this.#topics.set(topic.id, topic);
      return topic;
    });
  }

  /** Deletes a topic with its files; its id is never given again. `default` is refused with 0x42. */
  delete(id: number): Promise<void> {
    return this.#changes.run(async () => {
      if (id === DEFAULT_TOPIC) {
        throw new LwpError(LwpCode.accessDenied, 'The topic default always exists and cannot be deleted');
      }
      this.get(id);
      await this.#parts.engine.removeTopic(id);
      this.#topics.delete(id);
    });
  }

  /** Sets what a topic keeps; 0 is no limit. */
  setRetention(id: number, maxAgeSecs: bigint, maxBytes: bigint): Promise<TopicMetadata> {
    return this.#change(id, ({ retention: _, ...topic }) => {
      const retention = retentionOf(maxAgeSecs, maxBytes);
      return retention ? { ...topic, retention } : topic;
    });
  }

  /** Sets when acks leave, from the next batch on. */
  setDurability(id: number, durability: Durability): Promise<TopicMetadata> {
    return this.#change(
      id,
      (topic) => ({ ...topic, durability }),
      () => this.#parts.engine.setDurability(id, durability),
    );
  }

  /** Keeps where a topic goes on, before its last batch is removed (formats.md, `resume`). */
  setResume(id: number, resume: Position): Promise<TopicMetadata> {
    return this.#change(id, (topic) => ({ ...topic, resume }));
  }

  /** What the engine knows of a topic. */
  async describe(id: number): Promise<{ topic: TopicMetadata; description: Description }> {
    const topic = this.get(id);
    return { topic, description: await this.#parts.engine.describe(id) };
  }

  #change(
    id: number,
    change: (topic: TopicMetadata) => TopicMetadata,
    apply: () => Promise<void> = async () => {},
  ): Promise<TopicMetadata> {
    return this.#changes.run(async () => {
      const changed = change(this.get(id));
      await this.#parts.directory.writeMetadata(changed);
      this.#topics.set(id, changed);
      await apply();
      return changed;
    });
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** A name as a message can show it: quoted, and not the whole of a very long one. */
function shown(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}...` : name);
}
