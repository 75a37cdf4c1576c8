import type { Availability, Cpu, Machine, SystemFacts } from '../machine.js';
import type { FactTree } from '../tree.js';
import { isIrqbalance } from '../wanted.js';
import { memTotalBytes } from './cpus.js';
import { mountOf } from './datapath.js';
import { cgroupCpus, containerSign, cpuQuota, memoryLimit, mounts } from './limits.js';
import type { Problems } from './problems.js';

/** `[major, minor]` of a kernel release such as `6.1.0-18-amd64`. */
export function kernelVersion(release: string | null): [number, number] | null {
  const match = /^(\d+)\.(\d+)/.exec(release ?? '');
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

function ioUring(tree: FactTree, release: string | null): Availability {
  const version = kernelVersion(release);
  const disabled = tree.int('proc/sys/kernel/io_uring_disabled');
  if (version === null) return { available: null, reason: "the kernel's version is not known" };
  const [major, minor] = version;
  if (major < 5 || (major === 5 && minor < 1))
    return { available: false, reason: `kernel ${release} is older than 5.1` };
  if (disabled === 2) return { available: false, reason: 'kernel.io_uring_disabled is 2' };
  if (disabled === 1)
    return {
      available: null,
      reason: 'kernel.io_uring_disabled is 1: only for CAP_SYS_ADMIN and members of kernel.io_uring_group',
    };
  if (/^Seccomp:\s*2\s*$/m.test(tree.raw('proc/self/status') ?? '')) {
    return { available: null, reason: 'a seccomp filter is in force and may forbid it' };
  }
  if (major < 6 || (major === 6 && minor < 1))
    return { available: true, reason: `kernel ${release} lacks parts of it; 6.1 has all` };
  return { available: true, reason: `kernel ${release}` };
}

/** RLIMIT_MEMLOCK, soft: undefined not readable, null unlimited. */
function memlock(tree: FactTree): number | null | undefined {
  const match = /^Max locked memory\s+(\S+)/m.exec(tree.raw('proc/self/limits') ?? '');
  if (match === null) return undefined;
  return match[1] === 'unlimited' ? null : Number(match[1]);
}

/** CAP_IPC_LOCK is bit 14 of the effective set. */
function mayLock(tree: FactTree): boolean | null {
  const match = /^CapEff:\s*([0-9a-f]+)\s*$/m.exec(tree.raw('proc/self/status') ?? '');
  return match === null ? null : ((BigInt(`0x${match[1]}`) >> 14n) & 1n) === 1n;
}

function architecture(tree: FactTree): string | null {
  const cpuinfo = tree.raw('proc/cpuinfo') ?? '';
  if (/^CPU implementer\s*:/m.test(cpuinfo)) return 'aarch64';
  if (/^flags\s*:.*\blm\b/m.test(cpuinfo)) return 'x86_64';
  if (/^isa\s*:\s*rv64/m.test(cpuinfo)) return 'riscv64';
  if (/^cpu\s*:\s*POWER/m.test(cpuinfo)) return 'ppc64le';
  return /\b(x86_64|aarch64)\b/.exec(tree.raw('proc/version') ?? '')?.[1] ?? null;
}

const ARM_CORES: Readonly<Record<string, string>> = {
  '0x41/0xd0c': 'Arm Neoverse N1',
  '0x41/0xd40': 'Arm Neoverse V1',
  '0x41/0xd49': 'Arm Neoverse N2',
  '0x41/0xd4f': 'Arm Neoverse V2',
  '0x48/0xd01': 'HiSilicon Kunpeng 920',
  '0xc0/0xac3': 'Ampere-1',
};

function cpuModel(tree: FactTree): string | null {
  const cpuinfo = tree.raw('proc/cpuinfo') ?? '';
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}\\s*:\\s*(.+)$`, 'm').exec(cpuinfo)?.[1]?.trim();
  const named = field('model name');
  if (named !== undefined) return named;
  const implementer = field('CPU implementer');
  const part = field('CPU part');
  if (implementer === undefined || part === undefined) return null;
  return ARM_CORES[`${implementer}/${part}`] ?? `Arm implementer ${implementer} part ${part}`;
}

function hugePages(tree: FactTree): { kib: number; total: number; free: number }[] {
  const dir = 'sys/kernel/mm/hugepages';
  return tree.list(dir).flatMap((name) => {
    const kib = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    if (kib === undefined) return [];
    return [
      {
        kib: Number(kib),
        total: tree.int(`${dir}/${name}/nr_hugepages`) ?? 0,
        free: tree.int(`${dir}/${name}/free_hugepages`) ?? 0,
      },
    ];
  });
}

function procWritable(tree: FactTree): boolean | null {
  const all = mounts(tree);
  const mount = mountOf(all, '/proc/irq');
  return mount === undefined ? null : !mount.readOnly;
}

/** Steal against all that was wanted: idle time tells nothing of what the host would have granted. */
function stolen(tree: FactTree): number | null {
  const line = /^cpu +(\d.*)$/m.exec(tree.raw('proc/stat') ?? '')?.[1];
  if (line === undefined) return null;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number);
  const wanted = user + nice + system + irq + softirq + steal;
  return wanted > 0 ? steal / wanted : null;
}

/** Where pages have 4 KiB, none is larger than two to this power times that. */
const LARGEST_ORDER = 10;

/** Free page reporting of a virtual machine's balloon. Where nobody asked for it, the kernel's parameter is -1 or above any order. */
function freePagesReportedFrom(tree: FactTree): number | null {
  const order = tree.int('sys/module/page_reporting/parameters/page_reporting_order');
  return order !== undefined && order >= 0 && order <= LARGEST_ORDER ? 2 ** order : null;
}

/** What is true of the machine as a whole, from /proc and /sys. */
export function discoverSystem(tree: FactTree, cpus: readonly Cpu[], problems: Problems): SystemFacts {
  const release =
    tree.text('proc/sys/kernel/osrelease') ??
    /^Linux version (\S+)/.exec(tree.raw('proc/version') ?? '')?.[1] ??
    null;
  const clock = 'sys/devices/system/clocksource/clocksource0';
  const governors = new Set(
    cpus.flatMap((cpu) => (cpu.online && cpu.governor !== null ? [cpu.governor] : [])),
  );
  const thp = tree.text('sys/kernel/mm/transparent_hugepage/enabled');
  const numaBalancing = tree.int('proc/sys/kernel/numa_balancing');
  return {
    hostname: tree.text('proc/sys/kernel/hostname') ?? null,
    kernel: release,
    arch: architecture(tree),
    cpuModel: cpuModel(tree),
    bootId: tree.text('proc/sys/kernel/random/boot_id') ?? null,
    memoryBytes: memTotalBytes(tree.raw('proc/meminfo')) ?? null,
    ioUring: ioUring(tree, release),
    memlockBytes: memlock(tree),
    mayLockMemory: mayLock(tree),
    hugePages: hugePages(tree),
    transparentHugePages: thp === undefined ? null : (/\[(\w+)\]/.exec(thp)?.[1] ?? thp),
    freePagesReportedFrom: freePagesReportedFrom(tree),
    clockSource: tree.text(`${clock}/current_clocksource`) ?? null,
    clockSources: (tree.text(`${clock}/available_clocksource`) ?? '').split(/\s+/).filter(Boolean),
    governor: governors.size === 0 ? null : [...governors].sort().join(','),
    smt: cpus.some((cpu) => cpu.online && cpu.siblings.length > 1),
    nohzFull: problems.cpuList(tree, 'sys/devices/system/cpu/nohz_full') ?? [],
    numaBalancing: numaBalancing === undefined ? null : numaBalancing !== 0,
    schedRtRuntimeUs: tree.int('proc/sys/kernel/sched_rt_runtime_us') ?? null,
    stolen: stolen(tree),
    container: containerSign(tree),
    cpuQuota: cpuQuota(tree),
    memoryLimitBytes: memoryLimit(tree),
    cpuset: cgroupCpus(tree, problems),
    procWritable: procWritable(tree),
  };
}

/** irqbalance by its process name. */
export function discoverIrqbalance(tree: FactTree): Machine['irqbalance'] {
  const isIt = (pid: string): boolean =>
    ['comm', 'cmdline'].some((file) => isIrqbalance(tree.text(`proc/${pid}/${file}`) ?? ''));
  const pid = tree.list('proc').find((name) => /^\d+$/.test(name) && isIt(name));
  return { running: pid !== undefined, pid: pid === undefined ? null : Number(pid) };
}
