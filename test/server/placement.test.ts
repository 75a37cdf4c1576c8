import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, getPriority, release } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import type { Ready } from '../../src/cli/ready.js';
import { discover, planFor, seatingFor } from '../../src/topology/index.js';
import { container, offlineAndMemoryless, smallVirtio, twoSockets } from '../topology/fixtures/machines.js';
import { temporaryFolder } from './support.js';

const entry = resolve(import.meta.dirname, '../../bin/run.js');
const running: ChildProcess[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

/** Starts `lance serve` with these variables, under `wrapper`; resolves with its first line of stdout and its log. */
async function serve(env: Record<string, string>, wrapper: readonly string[] = []) {
  const flags = [
    '--data-dir',
    temporaryFolder(),
    '--bind',
    '127.0.0.1:0',
    '--admin',
    '127.0.0.1:0',
    '--json',
  ];
  const [program = '', ...args] = [...wrapper, process.execPath, entry, 'serve', ...flags];
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const closed = once(child, 'close').then(([code]) => code as number | null);
  const lines = createInterface({ input: child.stdout });
  const line = await new Promise<string>((done) => {
    lines.once('line', done);
    lines.once('close', () => done('{}'));
  });
  // The log comes through another pipe: what stood in it before that line has been read after this turn of the loop.
  await new Promise((turn) => setImmediate(turn));
  return {
    pid: child.pid ?? 0,
    child,
    first: JSON.parse(line) as Partial<Ready> & { error?: { code: string; hint?: string } },
    closed,
    placement: () =>
      log
        .split('\n')
        .filter((text) => text.startsWith('{'))
        .map((text) => JSON.parse(text))
        .find(({ event }) => event === 'placement')?.placement,
  };
}

/**
 * Each thread of a process: its name, the CPUs it may run on, how nice it is, and the turn it asks for (ns; undefined where the
 * kernel does not tell).
 */
function threadsOf(pid: number): { name: string; cpus: string; nice: number; turn: number | undefined }[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
    const status = statusOf(`/proc/${pid}/task/${tid}/status`);
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)$`, 'm').exec(status)?.[1] ?? '';
    // The 19th field of proc(5)'s stat; those from the third on stand behind the name's parenthesis.
    const nice = Number(
      statusOf(`/proc/${pid}/task/${tid}/stat`).split(') ').at(-1)?.split(' ')[19 - 3] ?? Number.NaN,
    );
    const turn = /^se\.slice\s*:\s*(\d+)$/m.exec(statusOf(`/proc/${pid}/task/${tid}/sched`))?.[1];
    return status === '' || Number.isNaN(nice)
      ? []
      : [
          {
            name: field('Name'),
            cpus: field('Cpus_allowed_list'),
            nice,
            turn: turn === undefined ? undefined : Number(turn),
          },
        ];
  });
}

/** The engine's threads, the workers of its rings among them, and the control plane's. */
function sidesOf<T extends { name: string }>(threads: readonly T[]): [T[], T[]] {
  const isEngine = ({ name }: T) => /^(lance|iou)-/.test(name);
  return [threads.filter(isEngine), threads.filter((thread) => !isEngine(thread))];
}

/** Empty for a thread that ended after it was listed: workers of the kernel's rings come and go. */
function statusOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

describe('lance serve with numa.enabled', { timeout: 240_000 }, () => {
  it.skipIf(availableParallelism() < 2)(
    'pins the engine, moves every other thread off its core, and binds slabs to its node',
    async () => {
      const { pid, first, placement } = await serve({ LANCE_NUMA_ENABLED: 'true', LANCE_NUMA_PIN: 'always' });
      const report = placement();
      const pinned = new Map<string, number>(
        report.threads.map(({ name, cpu }: { name: string; cpu: number }) => [name, cpu]),
      );
      expect(pinned.size).toBeGreaterThan(0);
      const threads = threadsOf(pid);
      for (const [name, cpu] of pinned)
        expect(threads.find((thread) => thread.name === name)?.cpus).toBe(String(cpu));
      for (const { name, cpus } of threads.filter((thread) => !pinned.has(thread.name)))
        for (const cpu of pinned.values())
          expect(cpus.split(','), `${name} may run on ${cpus}`).not.toContain(String(cpu));
      for (const { kind, elsewhere } of report.memory) expect(elsewhere, kind).toBe(0);
      const slabs = report.memory.find(({ kind }: { kind: string }) => kind === 'slabs');
      if (slabs?.policy === 'bind')
        expect(readFileSync(`/proc/${pid}/numa_maps`, 'utf8')).toMatch(/ bind:\d+ anon=\d+/);
      const metrics = await (await fetch(`http://${first.admin}/metrics`)).text();
      expect(metrics).toMatch(/^lance_thread_pinned\{.*\} 1$/m);
      expect(metrics).toMatch(/^lance_thread_migrations_total\{.*\} 0$/m);
      expect(metrics).toMatch(/^lance_cross_node_pages\{memory="slabs"\} 0$/m);
    },
  );

  it.skipIf(availableParallelism() < 2)(
    'asks the kernel for what it says it does, as strace sees it, and drains with 0',
    async (context) => {
      const looked = spawnSync('strace', ['-o', '/dev/null', 'true']);
      if (looked.error) context.skip('needs strace');
      if (looked.status !== 0) context.skip(`this container allows no ptrace: ${looked.stderr}`);
      const folder = temporaryFolder();
      const calls = 'trace=sched_setaffinity,mbind,set_mempolicy,move_pages,get_mempolicy,sched_setscheduler';
      // The tracer is the child of our child (-D), so that the signal below reaches the node itself; a file a thread (-ff).
      const { child, closed, placement } = await serve(
        { LANCE_NUMA_ENABLED: 'true', LANCE_NUMA_PIN: 'always' },
        ['strace', '-D', '-ff', '-s', '4', '-o', join(folder, 'trace'), '-e', calls],
      );
      const { threads, memory } = placement();
      child.kill('SIGTERM');
      expect(await closed).toBe(0);
      const lines = readdirSync(folder).flatMap((name) =>
        readFileSync(join(folder, name), 'utf8').split('\n'),
      );
      const saw = (call: RegExp) => lines.some((line) => call.test(line));
      for (const { cpu } of threads)
        expect(saw(new RegExp(`^sched_setaffinity\\(0, \\d+, \\[${cpu}\\]\\) += 0`)), `CPU ${cpu}`).toBe(
          true,
        );
      if (memory.some(({ policy }: { policy?: string }) => policy === 'bind'))
        expect(saw(/^mbind\(0x[0-9a-f]+, \d+, MPOL_BIND, \[0x0*1[,\]].* = 0/), 'bound').toBe(true);
      if (memory.some(({ elsewhere }: { elsewhere?: number }) => elsewhere !== undefined)) {
        expect(saw(/^move_pages\(0, \d+, .* = 0/), 'pages asked for').toBe(true);
        expect(saw(/^get_mempolicy\(.*MPOL_F_ADDR\) += 0/), 'policy asked for').toBe(true);
      }
    },
  );

  it('leaves all to the system where it is off, and says so', async () => {
    const { pid, placement } = await serve({});
    expect(placement()).toMatchObject({ reason: 'numa.enabled is false', memory: [] });
    expect(new Set(threadsOf(pid).map(({ cpus }) => cpus)).size).toBe(1);
  });

  it('lets the control plane give way to the engine where CPUs are short', async () => {
    const { pid } = await serve({});
    const threads = threadsOf(pid);
    const [engine, control] = sidesOf(threads);
    expect(engine.map(({ name }) => name)).toContain('lance-keeper');
    expect(new Set(engine.map(({ nice }) => nice))).toEqual(new Set([getPriority()]));
    expect(control.length).toBeGreaterThan(1);
    expect(new Set(control.map(({ nice }) => nice))).toEqual(new Set([Math.min(getPriority() + 10, 19)]));
  });

  it('gives the control plane long turns, so that an agent that wakes goes first', async (context) => {
    const [major = 0, minor = 0] = release().split('.').map(Number);
    if (major < 6 || (major === 6 && minor < 12)) context.skip('the kernel is older than 6.12');
    const { pid } = await serve({});
    // One that ends meanwhile tells nothing either.
    const threads = threadsOf(pid).filter(({ turn }) => turn !== undefined);
    if (threads.length === 0) context.skip('the kernel tells nothing of turns');
    const [engine, control] = sidesOf(threads);
    expect(engine.map(({ name }) => name)).toContain('lance-keeper');
    expect(engine.filter(({ turn }) => turn === 100_000_000)).toEqual([]);
    expect(control.length).toBeGreaterThan(1);
    expect(new Set(control.map(({ turn }) => turn))).toEqual(new Set([100_000_000]));
  });

  it('refuses a node and a card that are not there, with those that are', async () => {
    const node = await serve({ LANCE_NUMA_ENABLED: 'true', LANCE_NUMA_NVME_NODE: '77' });
    expect(node.first.error).toMatchObject({
      code: 'MACHINE_LACKS',
      hint: expect.stringMatching(/^It has 0/),
    });
    expect(await node.closed).toBe(2);
    const nic = await serve({ LANCE_NETWORK_NIC_PCI_ADDR: 'ffff:1f:1f.7' });
    expect(nic.first.error).toMatchObject({ code: 'MACHINE_LACKS', hint: expect.stringContaining('card') });
    expect(await nic.closed).toBe(2);
  });
});

