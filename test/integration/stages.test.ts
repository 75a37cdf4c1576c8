/** What a frame's way through the engine leaves in the counters (design.md, section 9). */
import { expect, it } from 'vitest';
import { raw } from '../harness/lwp.js';
import { startNode } from '../harness/node.js';

interface Value {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly count?: number;
  readonly value?: number;
}

const STAGES = ['receive_enqueue', 'enqueue_submit', 'submit_complete', 'complete_ack', 'receive_ack'];

it('every acknowledged frame is in the histogram of each stage, every plain fetch in that of fetches', async () => {
  const node = await startNode();
  const connection = await node.connect();
  const topic = await connection.createTopic('staged');
  for (let n = 0; n < 50; n++) await connection.ingestAcked(topic, raw(`record ${n}`));
  for (let n = 0; n < 7; n++) await connection.fetch(topic, 0n, 1024);
  const response = await fetch(`http://${node.ready.admin}/v1/counters`);
  const { counters } = (await response.json()) as { counters: Value[] };
  const count = (name: string) => counters.find((value) => value.name === name)?.count;
  expect(Object.fromEntries(STAGES.map((stage) => [stage, count(`stage_${stage}`)]))).toEqual(
    Object.fromEntries(STAGES.map((stage) => [stage, 50])),
  );
  expect(count('fetch_latency')).toBe(7);
  // Each came alone; a block of watermarks may have been under way.
  expect(count('stage_own')).toBeGreaterThan(0);
  expect(count('stage_own')).toBeLessThanOrEqual(50);
  const queues = counters.filter((value) => value.name === 'queue_depth').map((value) => value.labels.queue);
  expect(queues).toContain('network-ingest');
  expect(queues).toContain('io-keeper');
  connection.close();
  await node.stop();
});
