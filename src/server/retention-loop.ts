import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Engine, TopicMetadata } from '../engine/index.js';
import type { Catalogue } from './catalogue.js';
import type { DataDirectory } from './data-directory.js';
import { errorCode, words } from './errors.js';
import { parseSegmentName, planRetention, type SegmentFile } from './retention.js';

/** What the retention loop works with. */
export interface RetentionParts {
  engine: Pick<Engine, 'describe' | 'retain' | 'seal'>;
  catalogue: Pick<Catalogue, 'list' | 'setResume'>;
  directory: Pick<DataDirectory, 'topicPath'>;
  log: Pick<Logger, 'warn' | 'debug'>;
}

/** One look at every topic that has limits; what fails for one topic is logged and does not stop the others. */
export async function applyRetention(
  parts: RetentionParts,
  nowNs = BigInt(Date.now()) * 1_000_000n,
): Promise<void> {
  for (const topic of parts.catalogue.list()) {
    if (!topic.retention) continue;
    try {
      await applyTo(topic, parts, nowNs);
    } catch (error) {
      // A topic that was deleted meanwhile has nothing left to retain.
      if (parts.catalogue.list().some(({ id }) => id === topic.id)) {
        parts.log.warn({ topic: topic.name }, `retention of topic ${topic.name} failed: ${words(error)}`);
      }
    }
  }
}

async function applyTo(
  topic: TopicMetadata,
  { engine, catalogue, directory, log }: RetentionParts,
  nowNs: bigint,
): Promise<void> {
  if (!topic.retention) return;
  const description = await engine.describe(topic.id);
  if (description.frozen) return;
  const segments = await listSegments(directory.topicPath(topic.name));
  const { seal, belowOffset, resume } = planRetention(topic.retention, segments, description, nowNs);
  if (resume) await catalogue.setResume(topic.id, resume);
  if (belowOffset !== undefined) {
    log.debug({ topic: topic.name, belowOffset: String(belowOffset) }, 'retention removes segments');
    await engine.retain(topic.id, belowOffset);
  }
  if (seal) await engine.seal(topic.id);
}

/** The segments in a topic's directory; one that went meanwhile is left out. */
export async function listSegments(path: string): Promise<SegmentFile[]> {
  const names = await readdir(path);
  const found = await Promise.all(
    names.map(async (name): Promise<SegmentFile[]> => {
      const parsed = parseSegmentName(name);
      if (!parsed) return [];
      try {
        const { size } = await stat(join(path, name), { bigint: true });
        return [{ ...parsed, bytes: size }];
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return [];
        throw error;
      }
    }),
  );
  return found.flat();
}