describe('what a node is granted', () => {
  const of = (machine: ReturnType<typeof discover>, always = false) =>
    seatingFor(machine, planFor(machine), { always });

  it('is a core for each agent beside its device, and the CPUs off their cores for the rest', () => {
    const seating = of(discover(twoSockets().tree(), '/var/lib/lance'));
    expect(seating.agents).toEqual([
      { role: 'network', cpu: 8, node: 1 },
      { role: 'ingest', cpu: 2, node: 0 },
      { role: 'io', cpu: 1, node: 0 },
    ]);
    // The agents' SMT siblings 24, 18 and 17 stay idle.
    for (const cpu of [1, 2, 8, 17, 18, 24]) expect(seating.agents && seating.others).not.toContain(cpu);
  });

  it('is memory of the nearest node that has some, for agents on one without', () => {
    const { agents } = of(discover(offlineAndMemoryless().tree(), '/var/lib/lance'));
    expect(agents).toEqual([
      { role: 'network', cpu: 5, node: 0 },
      { role: 'ingest', cpu: 6, node: 0 },
      { role: 'io', cpu: 4, node: 0 },
    ]);
  });

  it('is nothing on two cores and in a small container, unless it is asked for', () => {
    for (const machine of [smallVirtio, container].map((build) =>
      discover(build().tree(), '/var/lib/lance'),
    )) {
      expect(of(machine).reason).toContain('usable core');
      const forced = of(machine, true);
      expect(forced.agents && new Set(forced.agents.map(({ cpu }) => cpu)).size).toBe(1);
    }
  });
});
