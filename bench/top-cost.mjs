// What `lance top` costs: its own share of a core, and the node's, while the node is under load. CPU time is /proc/PID/stat's.
//
//   node bench/top-cost.mjs [--seconds 60] [--sizes 80x24,300x80] [--topics 4] [--via data-dir|admin] [--fps 1|5] [--out FILE]
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pty from '@lydell/node-pty';
import { Admin } from '../dist/client/index.js';
import { keep, leftBy, start } from './children.mjs';
import { startNode, stopNode } from './node.mjs';
import { root } from './programs.mjs';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    sizes: { type: 'string', default: '80x24,300x80' },
    topics: { type: 'string', default: '4' },
    via: { type: 'string', default: 'data-dir' },
    fps: { type: 'string', default: '1' },
    dir: { type: 'string', default: '/var/tmp' },
    out: { type: 'string' },
  },
});
const seconds = Number(flags.seconds);
const sizes = flags.sizes.split(',').map((size) => size.split('x').map(Number));
const RUN = `${root}bin/run.js`;
/** Start-up is not what a dashboard costs. */
const SETTLE_S = 8;

const cpuSeconds = (pid) => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
/** Of the node's main thread: what asking it costs. */
const mainThreadSeconds = (pid) => {
  const text = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

const node = await startNode(flags.dir);
let load;
try {
  const admin = await Admin.open({ endpoint: node.lwp });
  for (let i = 0; i < Number(flags.topics); i += 1) await admin.createTopic(`idle-${i}`);
  await admin.close();
  // Frames of 64 KiB at a pace that leaves the machine room: a screen that changes everywhere, every second.
  const pace = ['--rate', '20000', '--connections', '4', '--topics', '4', '--duration', '1h', '--no-floor'];
  load = start(process.execPath, [RUN, 'bench', 'ingest', '--endpoint', node.lwp, ...pace, '--json'], {
    stdio: 'ignore',
  });
  await sleep(4_000);
  const idle = await over(node.pid, seconds / 4);
  const results = [];
  for (const [columns, rows] of sizes) results.push(await measure(columns, rows, idle));
  const report = {
    command: process.argv.slice(1).join(' '),
    at: new Date().toISOString(),
    ...flags,
    nodeMainThreadAlone: idle,
    results,
  };
  console.log(JSON.stringify(report, null, 2));
  if (flags.out) writeFileSync(flags.out, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  load?.kill('SIGKILL');
  await stopNode(node);
}

/** Share of a core that the node's main thread takes. */
async function over(pid, time) {
  const before = mainThreadSeconds(pid);
  await sleep(time * 1_000);
  return (mainThreadSeconds(pid) - before) / time;
}

async function measure(columns, rows) {
  const where = flags.via === 'admin' ? ['--admin', node.admin] : ['--data-dir', node.dataDir];
  const child = pty.spawn(process.execPath, [RUN, 'top', ...where, '--fps', flags.fps], {
    cols: columns,
    rows,
    name: 'xterm-256color',
    env: { ...process.env, LC_ALL: '', LANG: 'C.UTF-8', NO_COLOR: '', TERM: 'xterm-256color' },
  });
  // A terminal of its own makes it the head of a group.
  keep(child);
  child.onExit(() => leftBy(child.pid));
  let bytes = 0;
  child.onData((data) => {
    bytes += data.length;
  });
  await sleep(SETTLE_S * 1_000);
  const [cpu, main, sent] = [cpuSeconds(child.pid), mainThreadSeconds(node.pid), bytes];
  await sleep(seconds * 1_000);
  const share = (cpuSeconds(child.pid) - cpu) / seconds;
  const result = {
    size: `${columns}x${rows}`,
    shareOfACore: share,
    nodeMainThread: (mainThreadSeconds(node.pid) - main) / seconds,
    bytesToTerminalASecond: Math.round((bytes - sent) / seconds),
    residentMiB: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
  };
  child.kill('SIGKILL');
  return result;
}
