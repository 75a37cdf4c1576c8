import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import type { ControlAnswer, ControlRequest, Durability, Engine, HelloSettings } from '../engine/index.js';
import {
  Command,
  decodeCreateTopicWithRetention,
  SetRetentionRequest,
  TopicRequest,
} from '../protocol/index.js';
import type { Catalogue } from './catalogue.js';
import { type Json, stringify } from './json.js';
import { asLwpError, LwpCode, LwpError } from './lwp-error.js';
import { Serial } from './serial.js';
import { retentionOf, topicDocument } from './topic.js';

/** What the node says of itself in HelloResponse and ClusterStatusResponse. */
export interface Identity {
  version: string;
  nodeId: number;
  clusterId: string;
  /** `limits.max_frame`, bytes. */
  maxFrame: number;
}

/** Bytes of a frame header, and most bytes of a stored record (lwp.md, "Payloads that are no TLV"). */
const FRAME_HEADER = 44;
const MAX_RECORD = 16 * 2 ** 20 - 4096;

/** What a client that says Hello may use. */
const FEATURES = ['fetch-wait', 'fetch-batches', 'locate'];

const Hello = z.object({
  client: z.string().optional(),
  version: z.string().optional(),
  features: z.array(z.string()).optional(),
  order: z.enum(['connection', 'topic']).optional(),
  reads: z.enum(['local', 'linearizable']).optional(),
});

const Settings = z.strictObject({ durability: z.enum(['durable', 'written']).optional() });

/** Answers one control request; never rejects, failures become ErrorResponse (lwp.md, "Control commands"). */
export async function answerControl(
  request: Pick<ControlRequest, 'code' | 'payload'>,
  catalogue: Catalogue,
  identity: Identity,
): Promise<ControlAnswer> {
  try {
    return await dispatch(request.code, Buffer.from(request.payload), catalogue, identity);
  } catch (error) {
    return errorAnswer(asLwpError(error));
  }
}

/**
 * Takes the requests that the engine passes on. Those of one connection are carried out in their order, so that a
 * pipelined GetTopic sees the CreateTopic before it; different connections do not wait for each other.
 */
export class ControlDesk {
  readonly #connections = new Map<string, { queue: Serial; open: number }>();

  constructor(
    private readonly engine: Pick<Engine, 'answer'>,
    private readonly catalogue: Catalogue,
    private readonly identity: Identity,
  ) {}

  /** Carries a request out and gives the answer to the engine. */
  take(request: ControlRequest): Promise<void> {
    const key = `${request.id.connection}/${request.id.generation}`;
    const connection = this.#connections.get(key) ?? { queue: new Serial(), open: 0 };
    this.#connections.set(key, connection);
    connection.open += 1;
    return connection.queue.run(async () => {
      const answer = await answerControl(request, this.catalogue, this.identity);
      connection.open -= 1;
      if (connection.open === 0) this.#connections.delete(key);
      this.engine.answer(request.id, answer);
    });
  }
}

async function dispatch(
  code: number,
  payload: Buffer,
  catalogue: Catalogue,
  identity: Identity,
): Promise<ControlAnswer> {
  switch (code) {
    case Command.createTopic:
      return topicAnswer(topicDocument(await catalogue.create(name(payload))));
    case Command.createTopicWithRetention: {
      const { name: wanted, maxAgeSecs, maxBytes } = decodeCreateTopicWithRetention(payload);
      return topicAnswer(topicDocument(await catalogue.create(wanted, retentionOf(maxAgeSecs, maxBytes))));
    }
    case Command.deleteTopic: {
      const id = topicId('DeleteTopic', payload);
      await catalogue.delete(id);
      return topicAnswer({ deleted: id });
    }
    case Command.listTopics:
      exactly('ListTopics', payload, 0);
      return topicAnswer({ topics: catalogue.list().map(topicDocument) });
    case Command.getTopic:
      return topicAnswer(topicDocument(catalogue.get(topicId('GetTopic', payload))));
    case Command.setRetention: {
      exactly('SetRetention', payload, SetRetentionRequest.bytes);
      const { topic, maxAgeSecs, maxBytes } = SetRetentionRequest.decode(payload);
      return topicAnswer(topicDocument(await catalogue.setRetention(topic, maxAgeSecs, maxBytes)));
    }
    case Command.setTopic:
      return topicAnswer(topicDocument(await setTopic(payload, catalogue)));
    case Command.describeTopic:
      return describe(topicId('DescribeTopic', payload), catalogue);
    case Command.getClusterStatus:
      exactly('GetClusterStatus', payload, 0);
      return jsonAnswer(Command.clusterStatusResponse, aloneStatus(identity.nodeId));
    case Command.authenticate:
      return { code: Command.authenticateResponse, payload: Buffer.from('\u0001not required') };
    case Command.hello:
      return hello(payload, identity);
    default:
      throw new LwpError(
        LwpCode.unknown,
        `There is no control command 0x${code.toString(16).padStart(2, '0')}`,
      );
  }
}

