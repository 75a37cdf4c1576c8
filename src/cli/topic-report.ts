import type { Retention, Topic, TopicDescription } from '../client/index.js';
import { formatDuration, formatSize, roundedSize } from '../config/index.js';
import { table } from './table.js';

/** The JSON of a topic as `create` prints it (cli.md). */
export function topicDocument({
  id,
  name,
  createdAt,
  retention,
  durability,
}: TopicDescription): Record<string, unknown> {
  return { id, name, createdAt, retention, durability };
}

/** The JSON of `describe` and `set`. */
export function descriptionDocument(topic: TopicDescription): Record<string, unknown> {
  const { firstOffset, endOffset, firstRecord, endRecord, bytes, segments } = topic;
  return { ...topicDocument(topic), firstOffset, endOffset, firstRecord, endRecord, bytes, segments };
}

/** Topics as a table. */
export function topicTable(topics: readonly Topic[]): string {
  const rows = topics.map(({ id, name, createdAt, retention }) => [
    id,
    name,
    time(createdAt),
    kept(retention),
  ]);
  return table(['ID', 'NAME', 'CREATED', 'KEEPS'], rows);
}

/** A topic for people, a line a property. */
export function topicText(topic: TopicDescription): string {
  const { firstRecord, endRecord, firstOffset, endOffset } = topic;
  const lines: [string, string][] = [
    ['topic', `${topic.name} (id ${topic.id})`],
    ['created', time(topic.createdAt)],
    ['durability', topic.durability],
    ['keeps', kept(topic.retention)],
    ['records', `${endRecord - firstRecord} (${firstRecord} to ${endRecord})`],
    ['offsets', `${firstOffset} to ${endOffset}`],
    [
      'on disk',
      `${roundedSize(topic.bytes)} in ${topic.segments} ${topic.segments === 1 ? 'segment' : 'segments'}`,
    ],
  ];
  return lines.map(([name, value]) => `${name.padEnd(12)}${value}`).join('\n');
}

function kept({ maxAgeSecs, maxBytes }: Retention): string {
  const limits = [
    ...(maxAgeSecs > 0 ? [formatDuration(maxAgeSecs * 1000)] : []),
    ...(maxBytes > 0 ? [formatSize(maxBytes)] : []),
  ];
  return limits.join(', at most ') || 'everything';
}

function time(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
