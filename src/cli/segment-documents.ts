import type { BatchSeen } from '../segment/index.js';
import { type BlockOfChunk, type IndexEntry, type SeenRecord, sortKeyOf } from '../segment/index.js';
import { recordDocument } from './consume-output.js';

/** The JSON of a record, as `lance consume` prints it, and where it stands; numbers may be beyond 2^53. */
export function recordJson(record: SeenRecord): Record<string, unknown> {
  const { record: index, offset, nextOffset } = record;
  const document = recordDocument({
    ...record,
    record: Number(index),
    offset: Number(offset),
    nextOffset: Number(nextOffset),
  });
  return { ...document, record: index, offset };
}

/** The JSON of a batch header: every field of formats.md, "Segment". */
export function batchDocument(batch: BatchSeen): Record<string, unknown> {
  const { timestampNs, producerNs, producerId, nodeActorSequence, ...rest } = batch;
  return {
    ...rest,
    sortKey: sortKeyOf(batch),
    timestampNs: timestampNs.toString(),
    producerTimestampNs: producerNs.toString(),
    producerId: producerId.toString(),
    nodeId: Number(nodeActorSequence >> 48n),
    actorId: Number((nodeActorSequence >> 40n) & 0xffn),
    sequence: nodeActorSequence & 0xff_ffff_ffffn,
  };
}

/** The JSON of an ordinal of both indexes; `posPosition` only where the two disagree. */
export function entryDocument({
  timestampNs,
  nodeActorSequence,
  posPosition,
  ...entry
}: IndexEntry): Record<string, unknown> {
  return {
    ...entry,
    sortKey: sortKeyOf({ timestampNs, nodeActorSequence }),
    timestampNs: timestampNs.toString(),
    ...(posPosition === entry.position ? {} : { posPosition }),
  };
}

/** The JSON of a journal block: every field of docs/formats.md, "Journal", with the headers of the batches in it. */
export function blockDocument({ block, entries }: BlockOfChunk): Record<string, unknown> {
  return {
    ...block,
    entries: entries.map(({ entry, batch }) => {
      const { consumer, ...rest } = entry;
      return {
        ...rest,
        ...(consumer === undefined ? {} : { consumer: consumer.toString() }),
        ...(batch ? { batch: batchDocument(batch) } : {}),
      };
    }),
  };
}
