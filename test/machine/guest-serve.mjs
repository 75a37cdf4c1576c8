// `lance serve` inside the test machine, under strace: where its threads run and its memory lies as the kernel tells it, records over the
// four-queue NIC and back, and a drain.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { check, lance, part, say, text } from './checks.mjs';

const DATA = '/var/lib/lance';
const CONFIG = '/etc/lance/lance.toml';
const TRACES = '/tmp/traces';
const CALLS = 'sched_setaffinity,sched_setscheduler,mbind,set_mempolicy,get_mempolicy,move_pages';
// So many that the dozen interrupts of the control connection, whose queue has another CPU, stay far below a tenth.
const RECORDS = 5_000;

/** Every key of `[numa]` and the card's address are set, to what is right; nothing spins, for eight emulated CPUs share two real ones. */
const config = (nic) => `
[network]
bind = "10.77.0.2:1992"
nic_pci_addr = "${nic}"
[journal]
chunk_bytes = "4MiB"
[limits]
min_free_disk = "16MiB"
[numa]
enabled = true
nic_node = 1
nvme_node = 0
[runtime]
idle = "park"
scheduling = "fifo"
`;

/** Starts the node under strace, which is the child of its child and so not in the way of its signals. */
async function start() {
  const node = ['node', '/opt/lance/bin/run.js', 'serve', '-c', CONFIG, '--data-dir', DATA, '--json'];
  const child = spawn(
    'strace',
    ['-D', '-ff', '-s', '8', '-o', `${TRACES}/of`, '-e', `trace=${CALLS}`, ...node],
    {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    log += chunk;
  });
  const exit = once(child, 'exit');
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    exit.then(([code]) => {
      throw new Error(`lance serve ended with ${code} before it was ready: ${log}`);
    }),
  ]);
  const ready = JSON.parse(line);
  if (ready.event !== 'ready') throw new Error(`lance serve did not start: ${line}`);
  // The log comes through another pipe, and so maybe later.
  let placement;
  for (let tries = 0; placement === undefined && tries < 100; tries += 1) {
    const lines = log.split('\n').filter((entry) => entry.startsWith('{') && entry.endsWith('}'));
    placement = lines.map((entry) => JSON.parse(entry)).find(({ event }) => event === 'placement')?.placement;
    if (placement === undefined) await sleep(100);
  }
  if (placement === undefined) throw new Error(`no placement in the log: ${log}`);
  return { pid: child.pid, child, exit, ready, placement };
}

/** Each thread of a process: its name, the CPUs it may run on, the one it ran on last, and its scheduling class (1: SCHED_FIFO). */
function threadsOf(pid) {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    const dir = `/proc/${pid}/task/${tid}`;
    const fields = text(`${dir}/stat`)
      .replace(/^.*\) /, '')
      .split(' ');
    const cpus = /^Cpus_allowed_list:\s*(\S+)$/m.exec(text(`${dir}/status`))?.[1] ?? '';
    return {
      tid,
      name: text(`${dir}/comm`).trim(),
      cpus,
      last: Number(fields[36]),
      fifo: fields[38] === '1',
    };
  });
}

/** Mappings with a policy (`bind:1`, `prefer:0`), their pages by node, and how many of these are on another node than it names. */
function placedMappings(pid) {
  return text(`/proc/${pid}/numa_maps`)
    .split('\n')
    .flatMap((line) => {
      const policy = /^[0-9a-f]+ ((bind|prefer):(\d+)) /.exec(line);
      if (policy === null) return [];
      const pages = [...line.matchAll(/ N(\d+)=(\d+)/g)].map(([, node, count]) => [
        Number(node),
        Number(count),
      ]);
      const sum = (some) => some.reduce((total, [, count]) => total + count, 0);
      const elsewhere = sum(pages.filter(([node]) => node !== Number(policy[3])));
      return [{ line, policy: policy[1], pages: sum(pages), elsewhere }];
    });
}

function checkMemory(pid, when) {
  const mappings = placedMappings(pid);
  const pagesOf = (policy) =>
    mappings.filter((mapping) => mapping.policy === policy).reduce((total, { pages }) => total + pages, 0);
  for (const node of [0, 1]) {
    const [bound, preferred] = [pagesOf(`bind:${node}`), pagesOf(`prefer:${node}`)];
    say(`       ${when}, node ${node} by /proc/PID/numa_maps: ${bound} pages bound, ${preferred} preferred`);
    check(`${when}, pages are bound to node ${node}`, bound > 0, true);
  }
  check(
    `${when}, no page of them lies on another node, says the kernel`,
    mappings.filter(({ elsewhere }) => elsewhere > 0).map(({ line }) => line),
    [],
  );
  return mappings;
}

