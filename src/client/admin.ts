import {
  type ClusterStatusDocument,
  ClusterStatusDocument as ClusterStatusShape,
  Command,
  CommitOffsetRequest,
  ConsumerAnswer,
  ConsumerRequest,
  DeletedDocument,
  decodeJson,
  END_OFFSET,
  encodeCreateTopicWithRetention,
  encodeSetTopic,
  FetchAnswer,
  FetchRequest,
  formatSortKeyBytes,
  LocateAnswer,
  LocateKind,
  LocateRequest,
  locateValue,
  SetRetentionRequest,
  TopicDocument,
  TopicListDocument,
  TopicRequest,
} from '../protocol/index.js';
import { Connection } from './connection.js';
import { LwpError } from './errors.js';
import type { ConnectionOptions } from './options.js';

/** When an acknowledgement leaves: `durable` on stable storage, `written` when the device accepted the write. */
export type Durability = 'durable' | 'written';

/** How long, and how much, a topic keeps; 0 is no limit. */
export interface Retention {
  maxAgeSecs: number;
  maxBytes: number;
}

/** A topic as it is listed. */
export interface Topic {
  id: number;
  name: string;
  /** Seconds since 1970. */
  createdAt: number;
  retention: Retention;
}

/** A topic with its settings and extent. Offsets and sizes are bytes. */
export interface TopicDescription extends Topic {
  durability: Durability;
  firstOffset: number;
  /** Where the next record will begin. */
  endOffset: number;
  firstRecord: number;
  endRecord: number;
  bytes: number;
  segments: number;
}

/** What can be told or changed about a topic. */
export interface TopicSettings {
  maxAgeSecs?: number | undefined;
  maxBytes?: number | undefined;
  durability?: Durability | undefined;
}

/** The place of a record. */
export interface Location {
  offset: number;
  record: number;
  /** 32 hex digits. */
  sortKey: string;
}

/** Topics, offsets and the state of a node. */
export class Admin {
  readonly connection: Connection;

  /** Over a connection that is there; `Admin.open` makes one. */
  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Connects. Throws UnreachableError when no endpoint answers. */
  static async open(options: ConnectionOptions = {}): Promise<Admin> {
    return new Admin(await Connection.open(options));
  }

  close(): void {
    this.connection.close();
  }

  /** Makes a topic. Throws LwpError TOPIC_EXISTS or INVALID_TOPIC_NAME. */
  async createTopic(name: string, settings: TopicSettings = {}): Promise<TopicDescription> {
    const { maxAgeSecs = 0, maxBytes = 0, durability } = settings;
    const limited = maxAgeSecs > 0 || maxBytes > 0;
    const created = await this.topicRequest(
      limited ? Command.createTopicWithRetention : Command.createTopic,
      limited
        ? encodeCreateTopicWithRetention(name, BigInt(maxAgeSecs), BigInt(maxBytes))
        : Buffer.from(name),
    );
    if (durability) await this.topicRequest(Command.setTopic, encodeSetTopic(created.id, { durability }));
    return this.describeTopic(created.id);
  }

  async listTopics(): Promise<Topic[]> {
    const { payload } = await this.connection.request(Command.listTopics, Buffer.alloc(0), [
      Command.topicResponse,
    ]);
    return decodeJson('The list of topics', TopicListDocument, payload).topics.map(topicOf);
  }

  /** The topic of this name, or of this id when it is a number. Throws LwpError TOPIC_NOT_FOUND. */
  async findTopic(topic: string | number): Promise<Topic> {
    if (typeof topic === 'number') {
      return topicOf(await this.topicRequest(Command.getTopic, TopicRequest.encode({ topic })));
    }
    const found = (await this.listTopics()).find(({ name }) => name === topic);
    if (found) return found;
    throw new LwpError({ code: 0x10, message: `There is no topic "${topic}".` });
  }

  /** A topic's settings and extent, by id. */
  async describeTopic(id: number): Promise<TopicDescription> {
    const document = await this.topicRequest(Command.describeTopic, TopicRequest.encode({ topic: id }));
    return {
      ...topicOf(document),
      durability: document.durability ?? 'durable',
      firstOffset: document.first_offset ?? 0,
      endOffset: document.end_offset ?? 0,
      firstRecord: document.first_record ?? 0,
      endRecord: document.end_record ?? 0,
      bytes: document.bytes ?? 0,
      segments: document.segments ?? 0,
    };
  }

