// `node bench/peers/run.mjs`: LANCE and its peers on one machine, one disk, the same records, batches and connections, in turns
// (A, B, A, B), each loaded by its own tool and each on a fresh directory. Prints tables and writes everything to bench/results/.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../dist/bench/machine.js';
import { atInterrupt, removeAtEnd } from '../children.mjs';
import { median, root } from '../programs.mjs';
import { kafka } from './kafka.mjs';
import { lance } from './lance.mjs';
import { nats } from './nats.mjs';
import { cpuSeconds, softirqSeconds } from './process.mjs';
import { redis } from './redis.mjs';

const PEERS = [kafka, nats, redis];
const LEVELS = ['shipped', 'written', 'durable'];
const PARTS = ['throughput', 'half'];
const LOAD = { connections: 16, recordSize: 1_024, batchBytes: 65_536 };
/** Where nothing is known yet: a warm-up of so many records a second finds the rate. */
const FIRST_GUESS = 20_000;
const WARM_SECONDS = 1;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    peer: { type: 'string', default: PEERS.map(({ name }) => name).join() },
    level: { type: 'string', default: LEVELS.join() },
    part: { type: 'string', default: PARTS.join() },
    dir: { type: 'string', default: root },
    out: { type: 'string' },
  },
});
const chosen = (text, known, flag) => {
  const names = text.split(',');
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  console.error(`--${flag} "${unknown}" is none of ${known.join(', ')}.`);
  process.exit(2);
};
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
if (!(rounds >= 1 && seconds > 0)) {
  console.error('--rounds and --seconds are numbers above 0.');
  process.exit(2);
}
const names = chosen(
  flags.peer,
  PEERS.map(({ name }) => name),
  'peer',
);
const peers = PEERS.filter(({ name }) => names.includes(name));
const levels = chosen(flags.level, LEVELS, 'level');
const parts = chosen(flags.part, PARTS, 'part');
const say = (text) => process.stderr.write(`${text}\n`);

const parent = removeAtEnd(mkdtempSync(join(resolve(flags.dir), 'lance-bench-peers-')));

/** A file that is there already is gone on with: a whole comparison may be run in pieces. */
const earlier = flags.out && existsSync(flags.out) ? JSON.parse(readFileSync(flags.out, 'utf8')) : undefined;
const measured = earlier?.measured ?? [];
/** What each peer reached so far at a level, records a second: the next guess. */
const reached = new Map();
for (const { part, peer, level, records, failed } of measured) {
  if (part !== 'throughput' || failed) continue;
  reached.set(`${peer} ${level}`, [...(reached.get(`${peer} ${level}`) ?? []), records]);
}

