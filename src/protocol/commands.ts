import { z } from 'zod';
import { ProtocolError } from './errors.js';
import { bytes16, layout, u8, u32, u64 } from './layout.js';

/** Command codes of control frames, requests and answers (lwp.md, "Control commands"). */
export const Command = {
  createTopic: 0x01,
  deleteTopic: 0x02,
  listTopics: 0x03,
  getTopic: 0x04,
  setRetention: 0x05,
  createTopicWithRetention: 0x06,
  getClusterStatus: 0x07,
  authenticate: 0x08,
  authenticateResponse: 0x09,
  fetch: 0x10,
  fetchResponse: 0x11,
  catchingUp: 0x12,
  subscribe: 0x20,
  unsubscribe: 0x21,
  commitOffset: 0x22,
  subscribeAck: 0x23,
  commitAck: 0x24,
  hello: 0x30,
  helloResponse: 0x31,
  fetchWait: 0x32,
  locate: 0x33,
  locateResponse: 0x34,
  getCommitted: 0x35,
  setTopic: 0x36,
  describeTopic: 0x37,
  fetchBatches: 0x38,
  fetchBatchesResponse: 0x39,
  topicResponse: 0x80,
  clusterStatusResponse: 0x81,
  errorResponse: 0xff,
} as const;

/** Asks a Fetch where the end is. */
export const END_OFFSET = 0xffff_ffff_ffff_ffffn;

/** What Locate can start from. */
export const LocateKind = { record: 0, time: 1, sortKey: 2, offset: 3 } as const;

/** DeleteTopic, GetTopic, DescribeTopic; SetTopic, where JSON follows. */
export const TopicRequest = layout('a topic request', { topic: u32 });
export const SetRetentionRequest = layout('SetRetention', { topic: u32, maxAgeSecs: u64, maxBytes: u64 });
export const FetchRequest = layout('Fetch', { topic: u32, offset: u64, maxBytes: u32 });
/** FetchWait and FetchBatches. */
export const FetchWaitRequest = layout('FetchWait', {
  topic: u32,
  offset: u64,
  maxBytes: u32,
  minBytes: u32,
  maxWaitMs: u32,
});
/** FetchResponse and the answer of FetchBatches; the data follows. */
export const FetchAnswer = layout('FetchResponse', { nextOffset: u64, bytes: u32, records: u32 });
export const CatchingUpAnswer = layout('CatchingUp', { maxOffset: u64 });
export const SubscribeRequest = layout('Subscribe', {
  topic: u32,
  offset: u64,
  maxBatch: u32,
  consumer: u64,
});
/** Unsubscribe and GetCommitted. */
export const ConsumerRequest = layout('a consumer request', { topic: u32, consumer: u64 });
export const CommitOffsetRequest = layout('CommitOffset', { topic: u32, consumer: u64, offset: u64 });
/** SubscribeAck and CommitAck. */
export const ConsumerAnswer = layout('a consumer answer', { consumer: u64, offset: u64 });
export const LocateRequest = layout('Locate', { topic: u32, kind: u8, value: bytes16 });
export const LocateAnswer = layout('LocateResponse', { offset: u64, record: u64, sortKey: bytes16 });

/** Name, then an age in seconds and a size in bytes; 0 is no limit. */
export function encodeCreateTopicWithRetention(name: string, maxAgeSecs: bigint, maxBytes: bigint): Buffer {
  const text = Buffer.from(name);
  const payload = Buffer.alloc(2 + text.length + 16);
  payload.writeUInt16LE(text.length, 0);
  text.copy(payload, 2);
  payload.writeBigUInt64LE(maxAgeSecs, 2 + text.length);
  payload.writeBigUInt64LE(maxBytes, 10 + text.length);
  return payload;
}

/** The name and limits of a CreateTopicWithRetention payload. */
export function decodeCreateTopicWithRetention(payload: Buffer): {
  name: string;
  maxAgeSecs: bigint;
  maxBytes: bigint;
} {
  const nameEnd = payload.length < 2 ? 0 : 2 + payload.readUInt16LE(0);
  if (nameEnd === 0 || payload.length !== nameEnd + 16)
    throw new ProtocolError('CreateTopicWithRetention has a wrong length.');
  return {
    name: payload.toString('utf8', 2, nameEnd),
    maxAgeSecs: payload.readBigUInt64LE(nameEnd),
    maxBytes: payload.readBigUInt64LE(nameEnd + 8),
  };
}

/** SetTopic: the topic, then the settings to change as JSON. */
export function encodeSetTopic(topic: number, settings: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.concat([TopicRequest.encode({ topic }), Buffer.from(JSON.stringify(settings))]);
}

/** A Locate value from a number: record index, nanoseconds or offset. */
export function locateValue(value: bigint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(value, 0);
  return bytes;
}

/** A topic as TopicResponse gives it; the last ones only in the answer to DescribeTopic. */
export const TopicDocument = z.object({
  id: z.int().nonnegative(),
  name: z.string(),
  created_at: z.number(),
  topic_epoch: z.int().optional(),
  retention: z.object({ max_age_secs: z.number(), max_bytes: z.number() }).partial().nullish(),
  durability: z.enum(['durable', 'written']).optional(),
  first_offset: z.number().optional(),
  end_offset: z.number().optional(),
  first_record: z.number().optional(),
  end_record: z.number().optional(),
  bytes: z.number().optional(),
  segments: z.number().optional(),
});
export type TopicDocument = z.infer<typeof TopicDocument>;

export const TopicListDocument = z.object({ topics: z.array(TopicDocument) });
export const DeletedDocument = z.object({ deleted: z.int() });

/** GetClusterStatus's answer. */
export const ClusterStatusDocument = z.object({
  node_id: z.number(),
  is_leader: z.boolean(),
  leader_id: z.number().nullable(),
  current_term: z.number(),
  node_count: z.number(),
  healthy_nodes: z.number(),
  quorum_available: z.boolean(),
  peer_states: z.record(z.string(), z.string()),
});
export type ClusterStatusDocument = z.infer<typeof ClusterStatusDocument>;

/** HelloResponse: what the node is and takes. */
export const HelloDocument = z.object({
  version: z.string(),
  node_id: z.number(),
  cluster_id: z.string(),
  features: z.array(z.string()),
  limits: z.object({ max_frame: z.int(), max_record: z.int() }),
});
export type HelloDocument = z.infer<typeof HelloDocument>;

/** ErrorResponse. `details.batch_id` names the ingest that failed. */
export const ErrorDocument = z.object({
  code: z.int(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).nullish(),
});
export type ErrorDocument = z.infer<typeof ErrorDocument>;

/** Reads a JSON payload that must have the given shape; `name` is for the message. */
export function decodeJson<T>(name: string, shape: z.ZodType<T>, payload: Buffer): T {
  let document: unknown;
  try {
    document = JSON.parse(payload.toString('utf8'));
  } catch {
    throw new ProtocolError(`${name} holds no JSON.`);
  }
  const checked = shape.safeParse(document);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  throw new ProtocolError(
    `${name} is not as expected: ${issue?.path.join('.') || 'the document'}: ${issue?.message}.`,
  );
}
