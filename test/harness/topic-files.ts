/**
 * Reads a topic's directory whole and checks what must hold across its segments: the chain, offsets, record indexes
 * and sort keys (formats.md; design.md, "Order and addresses").
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  compareKeys,
  isSegmentName,
  keyOf,
  readSegment,
  type SegmentFile,
  type SortKey,
} from './segment-file.js';

export interface StoredRecord {
  readonly type: number;
  readonly value: Buffer;
  /** The whole TLV. */
  readonly bytes: Buffer;
  readonly offset: bigint;
  readonly record: bigint;
  readonly key: SortKey;
}

export interface TopicMetadata {
  readonly format: number;
  readonly id: number;
  readonly name: string;
  readonly created_at: number;
  readonly topic_epoch: number;
  readonly durability: string;
  readonly retention?: { readonly max_age_secs: number; readonly max_bytes: number };
  readonly resume?: Readonly<Record<string, unknown>>;
}

export interface TopicFiles {
  readonly metadata: TopicMetadata;
  readonly segments: readonly SegmentFile[];
  readonly records: readonly StoredRecord[];
  /** The record bytes of all segments, one after the other: what a consumer from the first kept offset must get. */
  readonly stream: Buffer;
  readonly problems: readonly string[];
}

/** Directory of a topic. */
export function topicDirectory(dataDir: string, topic: string): string {
  return join(dataDir, 'segments', topic);
}

/** Paths of a topic's segments, in order of base offset. */
export function segmentPaths(dataDir: string, topic: string): string[] {
  const directory = topicDirectory(dataDir, topic);
  return readdirSync(directory)
    .filter(isSegmentName)
    .sort()
    .map((name) => join(directory, name));
}

/** A topic's metadata.json. */
export function readMetadata(dataDir: string, topic: string): TopicMetadata {
  return JSON.parse(
    readFileSync(join(topicDirectory(dataDir, topic), 'metadata.json'), 'utf8'),
  ) as TopicMetadata;
}

/** Reads a topic from disk; every fault of every segment and between them is in `problems`. */
export function readTopicFiles(dataDir: string, topic: string): TopicFiles {
  const metadata = readMetadata(dataDir, topic);
  const segments = segmentPaths(dataDir, topic).map(readSegment);
  const problems = segments.flatMap((segment) =>
    segment.problems.map((problem) => `${segment.path}: ${problem}`),
  );
  if (metadata.format !== 1) problems.push(`metadata.json: format ${metadata.format}`);
  if (metadata.name !== topic)
    problems.push(`metadata.json: name ${metadata.name} in the directory of ${topic}`);
  for (const [ordinal, segment] of segments.entries()) {
    if (segment.state === 'active' && ordinal !== segments.length - 1)
      problems.push(`${segment.path}: active, but not the last`);
  }
  checkSequence(segments, metadata, problems);
  return {
    metadata,
    segments,
    records: recordsOf(segments),
    stream: Buffer.concat(segments.flatMap((segment) => segment.batches.map((batch) => batch.payload))),
    problems,
  };
}

/** As `readTopicFiles`, but throws when anything is wrong. */
export function verifiedTopic(dataDir: string, topic: string): TopicFiles {
  const files = readTopicFiles(dataDir, topic);
  if (files.problems.length > 0)
    throw new Error(`topic ${topic} on disk:\n${files.problems.slice(0, 20).join('\n')}`);
  return files;
}

function checkSequence(segments: readonly SegmentFile[], metadata: TopicMetadata, problems: string[]): void {
  let previous:
    | { checksum: number; nextOffset: bigint; nextRecord: bigint; lastKey: SortKey; durable: bigint }
    | undefined;
  for (const segment of segments) {
    for (const batch of segment.batches) {
      const say = (text: string) =>
        problems.push(`${segment.path}: batch at byte ${batch.position}: ${text}`);
      if (batch.topicId !== metadata.id) say(`topic id ${batch.topicId}, the topic's is ${metadata.id}`);
      if (batch.topicEpoch !== metadata.topic_epoch) say(`topic epoch ${batch.topicEpoch}`);
      if (batch.durableOffset > batch.baseOffset)
        say(`durable offset ${batch.durableOffset} lies beyond its base offset ${batch.baseOffset}`);
      if (previous) {
        if (batch.previousChecksum !== previous.checksum) say('the chain is broken');
        if (batch.baseOffset !== previous.nextOffset)
          say(`base offset ${batch.baseOffset}, expected ${previous.nextOffset}`);
        if (batch.baseRecord !== previous.nextRecord)
          say(`base record ${batch.baseRecord}, expected ${previous.nextRecord}`);
        if (compareKeys(batch.firstKey, previous.lastKey) <= 0)
          say('its sort key does not exceed the one before');
        if (batch.durableOffset < previous.durable) say('the durable offset went back');
      } else if (batch.baseOffset === 0n && batch.previousChecksum !== 0) {
        say('the first batch of a topic has a predecessor');
      }
      const sequence = batch.firstKey.nodeActorSequence & 0xff_ffff_ffffn;
      if (sequence + BigInt(batch.recordCount) > 0x100_0000_0000n) say('the sequence overflows its 40 bits');
      previous = {
        checksum: batch.headerChecksum,
        nextOffset: batch.baseOffset + BigInt(batch.payload.length),
        nextRecord: batch.baseRecord + BigInt(batch.recordCount),
        lastKey: keyOf(batch, batch.recordCount - 1),
        durable: batch.durableOffset,
      };
    }
  }
}

function recordsOf(segments: readonly SegmentFile[]): StoredRecord[] {
  const records: StoredRecord[] = [];
  for (const segment of segments) {
    for (const batch of segment.batches) {
      for (const [index, tlv] of batch.tlvs.entries()) {
        records.push({
          type: tlv.type,
          value: tlv.value,
          bytes: batch.payload.subarray(tlv.at, tlv.at + 5 + tlv.value.length),
          offset: batch.baseOffset + BigInt(tlv.at),
          record: batch.baseRecord + BigInt(index),
          key: keyOf(batch, index),
        });
      }
    }
  }
  return records;
}
