/**
 * SIGKILL under load, again and again. LANCE_CRASHES says how often on each backend (5 by default; 250 for a
 * proof by hand), at most 25 times on one directory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { random } from '../harness/data.js';
import { startNode } from '../harness/node.js';
import { faultsOf, ProducerLoad, SequenceLog, setWritten } from '../harness/producer-load.js';
import { SMALL_SEGMENTS } from '../harness/seeded-directory.js';
import { verifiedTopic } from '../harness/topic-files.js';

const CRASHES = Number(process.env.LANCE_CRASHES ?? 5);
/** Kills of one directory: everything in it is read again after each, so more of them cost more each. */
const PER_DIRECTORY = 25;
/** How many kills each directory gets. */
const DIRECTORIES = Array.from({ length: Math.ceil(CRASHES / PER_DIRECTORY) }, (_, index) =>
  Math.min(PER_DIRECTORY, CRASHES - index * PER_DIRECTORY),
);
const BACKENDS = (process.env.LANCE_CRASH_BACKENDS ?? 'io_uring,pwritev2').split(',');

describe.each(BACKENDS)('on the %s backend', (backend) => {
  it.each(DIRECTORIES)(
    '%i SIGKILLs under load lose nothing acknowledged, repeat nothing, reorder nothing, invent nothing',
    {
      timeout: 240_000 + PER_DIRECTORY * 15_000,
    },
    async (crashes) => {
      const config = `${SMALL_SEGMENTS}[io]\nbackend = "${backend}"\n`;
      const next = random(Number(process.env.LANCE_CRASH_SEED ?? Date.now() % 1_000_000));
      let node = await startNode({ config });
      const setUp = await node.connect();
      const topics = [
        // A busy topic goes straight to its segments, small frames share the journal, large ones take jumbo slabs.
        { name: 'busy', maxBytes: 8_000, producers: 2 },
        { name: 'small', maxBytes: 100, producers: 2 },
        { name: 'large', maxBytes: 300_000, producers: 1 },
        { name: 'written', maxBytes: 2_000, producers: 1 },
      ];
      const logs: SequenceLog[] = [];
      const ids = new Map<string, number>();
      for (const { name, maxBytes, producers } of topics) {
        const id = await setUp.createTopic(name);
        ids.set(name, id);
        if (name === 'written') await setWritten(setUp, id);
        for (let index = 0; index < producers; index++)
          logs.push(new SequenceLog(logs.length + 1, id, maxBytes));
      }
      setUp.close();
      for (let crash = 1; crash <= crashes; crash++) {
        const load = await Promise.all(logs.map((log) => ProducerLoad.start(node, log)));
        await sleep(100 + (next() % 600));
        // Once at least for each producer, however slow the machine is; the later kills come when they come.
        while (crash === 1 && logs.some((log) => log.acknowledged.length === 0)) await sleep(10);
        await node.kill();
        await Promise.all(load.map((producer) => producer.done));
        node = await node.restart();
        const reader = await node.connect('crc32c');
        for (const { name } of topics) {
          const id = ids.get(name) as number;
          const own = logs.filter((log) => log.topic === id);
          expect(faultsOf(await reader.fetchAll(id), own), `topic ${name} after crash ${crash}`).toEqual([]);
        }
        reader.close();
      }
      expect(logs.every((log) => log.acknowledged.length > 0)).toBe(true);
      await node.stop();
      for (const { name } of topics) {
        const id = ids.get(name) as number;
        const { stream } = verifiedTopic(node.dataDir, name);
        expect(
          faultsOf(
            stream,
            logs.filter((log) => log.topic === id),
          ),
        ).toEqual([]);
      }
    },
  );
});

describe('a crash while recovering', () => {
  it('changes nothing: a node killed as soon as it starts, several times over, still has everything', {
    timeout: 240_000,
  }, async () => {
    let node = await startNode({ config: SMALL_SEGMENTS });
    const setUp = await node.connect();
    const id = await setUp.createTopic('kept');
    setUp.close();
    const log = new SequenceLog(1, id, 3_000);
    const load = await ProducerLoad.start(node, log);
    await sleep(700);
    while (log.acknowledged.length === 0) await sleep(10);
    await node.kill();
    await load.done;
    for (let round = 0; round < 4; round++) {
      node = await node.restart();
      await node.kill();
    }
    node = await node.restart();
    const reader = await node.connect();
    expect(faultsOf(await reader.fetchAll(id), [log])).toEqual([]);
    expect(log.acknowledged.length).toBeGreaterThan(0);
    reader.close();
    await node.stop();
    expect(faultsOf(verifiedTopic(node.dataDir, 'kept').stream, [log])).toEqual([]);
  });
});