  /** Changes what is given and leaves the rest. */
  async setTopic(id: number, settings: TopicSettings): Promise<TopicDescription> {
    const { maxAgeSecs, maxBytes, durability } = settings;
    if (maxAgeSecs !== undefined || maxBytes !== undefined) {
      const { retention } = await this.findTopic(id);
      const request = {
        topic: id,
        maxAgeSecs: BigInt(maxAgeSecs ?? retention.maxAgeSecs),
        maxBytes: BigInt(maxBytes ?? retention.maxBytes),
      };
      await this.topicRequest(Command.setRetention, SetRetentionRequest.encode(request));
    }
    if (durability) await this.topicRequest(Command.setTopic, encodeSetTopic(id, { durability }));
    return this.describeTopic(id);
  }

  /** Deletes a topic with its data; its id is never used again. */
  async deleteTopic(id: number): Promise<void> {
    const request = TopicRequest.encode({ topic: id });
    const { payload } = await this.connection.request(Command.deleteTopic, request, [Command.topicResponse]);
    decodeJson('The answer to DeleteTopic', DeletedDocument, payload);
  }

  async clusterStatus(): Promise<ClusterStatusDocument> {
    const expected = [Command.clusterStatusResponse];
    const { payload } = await this.connection.request(Command.getClusterStatus, Buffer.alloc(0), expected);
    return decodeJson('ClusterStatusResponse', ClusterStatusShape, payload);
  }

  /** Where the next record of the topic will begin: the end of what is acknowledged. */
  async endOffset(topic: number): Promise<number> {
    const request = FetchRequest.encode({ topic, offset: END_OFFSET, maxBytes: 1 });
    const { payload } = await this.connection.request(Command.fetch, request, [Command.fetchResponse]);
    return Number(FetchAnswer.decode(payload).nextOffset);
  }

  /** The first record at or after an index or a time (ns), or the one that holds an offset. Past the end: undefined. */
  async locate(topic: number, kind: keyof typeof LocateKind, value: bigint): Promise<Location | undefined> {
    const request = LocateRequest.encode({ topic, kind: LocateKind[kind], value: locateValue(value) });
    try {
      const { payload } = await this.connection.request(Command.locate, request, [Command.locateResponse]);
      const { offset, record, sortKey } = LocateAnswer.decode(payload);
      return { offset: Number(offset), record: Number(record), sortKey: formatSortKeyBytes(sortKey) };
    } catch (error) {
      if (error instanceof LwpError && error.code === 'OFFSET_OUT_OF_RANGE') return undefined;
      throw error;
    }
  }

  /** The offset that a consumer committed last; undefined when there is none. */
  async committedOffset(topic: number, consumer: bigint): Promise<number | undefined> {
    const request = ConsumerRequest.encode({ topic, consumer });
    try {
      const { payload } = await this.connection.request(Command.getCommitted, request, [Command.commitAck]);
      return Number(ConsumerAnswer.decode(payload).offset);
    } catch (error) {
      if (error instanceof LwpError && error.code === 'CONSUMER_NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Keeps `offset` for `consumer`, durably: where it will go on. */
  async commitOffset(topic: number, consumer: bigint, offset: number): Promise<void> {
    const request = CommitOffsetRequest.encode({ topic, consumer, offset: BigInt(offset) });
    await this.connection.request(Command.commitOffset, request, [Command.commitAck]);
  }

  private async topicRequest(code: number, payload: Buffer): Promise<TopicDocument> {
    const answer = await this.connection.request(code, payload, [Command.topicResponse]);
    return decodeJson('TopicResponse', TopicDocument, answer.payload);
  }
}

function topicOf({ id, name, created_at, retention }: TopicDocument): Topic {
  return {
    id,
    name,
    createdAt: created_at,
    retention: { maxAgeSecs: retention?.max_age_secs ?? 0, maxBytes: retention?.max_bytes ?? 0 },
  };
}
