import { setTimeout as sleep } from 'node:timers/promises';
import { type Reading, type Source, Watcher } from '../sampling/index.js';

/** How far apart the two looks are that make a sample with rates, ms. */
const INTERVAL_MS = 1_000;

/** One sample of each node: two looks, so that it has rates. A node that does not serve is looked at once. */
export async function sampleOnce(sources: readonly Source[]): Promise<Reading[]> {
  return Promise.all(
    sources.map(async (source) => {
      const watcher = new Watcher(source);
      const first = await watcher.look();
      if (first.node.presence !== 'serving') return first;
      await sleep(INTERVAL_MS);
      const second = await watcher.look();
      return { ...second, events: [...first.events, ...second.events] };
    }),
  );
}