async function setTopic(payload: Buffer, catalogue: Catalogue) {
  const { topic } = TopicRequest.decode(payload);
  const settings = jsonObject('SetTopic', payload.subarray(TopicRequest.bytes), Settings);
  const { durability }: { durability?: Durability | undefined } = settings;
  return durability === undefined ? catalogue.get(topic) : catalogue.setDurability(topic, durability);
}

async function describe(id: number, catalogue: Catalogue): Promise<ControlAnswer> {
  const { topic, description } = await catalogue.describe(id);
  return topicAnswer({
    ...topicDocument(topic),
    durability: topic.durability,
    first_offset: description.firstOffset,
    end_offset: description.endOffset,
    first_record: description.firstRecord,
    end_record: description.endRecord,
    bytes: description.bytes,
    segments: description.segments,
  });
}

function hello(payload: Buffer, { version, nodeId, clusterId, maxFrame }: Identity): ControlAnswer {
  const { order, reads } = jsonObject('Hello', payload, Hello);
  const settings: HelloSettings = { orderByTopic: order === 'topic', linearizable: reads === 'linearizable' };
  const answer = jsonAnswer(Command.helloResponse, {
    version,
    node_id: nodeId,
    cluster_id: clusterId,
    features: FEATURES,
    limits: { max_frame: maxFrame, max_record: Math.min(MAX_RECORD, maxFrame - FRAME_HEADER) },
  });
  return { ...answer, hello: settings };
}

/** A node alone leads itself. */
function aloneStatus(nodeId: number): Json {
  return {
    node_id: nodeId,
    is_leader: true,
    leader_id: nodeId,
    current_term: 0,
    node_count: 1,
    healthy_nodes: 1,
    quorum_available: true,
    peer_states: {},
  };
}

function name(payload: Buffer): string {
  if (!isUtf8(payload)) throw new LwpError(LwpCode.invalidTopicName, 'The topic name is no UTF-8');
  return payload.toString('utf8');
}

function topicId(command: string, payload: Buffer): number {
  exactly(command, payload, TopicRequest.bytes);
  return TopicRequest.decode(payload).topic;
}

function exactly(command: string, payload: Buffer, bytes: number): void {
  if (payload.length !== bytes) {
    throw new LwpError(
      LwpCode.invalidPayload,
      `${command} has a payload of ${payload.length} bytes; ${bytes} are wanted`,
    );
  }
}

function jsonObject<T>(command: string, payload: Buffer, shape: z.ZodType<T>): T {
  const wrong = (what: string) => new LwpError(LwpCode.invalidPayload, `${command}: ${what}`);
  let document: unknown;
  try {
    document = JSON.parse(payload.toString('utf8'));
  } catch {
    throw wrong('the payload is no JSON');
  }
  const checked = shape.safeParse(document);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  const where = issue?.path.join('.');
  throw wrong(`${where ? `${where}: ` : ''}${issue?.message ?? 'not as expected'}`);
}

function topicAnswer(document: Json): ControlAnswer {
  return jsonAnswer(Command.topicResponse, document);
}

function errorAnswer({ lwpCode, message }: LwpError): ControlAnswer {
  return jsonAnswer(Command.errorResponse, { code: lwpCode, message });
}

function jsonAnswer(code: number, document: Json): ControlAnswer {
  return { code, payload: Buffer.from(stringify(document)) };
}
