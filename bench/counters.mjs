// `node bench/counters.mjs [--durability written] [--perf] [-- LOAD FLAGS]`: one load, and how the node's own counters moved under it,
// in all and for each frame. With --perf also where the data plane's CPU time went (perf record on its threads).
import { mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Histogram } from '../dist/counters/index.js';
import { removeAtEnd } from './children.mjs';
import { countersOf, dataPlaneThreads, startNode, stopNode } from './node.mjs';
import { output, root } from './programs.mjs';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    durability: { type: 'string', default: 'durable' },
    seconds: { type: 'string', default: '4' },
    perf: { type: 'boolean', default: false },
    dir: { type: 'string', default: root },
  },
});
const parent = removeAtEnd(mkdtempSync(join(resolve(flags.dir), 'lance-bench-counters-')));
process.env.LANCE_IO_DURABILITY = flags.durability;
const node = await startNode(parent);
try {
  const look = () => countersOf(node);
  const before = look();
  const args = [
    'ingest',
    '--endpoint',
    node.lwp,
    '--warmup',
    '0',
    '--seconds',
    flags.seconds,
    ...positionals,
  ];
  const running = output(process.execPath, [join(root, 'dist', 'bench', 'load-process.js'), ...args]);
  let profile = '';
  if (flags.perf) {
    await sleep(1_000);
    const data = join(parent, 'perf.data');
    const threads = dataPlaneThreads(node.pid).map(({ tid }) => tid);
    await output('perf', [
      'record',
      '-q',
      '-e',
      'cpu-clock',
      '-F',
      '997',
      '-t',
      threads.join(),
      '-o',
      data,
      '--',
      'sleep',
      '2',
    ]);
    const report = [
      'report',
      '-i',
      data,
      '--stdio',
      '--no-children',
      '--percent-limit',
      '1',
      '-g',
      'none',
      '-s',
      'symbol',
    ];
    profile = (await output('perf', report)).out;
  }
  const told = JSON.parse((await running).out.trim().split('\n').at(-1));
  const { frames, throughput, latency } = told;
  console.log(
    `${flags.durability}: ${(throughput.bytes / 1e6).toFixed(0)} MB/s, ${frames} frames, ack p50 ${latency.p50} ns, p99 ${latency.p99} ns`,
  );
  for (const [name, sample] of [...look()].sort(([a], [b]) => a.localeCompare(b))) {
    const earlier = before.get(name);
    if (sample.kind === 'histogram') {
      const since = earlier ? sample.histogram.since(earlier.histogram) : sample.histogram;
      if (since instanceof Histogram && since.count > 0) {
        console.log(
          `${name}: ${since.count} times, p50 ${since.quantile(0.5)}, p99 ${since.quantile(0.99)} ${sample.unit}`,
        );
      }
    } else if (sample.kind === 'counter') {
      const moved = sample.value - (earlier?.value ?? 0);
      if (moved > 0) console.log(`${name}: ${moved}, ${(moved / frames).toPrecision(3)} a frame`);
    }
  }
  if (profile) console.log(profile.replace(/^#.*\n|^\n/gm, ''));
} finally {
  await stopNode(node);
}
