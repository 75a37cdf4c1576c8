// The rows of the table of goals: what each is, and how it is measured. `reached` is null where nothing could be measured.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOAD } from '../programs.mjs';
import { callsPerFrame } from './calls.mjs';

const us = (ns) => {
  if (ns === null) return '-';
  if (ns < 1_000) return `${Math.round(ns)} ns`;
  return ns < 1e6 ? `${(ns / 1e3).toPrecision(3)} us` : `${(ns / 1e6).toFixed(2)} ms`;
};
const mb = (bytes) =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB/s` : `${(bytes / 1e6).toFixed(0)} MB/s`;
const count = (number) => Math.round(number).toLocaleString('en-US');
const three = ({ p50, p99, p999 }) => [p50, p99, p999].map(us).join(' / ');
const x = (ratio) => (ratio === null || ratio === undefined ? '-' : ratio.toFixed(2));

const SMALL = ['--record-size', '300', '--batch-bytes', '1', '--in-flight', '64'];

/** Five thousand topics get their first segments within this; what comes after it is the steady state. */
const FILES_MADE = '20s';

/** A throughput against the lower of device and bare pipeline at its durability. */
function againstFloor(least, words) {
  return async ({ bench }) => {
    const { throughput, ratio, floor } = await bench(...words);
    const which = ratio.throughputFloor;
    return {
      measured: `${mb(throughput.bytes)}, ${x(ratio.throughput)} of the floor`,
      floor: `${mb(throughput.bytes / ratio.throughput)}, the ${which} (disk ${mb(words.includes('written') ? floor.writtenBytes : floor.durableBytes)})`,
      value: ratio.throughput,
      reached: ratio.throughput >= least,
    };
  };
}

/** A rate that is a goal by itself; the floor is shown all the same. */
function rateOf(least, unit, words) {
  return async ({ bench }) => {
    const { throughput, ratio } = await bench('ingest', ...words);
    return {
      measured: `${count(throughput.records)} ${unit}/s`,
      floor: `${count(throughput.records / ratio.throughput)} (${ratio.throughputFloor})`,
      value: throughput.records,
      reached: throughput.records >= least,
    };
  };
}

/** Held against the pipeline that discards, run after run: both sides are a process of Node with its kernel workers, timed alike. */
async function discarding({ bench }) {
  const { cpu, ratio, throughput, floor } = await bench('ingest', '--batch-bytes', '256KiB', '--discard');
  const a = (bytes) => `${mb(bytes).replace('/s', '')} a CPU-second`;
  return {
    measured: `${a(cpu.bytesPerNodeSecond)} of the node, ${((cpu.bytesPerNodeSecond * 8) / 1e9).toFixed(1)} Gbit/s a core: ${x(ratio.perCpuSecond)} of the floor (${mb(throughput.bytes)})`,
    floor: `${a(floor.pipelinePerCpuSecond.discard)} of the bare discarding pipeline (${mb(floor.pipelineDiscardBytes)})`,
    value: ratio.perCpuSecond,
    reached: ratio.perCpuSecond >= 0.8,
  };
}

function latency(limits, words) {
  return async ({ bench }) => {
    const { latency, ratio, floor } = await bench('latency', ...words);
    const least = floor.groupCommit && ratio.latencyFloor === 'groupCommit' ? floor.groupCommit : undefined;
    return {
      measured: `${three(latency)} p50 / p99 / p99.9: ${[ratio.p50, ratio.p99, ratio.p999].map(x).join(' / ')} times the floor`,
      floor: least
        ? `ideal group commit ${three(least)}`
        : `round trip ${three(floor.roundTrip)} + durable 4 KiB ${three(floor.dsync4k)}`,
      value: ratio,
      reached: Object.entries(limits).every(
        ([quantile, most]) => ratio[quantile] !== null && ratio[quantile] <= most,
      ),
    };
  };
}

/** The node's own histogram of frames that found the device idle; slow enough that most do, fast enough for a p99.9. */
async function ownTime({ bench }) {
  const { own } = await bench('latency', '--rate', '1000', '--no-floor');
  return {
    measured: `${three(own)} p50 / p99 / p99.9 at 1,000/s (${count(own.count)} frames that found no write or flush under way)`,
    floor: '',
    value: own,
    reached: own.p50 < 500 && own.p99 < 5_000 && own.p999 < 50_000,
  };
}

async function deliver({ bench }) {
  const { consume, floor } = await bench('consume', '--mode', 'tail', '--durability', 'written');
  const { latency, ack } = consume.tail;
  const most = ack.p50 + floor.roundTrip.p50;
  return {
    measured: `p50 ${us(latency.p50)}, p99 ${us(latency.p99)}`,
    floor: `ack p50 ${us(ack.p50)} + round trip ${us(floor.roundTrip.p50)} = ${us(most)}`,
    value: latency.p50 / most,
    reached: latency.p50 <= most,
  };
}

async function catchUp({ bench }) {
  const { throughput, ratio, floor } = await bench('consume', '--mode', 'cold');
  return {
    measured: `${mb(throughput.bytes)}, ${x(ratio.throughput)} of the floor`,
    floor: floor.pipelineLogBytes
      ? `one read pipeline over a log as cold ${mb(floor.pipelineLogBytes)}`
      : `one read pipeline ${mb(floor.pipelineReadBytes)}, disk ${mb(floor.readBytes)}`,
    value: ratio.throughput,
    reached: ratio.throughput >= 0.9,
  };
}

async function stalled({ script, dir }) {
  if (!existsSync(LOAD)) {
    return { reached: null, measured: 'not measured: build lance-load first (bench/README.md)' };
  }
  const file = join(dir, 'stall.json');
  await script(
    'stall.mjs',
    '--pairs',
    '10',
    '--seconds',
    '5',
    '--manners',
    'block,collect',
    '--dir',
    dir,
    '--out',
    file,
  );
  const { results } = JSON.parse(readFileSync(file, 'utf8'));
  const shown = Object.entries(results).map(
    ([manner, { p999: r }]) => `${manner} ${x(r.ratio)} (95 %: ${x(r.from)} to ${x(r.to)})`,
  );
  return {
    measured: `p99.9 ${shown.join(', ')} times the quiet one, ten interleaved pairs`,
    floor: '',
    value: Object.fromEntries(Object.entries(results).map(([manner, { p999 }]) => [manner, p999])),
    reached: Object.values(results).every(({ p999 }) => p999.ratio <= 1.1),
  };
}

async function crowd({ bench }) {
  const words = ['ingest', '--durability', 'written', '--no-floor'];
  const one = await bench(...words);
  const all = await bench(
    ...words,
    '--topics',
    '5000',
    '--connections',
    '5000',
    '--in-flight',
    '1',
    '--warmup',
    FILES_MADE,
  );
  const share = all.throughput.bytes / one.throughput.bytes;
  const memory = (result) => `${Math.round(result.runs.at(-1).residentBytes / 2 ** 20)} MiB`;
  return {
    measured: `${mb(all.throughput.bytes)}, ${x(share)} of one topic's; ${memory(all)} resident (${all.errors} errors)`,
    floor: `${mb(one.throughput.bytes)} of one topic and 16 connections, ${memory(one)} resident`,
    value: share,
    reached: share >= 0.8 && all.errors === 0,
  };
}

