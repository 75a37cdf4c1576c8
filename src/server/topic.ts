import type { Durability, Position, Retention, TopicMetadata } from '../engine/index.js';
import type { Json } from './json.js';

/** Version of `metadata.json`. */
const FORMAT = 1;

const NAME = /^[A-Za-z0-9._-]{1,249}$/;

/** Whether a topic may have this name: it is a directory's, too (lwp.md, CreateTopic). */
export function isTopicName(name: string): boolean {
  return NAME.test(name) && name !== '.' && name !== '..';
}

/** A topic that does not exist yet. `createdAt` in seconds. */
export function newTopic(
  id: number,
  name: string,
  durability: Durability,
  retention: Retention | undefined,
  createdAt: number,
): TopicMetadata {
  return { id, name, createdAt, epoch: 1, durability, ...(retention && { retention }) };
}

/** What is kept: undefined where neither limit is set. */
export function retentionOf(maxAgeSecs: bigint, maxBytes: bigint): Retention | undefined {
  return maxAgeSecs === 0n && maxBytes === 0n ? undefined : { maxAgeSecs, maxBytes };
}

/** `metadata.json` (formats.md, "Files"). */
export function metadataDocument(topic: TopicMetadata): Json {
  return {
    format: FORMAT,
    id: topic.id,
    name: topic.name,
    created_at: topic.createdAt,
    topic_epoch: topic.epoch,
    retention: retentionDocument(topic.retention),
    durability: topic.durability,
    resume: topic.resume && resumeDocument(topic.resume),
  };
}

/** TopicResponse (lwp.md, 0x80). */
export function topicDocument(topic: TopicMetadata): { [key: string]: Json } {
  return {
    id: topic.id,
    name: topic.name,
    created_at: topic.createdAt,
    topic_epoch: topic.epoch,
    retention: retentionDocument(topic.retention),
  };
}

function retentionDocument(retention: Retention | undefined): Json {
  return retention && { max_age_secs: retention.maxAgeSecs, max_bytes: retention.maxBytes };
}

function resumeDocument({ offset, record, key, chain }: Position): Json {
  return { offset, record, key, chain };
}
