import { createServer, type Server, type Socket } from 'node:net';
import * as lwp from '../../src/protocol/index.js';
import { type FakeTopic, locate, Refusal, records, wholeBatches } from './fake-log.js';

/** What the fake node does with an ingest: take it, answer with an error code, say nothing, or end the connection. */
export type IngestReaction = 'ack' | 'silence' | 'hang-up' | { error: number };

const END_2_63 = 0x7fff_ffff_ffff_ffffn;
/**
 * A node in memory, written from lwp.md, for tests of the client: it answers like one and can be told to misbehave. It
 * checks what a client sends as strictly as a node does.
 */
export class FakeNode {
  readonly topics: FakeTopic[] = [];
  /** Frames of each kind that came, by command code; ingests under 'ingest'. */
  readonly seen: (number | 'ingest')[] = [];
  /** Decides about each ingest, by its number from 0. */
  onIngest: (number: number) => IngestReaction = () => 'ack';
  /** Sent in front of the acknowledgement of each ingest. */
  backpressure = false;
  /** Answers that wait for this promise. */
  hold: Promise<void> | undefined;
  /** The most ingests that were ever unanswered at once. */
  mostUnderWay = 0;
  private underWay = 0;
  private ingests = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor() {
    this.server = createServer((socket) => this.serve(socket));
    this.addTopic('default');
  }