async function manyTopics({ bench }) {
  const one = await bench('ingest', ...SMALL, '--no-floor');
  const all = await bench('ingest', ...SMALL, '--topics', '5000', '--warmup', FILES_MADE, '--no-floor');
  const share = all.throughput.records / one.throughput.records;
  return {
    measured: `${count(all.throughput.records)} frames/s, ${x(share)} of one topic's`,
    floor: `${count(one.throughput.records)} frames/s of one topic`,
    value: share,
    reached: share >= 0.5,
  };
}

async function startUp({ script, dir, repeat }) {
  const found = JSON.parse(await script('startup.mjs', '--rounds', String(repeat), '--dir', dir));
  return {
    measured: `${found.fullSeconds.toFixed(2)} s: ${found.aboveSeconds.toFixed(2)} s above an empty node's (${found.segments} segments, ${Math.round(found.gib)} GiB)`,
    floor: `${found.emptySeconds.toFixed(2)} s empty`,
    value: found.aboveSeconds,
    reached: found.aboveSeconds < 1,
  };
}

async function calls({ dir, commands }) {
  if (spawnSync('strace', ['-V']).status !== 0)
    return { reached: null, measured: 'not measured: needs strace' };
  const found = await callsPerFrame(dir, commands);
  return {
    measured: `${found.perFrame.toFixed(4)} system calls a frame (${found.shown}); futex: ${found.futex}; allocations: 0 in tests (native/engine/src/node/tests/allocations.rs)`,
    floor: '',
    value: found.perFrame,
    reached: found.perFrame < 0.05 && found.futex === 0,
  };
}

