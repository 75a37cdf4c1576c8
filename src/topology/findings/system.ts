import { storageOf } from '../plan/targets.js';
import { type Finding, finding, type Subject, unsupported } from './types.js';

/** Pools, rings and queues of the default limits with room to spare (design.md, section 4). */
const WANTED_MEMLOCK = 256 * 1024 * 1024;

/** Share of the wanted CPU time that a host may keep to itself before tails show it. */
const STOLEN = 0.01;

const STEADY_CLOCKS = new Set([
  'tsc',
  'arch_sys_counter',
  'kvm-clock',
  'hyperv_clocksource_tsc_page',
  'stp',
  'timebase',
  'riscv_clocksource',
]);

function mebibytes(bytes: number): string {
  return bytes >= 1024 * 1024 ? `${Math.round(bytes / 1024 / 1024)} MiB` : `${Math.round(bytes / 1024)} KiB`;
}

/** What a setting of transparent huge pages does to a node. */
const HUGE_PAGES_WRONG = new Map([
  ['always', 'compaction stalls threads that never asked for them'],
  [
    'never',
    'the device gets what is written in pieces of 4 KiB, which some virtual disks take several times as long for',
  ],
]);

/** Kernel facilities and limits: io_uring, memlock, clock, governor, huge pages, NUMA balancing. */
export function systemFindings({ machine, request }: Subject): Finding[] {
  const { system } = machine;
  const found: Finding[] = [];
  const uring = system.ioUring;
  if (uring.available === false) {
    found.push(
      finding(
        'io-uring',
        'warning',
        `io_uring is not available: ${uring.reason}`,
        'LANCE falls back to pwritev2 and epoll; a kernel from 6.1 with kernel.io_uring_disabled=0 gives its fast path',
      ),
    );
  } else if (uring.available === null) {
    found.push(
      unsupported(
        'io-uring',
        'info',
        'whether io_uring may be used shows only at start-up',
        '`lance serve` probes it and falls back to pwritev2 and epoll',
        uring.reason,
      ),
    );
  } else if (/lacks/.test(uring.reason)) {
    found.push(
      finding(
        'io-uring',
        'info',
        `io_uring is there, but ${uring.reason}`,
        'a kernel from 6.1 gives the fast path',
      ),
    );
  }
  const limit = system.memlockBytes;
  if (limit === undefined) {
    found.push(
      unsupported(
        'memlock',
        'info',
        'the limit of locked memory is not known',
        'set LimitMEMLOCK=infinity in the unit',
        '/proc/self/limits could not be read',
      ),
    );
  } else if (limit !== null && limit < WANTED_MEMLOCK && system.mayLockMemory !== true) {
    found.push(
      finding(
        'memlock',
        'warning',
        `only ${mebibytes(limit)} of memory may be locked; slabs would stay unlocked and unregistered`,
        'LimitMEMLOCK=infinity in the unit, `ulimit -l unlimited`, or CAP_IPC_LOCK',
      ),
    );
  }
  if (system.governor === null) {
    found.push(
      unsupported(
        'governor',
        'info',
        'no CPU frequency governor to set',
        'set the performance profile in the firmware or at the provider',
        'no cpufreq driver: the hypervisor or the firmware rules the clock',
      ),
    );
  } else if (system.governor !== 'performance') {
    found.push(
      finding(
        'governor',
        'warning',
        `the CPU frequency governor is ${system.governor}`,
        '`cpupower frequency-set -g performance`',
      ),
    );
  }
  if (system.clockSource === null) {
    found.push(
      unsupported(
        'clock',
        'info',
        'the clock source is not known',
        'look at /sys/devices/system/clocksource on the host',
        'it is not shown in /sys',
      ),
    );
  } else if (!STEADY_CLOCKS.has(system.clockSource)) {
    const better = system.clockSources.find((name) => STEADY_CLOCKS.has(name));
    const what = `the clock source ${system.clockSource} is slow or unstable: every time stamp costs a device access`;
    if (better === undefined)
      found.push(
        unsupported(
          'clock',
          'warning',
          what,
          'look in the kernel log why tsc was given up',
          `available are only: ${system.clockSources.join(' ') || 'none'}`,
        ),
      );
    else
      found.push(
        finding(
          'clock',
          'warning',
          what,
          `echo ${better} > /sys/devices/system/clocksource/clocksource0/current_clocksource`,
        ),
      );
  }
  if (system.stolen !== null && system.stolen >= STOLEN) {
    found.push(
      unsupported(
        'steal',
        'warning',
        `the host gave ${(system.stolen * 100).toFixed(1)}% of the CPU time that was wanted since boot to others (steal): all threads stand still meanwhile`,
        'take an instance with dedicated CPUs, or pin its virtual CPUs on the host; `lance top` shows steal as it happens',
        'the hypervisor shares the CPUs out',
      ),
    );
  }
  if (system.freePagesReportedFrom !== null) {
    found.push(
      unsupported(
        'page-reporting',
        'warning',
        'free memory is given back to the host (free page reporting): whoever takes it next, also for sockets and files, waits until the host has it again',
        'turn free page reporting of the virtio balloon off on the host; a node keeps its own memory, so this shows in tails and where much memory comes and goes',
        'the hypervisor asks for it',
      ),
    );
  }
  const set = system.transparentHugePages ?? '';
  const wrong = HUGE_PAGES_WRONG.get(set);
  if (wrong !== undefined) {
    found.push(
      finding(
        'thp',
        'warning',
        `transparent huge pages are set to ${set}: ${wrong}`,
        'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled',
      ),
    );
  }
  if (machine.nodes.length > 1 && system.numaBalancing === true) {
    found.push(
      finding(
        'numa-balancing',
        'warning',
        'automatic NUMA balancing unmaps pages to watch their use, also those of the agents',
        '`sysctl kernel.numa_balancing=0`',
      ),
    );
  }
  if (system.memoryLimitBytes !== null && system.memoryLimitBytes < 512 * 1024 * 1024) {
    found.push(
      finding(
        'memory-limit',
        'warning',
        `the control group grants ${mebibytes(system.memoryLimitBytes)} of memory`,
        'give it 512 MiB or more (memory.max)',
      ),
    );
  }
  for (const device of storageOf(machine, request)) {
    if (!('kind' in device) || device.scheduler === null || device.scheduler === 'none') continue;
    found.push(
      finding(
        `scheduler-${device.name}`,
        'info',
        `${device.name} uses the ${device.scheduler} I/O scheduler`,
        `echo none > /sys/block/${device.name}/queue/scheduler, if nothing else shares the disk`,
      ),
    );
  }
  return found;
}

/** What could not be read or understood of the machine; ten in full, the rest counted. */
export function problemFindings({ machine }: Subject): Finding[] {
  const shown = machine.problems
    .slice(0, 10)
    .map(({ path, problem }) =>
      unsupported(
        `problem:${path}`,
        'warning',
        `${path}: ${problem}`,
        'the plan does without it',
        'it could not be read or understood',
      ),
    );
  const rest = machine.problems.length - shown.length;
  if (rest > 0)
    shown.push(
      unsupported(
        'problems',
        'warning',
        `${rest} more files could not be read or understood`,
        'the plan does without them',
        'they could not be read or understood',
      ),
    );
  return shown;
}