  static async start(port = 0): Promise<FakeNode> {
    const node = new FakeNode();
    await new Promise<void>((resolve) => node.server.listen(port, '127.0.0.1', resolve));
    return node;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Ends every connection at once, as a killed process does; it can be connected to again. */
  hangUp(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.hangUp();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  addTopic(name: string): FakeTopic {
    const topic: FakeTopic = {
      id: this.topics.length,
      name,
      retention: undefined,
      durability: 'durable',
      batches: [],
      endOffset: 0,
      endRecord: 0,
      commits: new Map(),
    };
    this.topics.push(topic);
    return topic;
  }

  /** The values of every record that a topic holds, as text. */
  values(name: string): string[] {
    const topic = this.topics.find((one) => one.name === name);
    return (topic?.batches ?? []).flatMap(({ payload }) =>
      [...lwp.walkRecords(payload)].map(({ type, value }) => lwp.contentOf(type, value).value.toString()),
    );
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => {});
    const decoder = new lwp.FrameDecoder();
    let turn: Promise<unknown> = Promise.resolve();
    socket.on('data', (chunk) => {
      for (const frame of decoder.push(chunk)) {
        turn = turn
          .then(() => this.handle(socket, decoder.checksumKind ?? 'crc32c', frame))
          .catch(() => socket.destroy());
      }
    });
  }

  private async handle(
    socket: Socket,
    kind: lwp.ChecksumKind,
    { header, payload }: lwp.Frame,
  ): Promise<void> {
    const send = (fields: lwp.FrameFields, body?: Buffer) => {
      if (!socket.destroyed) socket.write(lwp.encodeFrame(kind, fields, body));
    };
    if (header.flags === lwp.Flag.batch) return this.ingest(socket, send, header, payload);
    const code = Number(header.batchId);
    this.seen.push(code);
    const reply = (answer: number, body: Buffer) =>
      send({ flags: lwp.Flag.control, batchId: BigInt(answer), timestampNs: header.timestampNs }, body);
    await this.hold;
    try {
      if (code === lwp.Command.unsubscribe) {
        const { consumer } = lwp.ConsumerRequest.decode(payload);
        send({ flags: lwp.Flag.ack, batchId: consumer, timestampNs: header.timestampNs });
      } else if (code === lwp.Command.fetchWait || code === lwp.Command.fetchBatches) {
        // These hold up nothing else.
        void this.fetchWaiting(code, payload).then((body) =>
          reply(
            code === lwp.Command.fetchWait ? lwp.Command.fetchResponse : lwp.Command.fetchBatchesResponse,
            body,
          ),
        );
      } else {
        const [answer, body] = this.answer(code, payload);
        reply(answer, body);
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { message, details } = error;
      reply(lwp.Command.errorResponse, json({ code: error.code, message, ...(details ? { details } : {}) }));
    }
  }

  private async ingest(
    socket: Socket,
    send: (fields: lwp.FrameFields, body?: Buffer) => void,
    header: lwp.FrameHeader,
    payload: Buffer,
  ): Promise<void> {
    this.seen.push('ingest');
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    const reaction = this.onIngest(this.ingests++);
    // A turn of the loop, so that frames sent together are seen to be under way together.
    await new Promise((resolve) => setTimeout(resolve, 2));
    this.underWay -= 1;
    const topic = this.topics[header.topicId];
    if (reaction === 'hang-up') socket.resetAndDestroy();
    if (reaction === 'hang-up' || reaction === 'silence' || !topic) return;
    if (typeof reaction === 'object') {
      const details = { batch_id: Number(header.batchId) };
      const body = json({ code: reaction.error, message: `refused (${reaction.error})`, details });
      send({ flags: lwp.Flag.control, batchId: BigInt(lwp.Command.errorResponse) }, body);
      return;
    }
    const count = [...lwp.walkRecords(payload)].length;
    if (count !== header.recordCount) throw new Error('the record count is wrong');
    topic.batches.push({
      baseOffset: topic.endOffset,
      baseRecord: topic.endRecord,
      count,
      payload: Buffer.from(payload),
    });
    topic.endOffset += payload.length;
    topic.endRecord += count;
    if (this.backpressure) send({ flags: lwp.Flag.backpressure });
    send({ flags: lwp.Flag.ack, batchId: header.batchId });
  }

  private answer(code: number, payload: Buffer): [code: number, body: Buffer] {
    const { Command } = lwp;
    switch (code) {
      case Command.hello:
        return [
          Command.helloResponse,
          json({
            version: '0.1.0',
            node_id: 1,
            cluster_id: 'single',
            features: ['fetch-wait', 'fetch-batches', 'locate'],
            limits: { max_frame: 16_777_216, max_record: 16_773_120 },
          }),
        ];
      case Command.authenticate:
        return [
          Command.authenticateResponse,
          Buffer.concat([Buffer.from([payload.toString() === 'secret' ? 1 : 0]), Buffer.from('no')]),
        ];
      case Command.createTopic:
        return [Command.topicResponse, this.describe(this.create(payload.toString()))];
      case Command.createTopicWithRetention: {
        const { name, maxAgeSecs, maxBytes } = lwp.decodeCreateTopicWithRetention(payload);
        const topic = this.create(name);
        topic.retention = { max_age_secs: Number(maxAgeSecs), max_bytes: Number(maxBytes) };
        return [Command.topicResponse, this.describe(topic)];
      }
      case Command.listTopics:
        return [
          Command.topicResponse,
          json({ topics: this.topics.filter(Boolean).map((t) => JSON.parse(this.describe(t).toString())) }),
        ];
      case Command.getTopic:
        return [Command.topicResponse, this.describe(this.topic(payload))];
      case Command.describeTopic: {
        const topic = this.topic(payload);
        const document = {
          ...JSON.parse(this.describe(topic).toString()),
          durability: topic.durability,
          first_offset: 0,
          end_offset: topic.endOffset,
          first_record: 0,
          end_record: topic.endRecord,
          bytes: topic.endOffset,
          segments: 1,
        };
        return [Command.topicResponse, json(document)];
      }
      case Command.setRetention: {
        const topic = this.topic(payload);
        const { maxAgeSecs, maxBytes } = lwp.SetRetentionRequest.decode(payload);
        topic.retention = { max_age_secs: Number(maxAgeSecs), max_bytes: Number(maxBytes) };
        return [Command.topicResponse, this.describe(topic)];
      }
      case Command.setTopic: {
        const topic = this.topic(payload);
        topic.durability = JSON.parse(payload.toString('utf8', 4)).durability;
        return [Command.topicResponse, this.describe(topic)];
      }
      case Command.deleteTopic: {
        const { id } = this.topic(payload);
        if (id === 0) throw new Refusal(0x42, 'The topic default cannot be deleted');
        delete this.topics[id];
        return [Command.topicResponse, json({ deleted: id })];
      }
      case Command.getClusterStatus:
        return [
          Command.clusterStatusResponse,
          json({
            node_id: 1,
            is_leader: true,
            leader_id: 1,
            current_term: 0,
            node_count: 1,
            healthy_nodes: 1,
            quorum_available: true,
            peer_states: {},
          }),
        ];
      case Command.fetch: {
        const { offset } = lwp.FetchRequest.decode(payload);
        const topic = this.topic(payload);
        const at = offset === lwp.END_OFFSET || offset === END_2_63 ? topic.endOffset : Number(offset);
        return [Command.fetchResponse, records(topic, at, 1 << 20)];
      }
      case Command.commitOffset: {
        const { consumer, offset } = lwp.CommitOffsetRequest.decode(payload);
        this.topic(payload).commits.set(consumer, offset);
        return [Command.commitAck, lwp.ConsumerAnswer.encode({ consumer, offset })];
      }
      case Command.getCommitted: {
        const { consumer } = lwp.ConsumerRequest.decode(payload);
        const offset = this.topic(payload).commits.get(consumer);
        if (offset === undefined) throw new Refusal(0x52, 'Nothing was committed');
        return [Command.commitAck, lwp.ConsumerAnswer.encode({ consumer, offset })];
      }
      case Command.locate:
        return [Command.locateResponse, locate(this.topic(payload), payload)];
      default:
        throw new Refusal(0x01, `Unknown command ${code}`);
    }
  }

  private create(name: string): FakeTopic {
    if (!/^[\w.-]{1,249}$/.test(name)) throw new Refusal(0x12, `"${name}" is no topic name`);
    if (this.topics.some((topic) => topic?.name === name)) throw new Refusal(0x11, `Topic ${name} exists`);
    return this.addTopic(name);
  }

  private topic(payload: Buffer): FakeTopic {
    const { topic: id } = lwp.TopicRequest.decode(payload);
    const topic = this.topics[id];
    if (topic) return topic;
    throw new Refusal(id < this.topics.length ? 0x13 : 0x10, `Topic ${id} not found`);
  }

  private describe({ id, name, retention }: FakeTopic): Buffer {
    return json({ id, name, created_at: 1_700_000_000, topic_epoch: 1, ...(retention ? { retention } : {}) });
  }

  /** Waits for data as FetchWait does, and reads records or whole batches. */
  private async fetchWaiting(code: number, payload: Buffer): Promise<Buffer> {
    const { offset, maxBytes, maxWaitMs } = lwp.FetchWaitRequest.decode(payload);
    const deadline = Date.now() + Math.min(maxWaitMs, 200);
    const topic = this.topic(payload);
    while (Number(offset) >= topic.endOffset && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return code === lwp.Command.fetchWait
      ? records(topic, Number(offset), maxBytes)
      : wholeBatches(topic, Number(offset), maxBytes);
  }
}

const json = (document: unknown): Buffer => Buffer.from(JSON.stringify(document));