/** From the newest run of bench/peers, which takes its own time. */
function peers({ newest, commands }) {
  // A run of one part alone (`--part half`) says nothing of the other, of which it has the peers' rates only.
  const found = newest('peers', ({ measured }) =>
    ['throughput', 'half'].every((part) => measured.some((row) => row.part === part && row.peer === 'lance')),
  );
  if (!found) return { reached: null, measured: 'not measured: run `node bench/peers/run.mjs` first' };
  commands.push(...found.document.commands.map((command) => `${command} (${found.name})`));
  const rows = found.document.measured.filter(({ failed }) => !failed);
  const middle = (values) => [...values].sort((a, b) => a - b)[(values.length - 1) >> 1];
  const bytes = (peer, level) => {
    const own = rows.filter((row) => row.part === 'throughput' && row.peer === peer && row.level === level);
    return own.length > 0 ? middle(own.map((row) => row.bytes)) : undefined;
  };
  const names = [...new Set(rows.map(({ peer }) => peer))].filter((name) => name !== 'lance');
  const times = (level) => {
    const best = names.map((name) => [name, bytes(name, level) ?? 0]).sort(([, a], [, b]) => b - a)[0];
    return { name: best[0], times: bytes('lance', level) / best[1] };
  };
  const tails = [];
  for (const row of rows.filter(({ part, peer }) => part === 'half' && peer !== 'lance')) {
    const ours = rows.find(
      (one) =>
        one.part === 'half' && one.peer === 'lance' && one.rate === row.rate && one.round === row.round,
    );
    if (ours && row.latency.p999)
      tails.push({ key: `${row.peer} ${row.level}`, times: row.latency.p999 / ours.latency.p999 });
  }
  const [durable, written] = [times('durable'), times('written')];
  const lower = [...new Set(tails.map(({ key }) => key))].map((key) => [
    key,
    middle(tails.filter((tail) => tail.key === key).map((tail) => tail.times)),
  ]);
  return {
    measured: `durable ${x(durable.times)} x ${durable.name}, written ${x(written.times)} x ${written.name}; p99.9 at half of the peer's rate lower by ${lower.map(([key, value]) => `${x(value)} (${key})`).join(', ') || '- (not measured)'}`,
    floor: `the best peer's own rate (${found.name})`,
    value: { durable, written, lower },
    reached:
      durable.times >= 3 &&
      written.times >= 1.5 &&
      lower.length > 0 &&
      lower.every(([, value]) => value >= 5),
  };
}

/** In the order of issue 4. */
export const ROWS = [
  {
    id: 'durable',
    what: 'durable ingest, defaults',
    goal: '>= 0.90 of the floor',
    measure: againstFloor(0.9, ['ingest']),
  },
  {
    id: 'written',
    what: 'written ingest',
    goal: '>= 0.90 of the floor',
    measure: againstFloor(0.9, ['ingest', '--durability', 'written']),
  },
  {
    id: 'discard',
    what: 'discarding writer, 256 KiB batches',
    goal: '>= 0.80 per node CPU-second',
    measure: discarding,
  },
  {
    id: 'records',
    what: '100 B records in 64 KiB batches, written',
    goal: '>= 1,000,000 records/s',
    measure: rateOf(1e6, 'records', ['--record-size', '100', '--durability', 'written']),
  },
  {
    id: 'frames',
    what: 'frames of one 300 B record, 16 connections x 64 in flight, written',
    goal: '>= 300,000 frames/s',
    measure: rateOf(3e5, 'frames', [...SMALL, '--durability', 'written']),
  },
  {
    id: 'latency',
    what: 'ack latency, durable, defaults',
    goal: 'p50 <= 1.15, p99 <= 1.25, p99.9 <= 2 times the floor',
    measure: latency({ p50: 1.15, p99: 1.25, p999: 2 }, []),
  },
  {
    id: 'poisson',
    what: 'the same under Poisson arrivals at 10,000/s',
    goal: 'p99 <= 1.25 times the ideal group commit',
    measure: latency({ p99: 1.25 }, ['--rate', '10000', '--arrivals', 'poisson']),
  },
  {
    id: 'own-time',
    what: "engine's own time, frame complete to write queued",
    goal: 'p50 < 500 ns, p99 < 5 us, p99.9 < 50 us',
    measure: ownTime,
  },
  {
    id: 'deliver',
    what: 'publish to deliver, tail, written',
    goal: 'p50 <= ack p50 + 1 round trip',
    measure: deliver,
  },
  { id: 'catch-up', what: 'catch-up read, cold', goal: '>= 0.90 of one pipeline', measure: catchUp },
  {
    id: 'stall',
    what: 'ack p99.9 while the control plane is stalled or collects',
    goal: '<= 1.1 times quiet',
    measure: stalled,
  },
  {
    id: 'crowd',
    what: '5,000 topics and 5,000 connections, 64 KiB batches, written',
    goal: '>= 0.8 of one topic and 16 connections',
    measure: crowd,
  },
  {
    id: 'topics',
    what: 'small durable frames over 5,000 topics',
    goal: ">= 0.5 of one topic's",
    measure: manyTopics,
  },
  {
    id: 'start-up',
    what: 'start-up with 100 GiB of sealed segments in 1,000 topics',
    goal: "< 1 s above an empty node's",
    measure: startUp,
  },
  { id: 'calls', what: 'allocations, locks, system calls a frame', goal: '0, 0, < 0.05', measure: calls },
  {
    id: 'peers',
    what: 'against the best peer at equal durability',
    goal: '>= 3 x durable, >= 1.5 x written, p99.9 at least 5 times lower at half of its rate',
    measure: peers,
  },
];
