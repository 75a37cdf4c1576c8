// `node bench/speed.mjs`: the figures that issue 3 asks for, each beside the machine's own floor, measured in turns within one
// run (bench/README.md). Prints the figures and writes them to bench/results/.
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, loadavg, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { removeAtEnd, start } from './children.mjs';
import { bareLatency, DURABLE_WAYS, dsync4k, durableBytes, loopbackBytes, stolenSeconds } from './floors.mjs';
import { dataPlaneThreads, residentBytes, startNode, stopNode } from './node.mjs';
import { LOAD, load, median, output, root } from './programs.mjs';
import { aboutMachine, keepReport } from './report.mjs';

const MiB = 2 ** 20;
const IDLE_CONNECTIONS = 2_000;

const { values: flags } = parseArgs({
  options: {
    dir: { type: 'string', default: root },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    out: { type: 'string' },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const say = (text) => process.stderr.write(`${text}\n`);

/** A port that is free now. */
function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Resident memory of an idle node, alone and with idle connections. */
async function memory(parent) {
  const node = await startNode(parent);
  try {
    await sleep(10_000);
    const idle = residentBytes(node.pid);
    const flags = ['--endpoint', node.lwp, '--connections', String(IDLE_CONNECTIONS), '--seconds', '6'];
    const child = start(LOAD, ['idle', ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = new Promise((done) => child.on('close', done));
    await new Promise((done) => createInterface({ input: child.stdout }).once('line', done));
    await sleep(3_000);
    const connected = residentBytes(node.pid);
    const status = await closed;
    if (status !== 0) throw new Error(`lance-load idle ended with ${status}`);
    const each = (connected - idle) / IDLE_CONNECTIONS;
    return { idleBytes: idle, connections: IDLE_CONNECTIONS, connectedBytes: connected, bytesEach: each };
  } finally {
    await stopNode(node);
  }
}

/** System calls of each data-plane thread under steady load, as `strace -c` counts them: `{thread: {call: times}}`. */
async function systemCalls(parent, scenario) {
  const node = await startNode(parent);
  try {
    const running = load('ingest', { endpoint: node.lwp, warmup: 2, seconds: 5, ...scenario });
    await sleep(3_000);
    const threads = {};
    for (const { tid, name } of dataPlaneThreads(node.pid)) {
      // strace writes its table when it is interrupted, and `timeout` then ends with 124.
      const { err } = await output('sh', [
        '-c',
        `timeout --foreground -s INT 2 strace -c -p ${tid}; [ $? = 124 ]`,
      ]);
      threads[name] = Object.fromEntries(
        [...err.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/gm)]
          .filter(([, , call]) => call !== 'total')
          .map(([, times, call]) => [call, Number(times)]),
      );
    }
    await running;
    return threads;
  } finally {
    await stopNode(node);
  }
}

/** One round: floors and scenarios in turns, with a fresh node. */
async function round(parent, ways) {
  const file = join(parent, 'fio');
  const durable = {};
  for (const [name, way] of ways) durable[name] = await durableBytes(file, 3, way);
  const loopback = await loopbackBytes(3, await freePort());
  const node = await startNode(parent);
  try {
    const endpoint = node.lwp;
    const common = { endpoint, seconds, warmup: 1 };
    const ingest = await load('ingest', common);
    const dsync = await dsync4k(file, 3);
    const { roundTrip } = await load('network', { seconds: 4 });
    const stolen = stolenSeconds();
    const latency = await load('latency', common);
    const latencyStolen = (stolenSeconds() - stolen) / (seconds + 1) / cpus().length;
    const bare = await bareLatency(parent, { seconds, warmup: 1 });
    // A topic's first frame creates its segment: the rate counts once every topic has had one.
    const small = { ...common, 'record-size': 300, 'batch-bytes': 1, 'in-flight': 32, warmup: 4 };
    const oneTopic = await load('ingest', small);
    const manyTopics = await load('ingest', { ...small, topics: 500 });
    const load1 = loadavg()[0];
    return {
      load1,
      durable,
      loopback,
      ingest,
      dsync,
      roundTrip,
      latency,
      latencyStolen,
      bare,
      oneTopic,
      manyTopics,
    };
  } finally {
    const status = await stopNode(node);
    if (status !== 0) {
      say(`the node ended with ${status}: ${Buffer.concat(node.log).toString().trim().slice(-2_000)}`);
    }
  }
}

/** The figures of issue 3 from all rounds: `{name: {value, goal, met}}`, medians of the rounds. */
function figures(done, ram, calls) {
  const of = (pick) => median(done.map(pick));
  const best = Math.max(...DURABLE_WAYS.map(([name]) => of((r) => r.durable[name] ?? 0)));
  const floor = Math.min(
    best,
    of((r) => r.loopback),
  );
  const roundTrip = of((r) => r.roundTrip.p99);
  const dsync = of((r) => r.dsync.p99);
  const seen = Object.values(calls).flatMap((scenario) => Object.values(scenario).flatMap(Object.keys));
  const forbidden = [...new Set(seen)].filter((call) => /^(futex|p?(read|write)(v2?|64)?)$/.test(call));
  const figure = (value, goal, met) => ({ value, goal, met });
  const ingest = of((r) => r.ingest.throughput.bytes) / floor;
  const ack = of((r) => r.latency.latency.p99) / (roundTrip + dsync);
  const ackBare = of((r) => r.latency.latency.p99 / r.bare.p99);
  const topics = of((r) => r.manyTopics.throughput.frames / r.oneTopic.throughput.frames);
  return {
    'ingest / min(fio durable, iperf3)': figure(ingest, '>= 0.5', ingest >= 0.5),
    'ack p99 / (round trip p99 + DSYNC 4 KiB p99)': figure(ack, '<= 3', ack <= 3),
    'ack p99 / p99 of a bare pipeline on the same schedule': figure(ackBare, '<= 1.25', ackBare <= 1.25),
    'frame rate of 500 topics / of one': figure(topics, '>= 0.333', topics >= 1 / 3),
    'idle node, MiB resident': figure(ram.idleBytes / MiB, '< 160', ram.idleBytes < 160 * MiB),
    'idle connection, KiB each': figure(ram.bytesEach / 1024, '< 8', ram.bytesEach < 8 * 1024),
    'futex, read and write system calls': figure(forbidden.join(' ') || 'none', 'none', !forbidden.length),
  };
}

const parent = removeAtEnd(mkdtempSync(join(resolve(flags.dir), 'lance-bench-speed-')));
const loadBefore = loadavg();
say(`load average ${loadBefore.map((l) => l.toFixed(2)).join(' ')}; memory`);
const ram = await memory(parent);
const done = [];
for (let number = 1; number <= rounds; number++) {
  say(`round ${number} of ${rounds}`);
  // Every way to write in the first round, later the two best ones of it.
  const ranked = DURABLE_WAYS.toSorted(([a], [b]) => (done[0]?.durable[b] ?? 0) - (done[0]?.durable[a] ?? 0));
  done.push(await round(parent, done.length ? ranked.slice(0, 2) : DURABLE_WAYS));
}
say('system calls');
const small = { 'record-size': 300, 'batch-bytes': 1, 'in-flight': 32 };
const calls = { ingest: await systemCalls(parent, {}), small: await systemCalls(parent, small) };
const found = figures(done, ram, calls);
for (const [name, { value, goal, met }] of Object.entries(found)) {
  const shown = typeof value === 'number' ? value.toFixed(3) : value;
  console.log(`${met ? 'met   ' : 'MISSED'} ${name}: ${shown} (${goal})`);
}
const machine = {
  ...aboutMachine(),
  memoryBytes: totalmem(),
  fileSystem: (await output('stat', ['-f', '-c', '%T', parent])).out.trim(),
  swaps: readFileSync('/proc/swaps', 'utf8').trim().split('\n').length - 1,
};
const all = { machine, figures: found, memory: ram, systemCalls: calls, rounds: done };
await keepReport('speed', all, loadBefore, flags.out);
