import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import si from 'systeminformation';
import { parseInterrupts } from '../topology/discover/irqs.js';
import type { CoreLoad, DiskCounts, IrqCount, MachineFacts, ThreadTime } from './raw.js';

/** `getconf CLK_TCK`, 100 on every Linux: what /proc counts CPU time in. */
const TICKS_A_SECOND = 100;
const SECTOR_BYTES = 512;

/** What of the machine to look at, and from which /proc and /sys (tests bring others). */
export interface MachineRequest {
  /** The node's process; undefined where it is gone. */
  pid: number | undefined;
  dataDir: string | undefined;
  proc?: string;
  sys?: string;
}

/** Looks at the machine that we run on. What cannot be read is left out. */
export async function observeMachine({
  pid,
  dataDir,
  proc = '/proc',
  sys = '/sys',
}: MachineRequest): Promise<MachineFacts> {
  const [cores, irqs, threads, disk] = await Promise.all([
    coreLoads(),
    interrupts(proc),
    pid === undefined ? [] : threadTimes(proc, sys, pid),
    dataDir === undefined ? undefined : diskCounts(proc, sys, dataDir),
  ]);
  return { cores, irqs, threads, disk };
}

async function coreLoads(): Promise<CoreLoad[]> {
  try {
    const { cpus } = await si.currentLoad();
    const share = (percent: number): number => (Number.isFinite(percent) ? Math.max(0, percent / 100) : 0);
    return cpus.map((cpu, i) => ({
      cpu: i,
      busy: share(cpu.load),
      user: share(cpu.loadUser + cpu.loadNice),
      system: share(cpu.loadSystem),
      irq: share(cpu.loadIrq),
      steal: share(cpu.loadSteal),
    }));
  } catch {
    return [];
  }
}

async function interrupts(proc: string): Promise<IrqCount[]> {
  const text = await readFile(join(proc, 'interrupts'), 'utf8').catch(() => '');
  return [...parseInterrupts(text)].map(([irq, { name, perCpu }]) => ({ irq, name, perCpu }));
}

/** The node's own threads, without Node's pool; of thousands only what /proc lists first. */
async function threadTimes(proc: string, sys: string, pid: number): Promise<ThreadTime[]> {
  const tasks = join(proc, String(pid), 'task');
  const tids = (await readdir(tasks).catch(() => [])).slice(0, 256);
  const texts = await Promise.all(
    tids.map((tid) => readFile(join(tasks, tid, 'stat'), 'utf8').catch(() => '')),
  );
  const threads: ThreadTime[] = [];
  for (const [i, text] of texts.entries()) {
    // comm stands in parentheses and may hold anything, spaces and parentheses too.
    const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (!name.startsWith('lance-') && tids[i] !== String(pid)) continue;
    const cpu = Number(fields[36]);
    const ticks = Number(fields[11]) + Number(fields[12]);
    if (!Number.isFinite(ticks) || !Number.isFinite(cpu)) continue;
    const node = await nodeOfCpu(sys, cpu);
    threads.push({ name, tid: Number(tids[i]), cpuSeconds: ticks / TICKS_A_SECOND, cpu, node });
  }
  return threads;
}

const nodes = new Map<string, number | undefined>();

/** The NUMA node of a CPU; a machine's never changes, so it is asked once. */
async function nodeOfCpu(sys: string, cpu: number): Promise<number | undefined> {
  const dir = join(sys, 'devices/system/cpu', `cpu${cpu}`);
  if (!nodes.has(dir)) {
    const names = await readdir(dir).catch(() => []);
    const node = names.map((name) => /^node(\d+)$/.exec(name)?.[1]).find((number) => number !== undefined);
    nodes.set(dir, node === undefined ? undefined : Number(node));
  }
  return nodes.get(dir);
}

const disks = new Map<string, string | undefined>();

async function diskCounts(proc: string, sys: string, dataDir: string): Promise<DiskCounts | undefined> {
  const key = `${sys}\n${dataDir}`;
  if (!disks.has(key)) disks.set(key, await diskOf(sys, dataDir));
  const name = disks.get(key);
  if (name === undefined) return undefined;
  const text = await readFile(join(proc, 'diskstats'), 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[2] !== name) continue;
    const at = (i: number): number => Number(fields[i] ?? 0);
    return {
      name,
      reads: at(3),
      readBytes: at(5) * SECTOR_BYTES,
      writes: at(7),
      writtenBytes: at(9) * SECTOR_BYTES,
      inFlight: at(11),
      busyMs: at(12),
      queueMs: at(13),
      flushes: at(18),
    };
  }
  return undefined;
}

/** The whole disk below a path: of a partition, the disk it is on, which alone counts flushes. */
async function diskOf(sys: string, path: string): Promise<string | undefined> {
  try {
    const { dev } = await stat(path);
    // glibc's makedev: 12 bits of major and 8 of minor below, the rest above.
    const major = ((dev >>> 8) & 0xfff) | (Math.floor(dev / 2 ** 32) & ~0xfff);
    const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
    const device = await realpath(join(sys, 'dev/block', `${major}:${minor}`));
    const whole = await stat(join(device, 'partition')).then(
      () => dirname(device),
      () => device,
    );
    return basename(whole);
  } catch {
    // Not on a block device of its own: overlay, tmpfs, a network file system.
    return undefined;
  }
}
