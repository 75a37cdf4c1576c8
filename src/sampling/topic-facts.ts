import type { CommitRow, Tables, TopicRow } from '../counters/index.js';
import type { ConsumerFacts, TopicFacts } from './raw.js';

/** What names a topic: the counters file knows it by its id only. */
export type TopicIdentity = Pick<TopicFacts, 'id' | 'name' | 'durability' | 'retention'>;

/** Topics as their rows in the counters file have them; without rows only what names them is known. */
export function topicFacts(topics: readonly TopicIdentity[], tables: Tables | undefined): TopicFacts[] {
  const rows = new Map(tables?.topics.map((row) => [row.id, row]));
  const commits = byTopic(tables?.commits ?? []);
  return topics.map(({ id, name, durability, retention }) => {
    const row = rows.get(id);
    const consumers = row === undefined ? undefined : consumersOf(row, commits.get(id) ?? []);
    return {
      id,
      name,
      durability,
      retention,
      state: row?.state ?? 'live',
      firstOffset: row?.firstOffset,
      endOffset: row?.endOffset,
      firstRecord: row?.firstRecord,
      endRecord: row?.endRecord,
      durableOffset: row?.durableOffset,
      bytes: row?.bytes,
      segments: row?.segments,
      fetchedBytes: row?.fetchedBytes,
      fetchedRecords: row?.fetchedRecords,
      lastWriteMs: row === undefined || row.lastTimestampNs === 0 ? undefined : row.lastTimestampNs / 1e6,
      consumerCount: consumers?.length,
      lag: consumers === undefined ? undefined : largestLag(consumers),
      consumers,
    };
  });
}

function byTopic(commits: readonly CommitRow[]): Map<number, CommitRow[]> {
  const found = new Map<number, CommitRow[]>();
  for (const commit of commits) {
    const list = found.get(commit.topic);
    if (list) list.push(commit);
    else found.set(commit.topic, [commit]);
  }
  return found;
}

function consumersOf({ endOffset }: TopicRow, commits: readonly CommitRow[]): ConsumerFacts[] {
  return commits.map(({ consumer, offset, atS }) => ({
    id: consumer.toString(),
    offset,
    lag: Math.max(0, endOffset - offset),
    committedAt: atS,
  }));
}

function largestLag(consumers: readonly ConsumerFacts[]): number | undefined {
  if (consumers.length === 0) return undefined;
  return consumers.reduce((most, { lag }) => Math.max(most, lag), 0);
}
