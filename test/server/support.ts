import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { Catalogue } from '../../src/server/catalogue.js';
import { DataDirectory } from '../../src/server/data-directory.js';
import { newTopic } from '../../src/server/topic.js';
import { removeTree } from '../harness/temp.js';
import { FakeEngine } from '../support/fake-engine.js';

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) removeTree(path);
});

/** A folder of this test's own. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'lance-server-'));
  made.push(path);
  return path;
}

/** Opens a data directory without taking a lock. */
export function openDirectory(
  path = temporaryFolder(),
  nodeId = { nodeId: 1, explicit: false },
): Promise<DataDirectory> {
  return DataDirectory.open({ path, nodeId, durability: 'durable', lock: () => ({ kind: 'locked' }) });
}

/** A catalogue over a data directory and an engine that only remembers. */
export async function openCatalogue(path = temporaryFolder(), limit = 100) {
  const directory = await openDirectory(path);
  const engine = new FakeEngine((name) => directory.topicPath(name));
  const topics = [newTopic(0, 'default', 'durable', undefined, 1_700_000_000)];
  for (const topic of topics) engine.topics.set(topic.id, topic);
  const clock = () => 1_700_000_000;
  const catalogue = new Catalogue({ engine, directory, topics, durability: 'durable', limit, clock });
  return { directory, engine, catalogue, path };
}