/** One measurement on a fresh server: warm-up, then the load with the server's CPU time beside it. */
async function measure(peer, level, round, rate) {
  say(`round ${round + 1} of ${rounds}: ${peer.title}, ${level}${rate ? ` at ${Math.round(rate)}/s` : ''}`);
  const dir = mkdtempSync(join(parent, `${peer.name}-`));
  try {
    const server = await peer.start(dir, level);
    try {
      const key = `${peer.name} ${level}`;
      const warm = await peer.load(server, {
        ...LOAD,
        seconds: peer.warmSeconds ?? WARM_SECONDS,
        rate,
        guess: FIRST_GUESS,
      });
      const guess = median(reached.get(key) ?? [warm.records]);
      const before = { cpu: cpuSeconds(server.pid), softirq: softirqSeconds() };
      const told = await peer.load(server, { ...LOAD, seconds, rate, guess });
      const cpu = cpuSeconds(server.pid) - before.cpu;
      const softirq = softirqSeconds() - before.softirq;
      if (!rate) reached.set(key, [...(reached.get(key) ?? []), told.records]);
      const gigabytes = (told.count * LOAD.recordSize) / 1e9;
      measured.push({
        part: rate ? 'half' : 'throughput',
        peer: peer.name,
        level,
        round,
        ...(rate ? { rate } : {}),
        records: told.records,
        bytes: told.bytes,
        latency: told.latency,
        serverCpuSeconds: cpu,
        machineSoftirqSeconds: softirq,
        cpuSecondsPerGB: cpu / gigabytes,
        server: server.command,
        load: told.command.replaceAll(parent, 'DIR'),
      });
    } finally {
      await server.stop();
    }
  } catch (error) {
    say(`  failed: ${error.message.slice(0, 600)}`);
    measured.push({
      part: rate ? 'half' : 'throughput',
      peer: peer.name,
      level,
      round,
      rate,
      failed: error.message,
    });
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Median of a figure over the rounds; undefined where nothing was measured. */
const of = (rows, pick) => {
  const values = rows.map(pick).filter((value) => typeof value === 'number');
  return values.length > 0 ? median(values) : undefined;
};
const is = (part, peer, level) => (m) => m.part === part && m.peer === peer && m.level === level;
const select = (part, peer, level, rate) =>
  measured.filter(is(part, peer, level)).filter((m) => !m.failed && m.rate === rate);
const count = (number) => Math.round(number).toLocaleString('en-US');
const ms = (ns) => (ns === undefined ? '-' : `${(ns / 1e6).toPrecision(2)}`);
const times = ({ p50, p99, p999 }) => [p50, p99, p999].map(ms).join(' / ');
const latencyOf = (rows) => ({
  p50: of(rows, ({ latency }) => latency.p50),
  p99: of(rows, ({ latency }) => latency.p99),
  p999: of(rows, ({ latency }) => latency.p999),
});

/** A Markdown table of the throughput part. */
function throughputTable() {
  const lines = [
    '| level | server | MB/s | LANCE is | server CPU s/GB | ack p50 / p99 / p99.9, ms |',
    '|---|---|---|---|---|---|',
  ];
  for (const level of levels) {
    const ours = of(select('throughput', 'lance', level), ({ bytes }) => bytes);
    for (const peer of [lance, ...peers]) {
      const rows = select('throughput', peer.name, level);
      const bytes = of(rows, (row) => row.bytes);
      const ratio =
        bytes === undefined || ours === undefined || peer === lance ? '' : `${(ours / bytes).toFixed(1)} x`;
      const cells =
        bytes === undefined
          ? [measured.some(is('throughput', peer.name, level)) ? 'failed' : 'not measured', '', '', '']
          : [
              (bytes / 1e6).toFixed(0),
              ratio,
              of(rows, (row) => row.cpuSecondsPerGB).toFixed(2),
              times(latencyOf(rows)),
            ];
      lines.push(`| ${level} | ${peer.title}: ${peer.levels[level]} | ${cells.join(' | ')} |`);
    }
  }
  return lines.join('\n');
}

/** A Markdown table of latencies at half of each peer's own maximum. */
function halfTable(pairs) {
  const lines = [
    '| level | records/s wanted | server | reached | p50 / p99 / p99.9, ms | p99.9 against LANCE |',
    '|---|---|---|---|---|---|',
  ];
  for (const { peer, level, rate } of pairs) {
    const [ours, theirs] = ['lance', peer.name].map((name) => select('half', name, level, rate));
    const [own, other] = [latencyOf(ours), latencyOf(theirs)];
    const ratio = own.p999 && other.p999 ? `${(other.p999 / own.p999).toFixed(1)} x` : '-';
    const line = (title, rows, latency, last) => {
      // A tool that cannot keep the rate measures another load than the one beside it.
      const reached = count(of(rows, ({ records }) => records) ?? 0);
      lines.push(`| ${level} | ${count(rate)} | ${title} | ${reached} | ${times(latency)} | ${last} |`);
    };
    line(peer.title, theirs, other, ratio);
    line(lance.title, ours, own, '');
  }
  return lines.join('\n');
}

let began = loadavg();
const pairs = [];
const before = measured.length;

/** Writes down what was measured, and prints the tables of it. */
function report(interrupted) {
  const at = new Date().toISOString();
  const document = {
    commands: [
      ...(earlier?.commands ?? []),
      ['node', 'bench/peers/run.mjs', ...process.argv.slice(2)].join(' '),
    ],
    at,
    machine: describeMachine(parent),
    loadAverage: { before: began, after: loadavg() },
    load: { ...LOAD, seconds, rounds },
    servers: [lance, ...peers].map(({ name, title, levels: of }) => ({ name, title, levels: of })),
    interrupted,
    measured,
  };
  const file = flags.out ?? join(root, 'bench', 'results', `peers-${at.slice(0, 16).replace(/:/g, '')}.json`);
  writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`);
  if (parts.includes('throughput')) console.log(`${throughputTable()}\n`);
  if (pairs.length > 0) console.log(`${halfTable(pairs)}\n`);
  say(`all of it: ${file}`);
}

atInterrupt(() => {
  const done = measured.length - before;
  say(done === 0 ? 'nothing was measured' : `measured so far: ${done} of this run`);
  if (done > 0) report(true);
});
for (const peer of [lance, ...peers]) await peer.install();
began = loadavg();
if (parts.includes('throughput')) {
  for (let round = 0; round < rounds; round++) {
    for (const level of levels) for (const peer of [lance, ...peers]) await measure(peer, level, round);
  }
}
if (parts.includes('half')) {
  for (const peer of peers.filter(({ paces }) => paces)) {
    // As shipped is one of the other two.
    for (const level of levels.filter((name) => name !== 'shipped')) {
      if (!reached.has(`${peer.name} ${level}`)) await measure(peer, level, 0);
      const full = reached.get(`${peer.name} ${level}`);
      if (full) pairs.push({ peer, level, rate: Math.round(median(full) / 2) });
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { peer, level, rate } of pairs) {
      for (const one of [peer, lance]) await measure(one, level, round, rate);
    }
  }
}
report(false);
