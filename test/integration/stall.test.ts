/** "Rust moves records; TypeScript makes decisions": records move on while the JavaScript thread is stalled (design.md, section 1). */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import {
  Command,
  commitPayload,
  decodeFetched,
  encodeFrame,
  Flag,
  fetchWaitPayload,
  raw,
} from '../harness/lwp.js';
import { ROOT, startNode } from '../harness/node.js';
import { faultsOf, ProducerLoad, SequenceLog } from '../harness/producer-load.js';
import { tempDir } from '../harness/temp.js';

const STALL_MS = 10_000;

it('with the JavaScript thread stalled for ten seconds, acks, fetches, commits and keepalives go on', {
  timeout: 240_000,
}, async () => {
  const file = join(tempDir('stall'), 'marks');
  const node = await startNode({
    nodeArgs: ['--import', join(ROOT, 'test', 'harness', 'stall-main-thread.mjs')],
    env: { LANCE_TEST_STALL_FILE: file, LANCE_TEST_STALL_MS: String(STALL_MS) },
  });
  const marks = () => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  const connection = await node.connect('crc32c');
  const topic = await connection.createTopic('stalled');
  const probe = await connection.createTopic('probe');
  const newcomers = await connection.createTopic('newcomers');
  await connection.hello();
  const log = new SequenceLog(1, topic, 500);
  const load = await ProducerLoad.start(node, log);
  await sleep(300);
  node.signal('SIGUSR2');
  while (!marks().includes('stalled')) await sleep(10);
  // The control plane is indeed still: it must not answer before it is released.
  let listed = false;
  const list = connection.request(Command.listTopics, Buffer.alloc(0), Command.topicResponse).then(() => {
    listed = true;
  });
  const before = log.acknowledged.length;
  let rounds = 0;
  while (!marks().includes('released')) {
    await connection.ingestAcked(probe, raw(`round ${rounds}`));
    expect((await connection.fetch(probe, 0n)).records).toBe(rounds + 1);
    const wait = fetchWaitPayload(probe, 0n, 1 << 20, 1, 1_000);
    const waited = await connection.request(Command.fetchWait, wait, Command.fetchResponse);
    expect(decodeFetched(waited.payload).records).toBe(rounds + 1);
    await connection.request(Command.commitOffset, commitPayload(probe, 5n, 0n), Command.commitAck);
    if (marks().includes('released')) break;
    expect(listed).toBe(false);
    // A newcomer is accepted and served, too.
    const newcomer = await node.connect();
    await newcomer.write(encodeFrame('crc32', { flags: Flag.keepalive }));
    expect((await newcomer.next()).flags).toBe(Flag.keepalive);
    await newcomer.ingestAcked(newcomers, raw('served'));
    newcomer.close();
    rounds += 1;
    if (rounds === 11) writeFileSync(`${file}.enough`, '');
    await sleep(100);
  }
  expect(marks()).toBe('stalled\nreleased\n');
  // Some seventy rounds fit into ten seconds on an idle machine; on a busy one it stays stalled until there are eleven.
  expect(rounds).toBeGreaterThan(10);
  expect(log.acknowledged.length).toBeGreaterThan(before);
  await list;
  await load.stop();
  expect(faultsOf(await connection.fetchAll(topic), [log])).toEqual([]);
  connection.close();
  await node.stop();
});
