// `node bench/retention.mjs`: does an ack wait for what retention removes? One topic written at a steady rate, durable, in turns: it keeps
// everything, or `--keep` bytes, so that segments of 1 GiB go as fast as they come. Fresh nodes, whose retention looks every 2 s.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { atInterrupt, removeAtEnd } from './children.mjs';
import { startNode, stopNode } from './node.mjs';
import { load, median, output, root } from './programs.mjs';
import { keepReport } from './report.mjs';

const { values: flags } = parseArgs({
  options: {
    dir: { type: 'string', default: root },
    pairs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '20' },
    rate: { type: 'string', default: '200000' },
    keep: { type: 'string', default: '2GiB' },
    out: { type: 'string' },
  },
});
/** Long enough for more than `keep`, so that segments go from the first measured second on. */
const WARMUP = 15;
const TURNS = ['everything', 'retention'];
const results = { everything: [], retention: [] };

const parent = removeAtEnd(mkdtempSync(join(resolve(flags.dir), 'lance-bench-retention-')));
const config = join(parent, 'lance.toml');
writeFileSync(config, '[retention]\ninterval = "2s"\n');

/** One measurement on a node of its own. */
async function measure(turn) {
  const node = await startNode(parent, ['-c', config]);
  try {
    const keeps = turn === 'retention' ? ['--max-bytes', flags.keep] : [];
    const create = ['topic', 'create', 'events', ...keeps, '--json', '--endpoint', node.lwp];
    const { out } = await output(process.execPath, [`${root}bin/run.js`, ...create]);
    const { latency, throughput, errors } = await load('ingest', {
      endpoint: node.lwp,
      'topic-ids': JSON.parse(out).id,
      rate: flags.rate,
      warmup: WARMUP,
      seconds: flags.seconds,
      spin: cpus().length > 1 ? 1 : 0,
    });
    if (errors) throw new Error(`${errors} frames were refused`);
    const said = Buffer.concat(node.log).toString();
    const removed = [...said.matchAll(/removed (\d+) segments?/g)].reduce((sum, [, n]) => sum + Number(n), 0);
    if (turn === 'retention' && removed === 0) throw new Error('no segment went: write faster, or keep less');
    return { ...latency, bytes: throughput.bytes, removed };
  } finally {
    await stopNode(node);
  }
}

const ms = (ns) => (ns / 1e6).toFixed(2);
function show() {
  for (const turn of TURNS.filter((turn) => results[turn].length > 0)) {
    const of = (what) => median(results[turn].map((run) => run[what]));
    const times = ['p50', 'p99', 'p999', 'max'].map((quantile) => ms(of(quantile))).join(' / ');
    console.log(
      `${turn.padEnd(10)} ${(of('bytes') / 1e6).toFixed(0)} MB/s, p50 / p99 / p99.9 / max ${times} ms, ${of('removed')} segments went`,
    );
  }
}
atInterrupt(show);

const before = loadavg();
for (let number = 0; number < Number(flags.pairs); number++) {
  // Which comes first alternates, so that a drift of the machine favours neither.
  for (const turn of number % 2 ? [...TURNS].reverse() : TURNS) results[turn].push(await measure(turn));
}
show();
await keepReport('retention', { results }, before, flags.out);
