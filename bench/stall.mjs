// `node bench/stall.mjs`: does an ack wait for JavaScript? Latency at 5,000 frames a second, durable, of one node: quiet and with its
// main thread stalled for more than ten seconds, in turns. `block` sleeps in JavaScript (only the dependency is measured), `spin` burns a CPU and
// `collect` collects garbage without pause (they also take a CPU from node and load, which has two in all on a small machine).
import { mkdtempSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { removeAtEnd } from './children.mjs';
import { startNode, stopNode } from './node.mjs';
import { load, median, root } from './programs.mjs';
import { keepReport } from './report.mjs';

const { values: flags } = parseArgs({
  options: {
    dir: { type: 'string', default: root },
    pairs: { type: 'string', default: '10' },
    manners: { type: 'string', default: 'block' },
    seconds: { type: 'string', default: '10' },
    out: { type: 'string' },
  },
});
const seconds = Number(flags.seconds);
const manners = flags.manners.split(',');
const QUANTILES = ['p50', 'p99', 'p999', 'max'];
/** Creating the topic needs the control plane, so a stall begins after it, and before the measured time. */
const WARMUP = 2;
const BEGINS_MS = 1_000;
const RESAMPLES = 10_000;

/** One measurement; `manner` undefined: quiet. */
async function measure(node, order, manner) {
  const running = load('latency', { endpoint: node.lwp, warmup: WARMUP, seconds });
  if (manner) {
    await sleep(BEGINS_MS);
    writeFileSync(order, `${manner} ${(WARMUP + seconds) * 1_000 - BEGINS_MS + 500}`);
    node.child.kill('SIGUSR2');
  }
  const { latency, errors, unanswered } = await running;
  if (errors || unanswered) throw new Error(`${errors} errors, ${unanswered} unanswered`);
  // The stall ends, and what it held up is done.
  await sleep(1_500);
  return latency;
}

/** The median ratio of pairs and the interval that holds 95 % of the medians of as many pairs drawn again (bootstrap). */
function compared(pairs, quantile) {
  const ratios = pairs.map(({ quiet, stalled }) => stalled[quantile] / quiet[quantile]);
  const draw = () => median(ratios.map(() => ratios[Math.floor(Math.random() * ratios.length)]));
  const medians = Array.from({ length: RESAMPLES }, draw).sort((a, b) => a - b);
  const at = (share) => medians[Math.floor(share * (RESAMPLES - 1))];
  return { ratio: median(ratios), from: at(0.025), to: at(0.975) };
}

const parent = removeAtEnd(mkdtempSync(join(resolve(flags.dir), 'lance-bench-stall-')));
const order = join(parent, 'order');
process.env.LANCE_BENCH_STALL = order;
process.env.NODE_OPTIONS = `--import ${root}bench/stall-preload.mjs`;
const node = await startNode(parent);
delete process.env.NODE_OPTIONS;
const before = loadavg();
const results = {};
try {
  await measure(node, order);
  for (let number = 0; number < Number(flags.pairs); number++) {
    for (const manner of manners) {
      // Which of the two comes first alternates, so that a drift of the machine favours neither.
      const pair = {};
      for (const turn of number % 2 ? ['stalled', 'quiet'] : ['quiet', 'stalled']) {
        pair[turn] = await measure(node, order, turn === 'stalled' ? manner : undefined);
      }
      results[manner] ??= { pairs: [] };
      results[manner].pairs.push(pair);
    }
  }
} finally {
  await stopNode(node);
}
for (const [manner, result] of Object.entries(results)) {
  console.log(`${manner}: ${result.pairs.length} pairs of ${seconds} s`);
  for (const quantile of QUANTILES) {
    const shown = (turn) => (median(result.pairs.map((pair) => pair[turn][quantile])) / 1e3).toFixed(0);
    result[quantile] = compared(result.pairs, quantile);
    const { ratio, from, to } = result[quantile];
    const interval = `${ratio.toFixed(3)} (95 %: ${from.toFixed(3)} to ${to.toFixed(3)})`;
    console.log(
      `  ${quantile.padEnd(5)} quiet ${shown('quiet')} us, stalled ${shown('stalled')} us, ratio ${interval}`,
    );
  }
}
await keepReport('stall', { results }, before, flags.out);
