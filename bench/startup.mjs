// `node bench/startup.mjs`: does the start take longer for what is stored? A node with 1,000 topics and 100 GiB of sealed segments
// against an empty one, in turns. The segments are sparse: a real batch at the start and one at the end of each, as their indexes
// say, and a hole between.
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { crc32c } from '@node-rs/crc32';
import { Admin } from '../dist/client/index.js';
import { removeAtEnd } from './children.mjs';
import { startServer } from './peers/process.mjs';
import { median, root } from './programs.mjs';

const GiB = 2 ** 30;
const { values: flags } = parseArgs({
  options: {
    topics: { type: 'string', default: '1000' },
    gib: { type: 'string', default: '100' },
    segments: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: root },
  },
});
const topics = Number(flags.topics);
const segments = Number(flags.segments);
const segmentBytes = Math.floor((Number(flags.gib) * GiB) / topics / segments / 4_096) * 4_096;
const START_NS = 1_700_000_000_000_000_000n;
const HEADER = 133;

/** A batch of one record as it stands in a segment (formats.md, "Segment"), and its index entries. */
function batchOf(topic, baseOffset, baseRecord, position) {
  const value = Buffer.alloc(1_000, 0x61);
  const record = Buffer.concat([Buffer.from([1]), u32(value.length), value]);
  const header = Buffer.alloc(128);
  header.write('LNB1', 0, 'latin1');
  header.writeUInt32LE(crc32c(record), 12);
  header.writeUInt32LE(record.length, 16);
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(topic, 28);
  header.writeUInt32LE(1, 32);
  header.writeBigUInt64LE(START_NS, 40);
  header.writeBigUInt64LE(1n << 48n, 48);
  header.writeBigUInt64LE(BigInt(baseRecord), 56);
  header.writeBigUInt64LE(BigInt(baseOffset), 64);
  header.writeUInt32LE(crc32c(header.subarray(8)), 4);
  const key = [START_NS, 1n << 48n, BigInt(position)];
  const place = [BigInt(baseOffset), BigInt(baseRecord), BigInt(position)];
  return {
    bytes: Buffer.concat([Buffer.from([0]), u32(128), header, record]),
    idx: longs(key),
    pos: longs(place),
    end: baseOffset + record.length,
  };
}

function u32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

function longs(numbers) {
  const bytes = Buffer.alloc(8 * numbers.length);
  for (const [at, number] of numbers.entries()) bytes.writeBigUInt64LE(number, 8 * at);
  return bytes;
}

/** Sealed segments of one topic, one behind the other. */
function fill(folder, topic) {
  let [offset, record] = [0, 0];
  for (let number = 0; number < segments; number += 1) {
    const position = segmentBytes - HEADER - 1_005;
    const first = batchOf(topic, offset, record, 0);
    const last = batchOf(topic, offset + position, record + 1_000, position);
    const digits = (value) => String(value).padStart(20, '0');
    const stem = join(folder, `${digits(offset)}_${digits(record)}_${START_NS}-${START_NS}`);
    const file = openSync(`${stem}.lnc`, 'w');
    ftruncateSync(file, segmentBytes);
    writeSync(file, first.bytes, 0, first.bytes.length, 0);
    writeSync(file, last.bytes, 0, last.bytes.length, position);
    closeSync(file);
    writeFileSync(`${stem}.idx`, Buffer.concat([first.idx, last.idx]));
    writeFileSync(`${stem}.pos`, Buffer.concat([first.pos, last.pos]));
    [offset, record] = [last.end, record + 1_001];
  }
  return offset;
}

/** Starts a node, gives the seconds to its ready line, and what `work` finds. */
async function started(dataDir, work = async () => undefined) {
  const serve = ['serve', '--json', '--bind', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--log-level', 'warn'];
  const began = performance.now();
  const args = [join(root, 'bin', 'run.js'), ...serve, '--data-dir', dataDir];
  const server = await startServer(process.execPath, args, { ready: /"event":"ready".*\n/, cwd: dataDir });
  const seconds = (performance.now() - began) / 1000;
  try {
    const ready = server
      .said()
      .split('\n')
      .find((line) => line.includes('"ready"'));
    return { seconds, found: await work(JSON.parse(ready).lwp), said: server.said() };
  } finally {
    await server.stop();
  }
}

const parent = removeAtEnd(mkdtempSync(join(resolve(flags.dir), 'lance-bench-startup-')));
const [full, empty] = ['full', 'empty'].map((name) => mkdtempSync(join(parent, name)));
const { found: made } = await started(full, async (endpoint) => {
  const admin = await Admin.open({ endpoint });
  const all = [];
  for (let number = 0; number < topics; number += 1) all.push(await admin.createTopic(`startup-${number}`));
  admin.close();
  return all;
});
let end = 0;
for (const { id, name } of made) end = fill(join(full, 'segments', name), id);
await started(empty);

const times = { full: [], empty: [] };
for (let round = 0; round < Number(flags.rounds); round += 1) {
  times.empty.push((await started(empty)).seconds);
  const { seconds, found, said } = await started(full, async (endpoint) => {
    const admin = await Admin.open({ endpoint });
    const last = await admin.describeTopic(made.at(-1).id);
    admin.close();
    return last;
  });
  // The node has really taken them over, and complains of nothing.
  if (found.endOffset !== end || found.segments < segments || said.includes('recovery:')) {
    throw new Error(
      `the topic ends at ${found.endOffset} with ${found.segments} segments, not at ${end}: ${said}`,
    );
  }
  times.full.push(seconds);
}
const files = readdirSync(join(full, 'segments'), { recursive: true }).filter((name) =>
  name.endsWith('.lnc'),
);
const above = median(times.full) - median(times.empty);
console.log(
  JSON.stringify({
    topics,
    segments: files.length,
    gib: (files.length * segmentBytes) / GiB,
    emptySeconds: median(times.empty),
    fullSeconds: median(times.full),
    aboveSeconds: above,
    rounds: times,
  }),
);
