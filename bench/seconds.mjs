// `node bench/seconds.mjs [--durability written] [--topics N] [--seconds S] [--strace FILE] [-- LOAD FLAGS]`: one load on a fresh node,
// second by second: its rate beside what the node's counters moved by (those whose names have a part of --show, or --all). Topics are made before it, and how long that took is said: so starting up (the
// first write to each topic) stands apart from what comes after it.
import { mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createTopics } from '../dist/bench/topics.js';
import { Histogram } from '../dist/counters/index.js';
import { removeAtEnd, start } from './children.mjs';
import { countersOf, residentBytes, startNode, stopNode } from './node.mjs';
import { output, root } from './programs.mjs';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    durability: { type: 'string', default: 'written' },
    topics: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '10' },
    dir: { type: 'string', default: root },
    show: {
      type: 'string',
      default: 'segment_writes,flushes,topic_slab,slabs_exhausted,journal_blocks,paused',
    },
    all: { type: 'boolean', default: false },
    strace: { type: 'string' },
  },
});
const parent = removeAtEnd(mkdtempSync(join(resolve(flags.dir), 'lance-bench-seconds-')));
const node = await startNode(parent);
try {
  const look = () => countersOf(node);
  const began = performance.now();
  const topics = await createTopics(node.lwp, { count: Number(flags.topics), durability: flags.durability });
  console.log(`${flags.topics} topics made in ${((performance.now() - began) / 1e3).toFixed(2)} s`);
  const args = [
    'ingest',
    '--endpoint',
    node.lwp,
    '--topic-ids',
    topics.range,
    '--warmup',
    '0',
    '--seconds',
    flags.seconds,
    ...positionals,
  ];
  const first = look();
  let tracer;
  if (flags.strace)
    tracer = start('strace', ['-f', '-w', '-c', '-o', flags.strace, '-p', String(node.pid)], {
      stdio: 'ignore',
    });
  const running = output(process.execPath, [join(root, 'dist', 'bench', 'load-process.js'), ...args]);
  let over = false;
  running
    .finally(() => {
      over = true;
    })
    .catch(() => {});
  let before = first;
  while (!over) {
    await sleep(1_000);
    const now = look();
    const line = [];
    for (const [name, sample] of now) {
      const earlier = before.get(name);
      if (sample.kind === 'counter') {
        const moved = sample.value - (earlier?.value ?? 0);
        if (moved > 0 && (flags.all || flags.show.split(',').some((part) => name.includes(part))))
          line.push(`${name} ${moved}`);
      } else if (sample.kind === 'histogram' && /flush_latency|write_latency/.test(name)) {
        const since = earlier ? sample.histogram.since(earlier.histogram) : sample.histogram;
        if (since instanceof Histogram && since.count > 0)
          line.push(`${name} n${since.count} p50 ${(since.quantile(0.5) / 1e3).toFixed(0)} us`);
      }
    }
    console.log(line.join(' | '));
    before = now;
  }
  if (tracer) tracer.kill('SIGINT');
  const lines = (await running).out.trim().split('\n');
  for (const line of lines.slice(0, -1)) console.log(line.slice(0, 200));
  const told = JSON.parse(lines.at(-1));
  console.log(
    `${(told.throughput.bytes / 1e6).toFixed(0)} MB/s, ${told.frames} frames, p50 ${(told.latency.p50 / 1e6).toFixed(2)} ms p99 ${(told.latency.p99 / 1e6).toFixed(2)} ms, errors ${told.errors}, ${(residentBytes(node.pid) / 2 ** 20).toFixed(0)} MiB resident`,
  );
} finally {
  await stopNode(node);
}