/** Values of a metric, by label. */
async function metric(admin, name) {
  const page = await (await fetch(`http://${admin}/metrics`)).text();
  return Object.fromEntries(
    [...page.matchAll(new RegExp(`^${name}\\{(?:.*,)?(?:runner|memory)="([^"]+)".*\\} (\\S+)$`, 'gm'))].map(
      ([, label, value]) => [label, Number(value)],
    ),
  );
}

/** Interrupts of the NIC's receive queues so far, by CPU. */
function received() {
  const lines = text('/proc/interrupts')
    .split('\n')
    .filter((line) => /virtio\d+-input\./.test(line));
  const counts = lines.map((line) => line.trim().split(/\s+/).slice(1, 9).map(Number));
  return Array.from({ length: 8 }, (_, cpu) => counts.reduce((sum, queue) => sum + queue[cpu], 0));
}

/** Asks the host's client to produce and consume. */
async function loadFromHost(request) {
  const socket = connect(8, '10.77.0.1');
  socket.write(`${JSON.stringify(request)}\n`);
  const [line] = await once(createInterface({ input: socket }), 'line');
  return JSON.parse(line);
}

/** Each line that strace wrote, with the name of its thread; a file a thread, so that no call is cut in two by another's. */
function traced(names) {
  return readdirSync(TRACES).flatMap((file) =>
    text(`${TRACES}/${file}`)
      .split('\n')
      .filter((line) => /^\w+\(/.test(line))
      .map((call) => ({ thread: names.get(file.split('.').at(-1)) ?? 'node', call })),
  );
}

/** The first lines of each kind a thread; the zeros of wide masks say nothing. */
function excerpt(lines) {
  const seen = new Map();
  for (const { thread, call } of lines) {
    const short = call.replace(/(, 0{16})+(, \.\.\.)?/g, '').replace(/0x0+([0-9a-f])/g, '0x$1');
    const kind = `${thread} ${/^\w+\(/.exec(call)[0]} ${/MPOL_\w+, \[\w+/.exec(short)?.[0]}`;
    const kept = seen.get(kind) ?? [];
    if (kept.length < 2) seen.set(kind, [...kept, `${thread.padEnd(15)} ${short.slice(0, 160)}`]);
  }
  return [...seen.values()].flat();
}

export async function testServe(nic) {
  part('lance serve, pinned');
  mkdirSync('/etc/lance', { recursive: true });
  mkdirSync(TRACES);
  writeFileSync(CONFIG, config(nic));
  const steer = (...args) => lance('topology', '-c', CONFIG, '--data-dir', DATA, ...args);
  const applied = await steer('--apply', '--json');
  check('--apply with lance.toml ends with 0', applied.code, 0);
  const { threads } = applied.json.plan;
  const agents = threads.filter(({ role }) => role !== 'control');
  const cpuOf = Object.fromEntries(threads.map(({ role, cpu }) => [role, cpu]));

  const { pid, child, exit, ready, placement } = await start();
  const { describePlacement } = await import('/opt/lance/dist/server/placement.js');
  say(describePlacement(placement));
  check(
    'its threads are where the plan has them',
    placement.threads.map(({ cpu, node }) => [cpu, node]),
    agents.map(({ cpu, node }) => [cpu, node]),
  );
  check('interrupts and queues are as planned, it says', placement.drifted, 0);
  check(
    'memory was asked after and is where it belongs',
    placement.memory.map(({ elsewhere }) => elsewhere),
    placement.memory.map(() => 0),
  );

  const all = threadsOf(pid);
  const names = new Map(all.map(({ tid, name }) => [tid, name]));
  for (const { name, cpu } of placement.threads) {
    const { cpus, last, fifo } = all.find((thread) => thread.name === name) ?? {};
    check(
      `thread ${name} may run on CPU ${cpu} alone, runs there, and is SCHED_FIFO`,
      [cpus, last, fifo],
      [`${cpu}`, cpu, true],
    );
  }
  const others = all.filter(({ name }) => !placement.threads.some((thread) => thread.name === name));
  check(
    `${others.length} other threads may run on no agent's core`,
    [...new Set(others.map(({ cpus }) => cpus))],
    ['0-1'],
  );
  const mappings = checkMemory(pid, 'before any record');
  for (const { line } of mappings.sort((a, b) => b.pages - a.pages).slice(0, 6)) say(`       ${line}`);

  part('records over the NIC');
  const before = received();
  const answer = await loadFromHost({ endpoint: ready.lwp, topic: 'over-the-nic', records: RECORDS });
  say(`       ${JSON.stringify(answer)}`);
  check('every record is acknowledged and read', [answer.acked, answer.read], [RECORDS, RECORDS]);
  check('what is read is byte for byte what was sent', answer.got, answer.sent);
  const after = received().map((count, cpu) => count - before[cpu]);
  say(`       receive interrupts by CPU: ${after.join(' ')}`);
  const total = after.reduce((sum, count) => sum + count, 0);
  check(
    "the NIC interrupted the network agent's CPU, nine times of ten",
    after[cpuOf.network] > 0.9 * total,
    true,
  );
  // A queue's first interrupt after --apply may still come to where it was delivered before.
  check(
    "the NIC interrupted no other agent's CPU, but for a queue's first interrupt after --apply",
    after[cpuOf.io] + after[cpuOf.ingest] < 4,
    true,
  );
  checkMemory(pid, 'after them');
  await sleep(11_000); // the node looks at its memory every 10 s
  const pages = await metric(ready.admin, 'lance_placed_pages');
  say(`       lance_placed_pages: ${JSON.stringify(pages)}`);
  check(
    'its counters know of placed pages',
    Object.values(pages).every((count) => count >= 0) && pages.slabs > 0,
    true,
  );
  const none = (found) => [
    Object.keys(found).length > 0,
    Object.values(found).filter((value) => value !== 0),
  ];
  check('lance_cross_node_pages is 0', none(await metric(ready.admin, 'lance_cross_node_pages')), [true, []]);
  check(
    'lance_thread_migrations_total is 0',
    none(await metric(ready.admin, 'lance_thread_migrations_total')),
    [true, []],
  );
  const sorted = (values) => Object.entries(values).sort();
  const expected = (value) =>
    Object.fromEntries(placement.threads.map((thread) => [thread.name, value(thread)]));
  for (const [name, value] of [
    ['lance_thread_pinned', () => 1],
    ['lance_thread_cpu', ({ cpu }) => cpu],
    ['lance_thread_node', ({ node }) => node],
  ])
    check(
      `${name} is right for each thread`,
      sorted(await metric(ready.admin, name)),
      sorted(expected(value)),
    );
  check('--check ends with 0 while it serves', (await steer('--check')).code, 0);

  part('drain');
  child.kill('SIGTERM');
  check('SIGTERM drains it and it ends with 0', (await exit)[0], 0);
  const verified = await lance('segment', 'verify', DATA, '--json');
  const records = verified
    .documents()
    .reduce((sum, file) => sum + (/\.lnc$/.test(file.path) ? file.records : 0), 0);
  check('segment verify finds all of it and no problem', [verified.code, records], [0, RECORDS]);

  part('what strace saw');
  const lines = traced(names);
  for (const line of excerpt(lines)) say(`       ${line}`);
  const saw = (pattern, who = () => true) =>
    lines.some(({ thread, call }) => who(thread) && pattern.test(call));
  for (const { name, cpu } of placement.threads) {
    const itself = (thread) => thread === name;
    const pinned = new RegExp(`^sched_setaffinity\\(0, \\d+, \\[${cpu}\\]\\) += 0`);
    check(`thread ${name} pinned itself to CPU ${cpu} with sched_setaffinity`, saw(pinned, itself), true);
    // 0x40000000 is SCHED_RESET_ON_FORK, which older straces do not know.
    const fifo = /^sched_setscheduler\(0, (SCHED_FIFO|0x40000001 ).*\) += 0/;
    check(`thread ${name} asked for SCHED_FIFO with sched_setscheduler`, saw(fifo, itself), true);
  }
  for (const [node, mask] of [
    [0, 1],
    [1, 2],
  ]) {
    const bound = new RegExp(`^mbind\\(0x[0-9a-f]+, \\d+, MPOL_BIND, \\[0x0*${mask}[,\\]].*\\) += 0`);
    check(`mbind bound memory to node ${node}`, saw(bound), true);
  }
  check('move_pages was asked where pages are', saw(/^move_pages\(0, \d+, .*\) += 0/), true);
  check('get_mempolicy was asked for their policy', saw(/^get_mempolicy\(.*MPOL_F_ADDR\) += 0/), true);
  check('--revert ends with 0', (await steer('--revert')).code, 0);
}
