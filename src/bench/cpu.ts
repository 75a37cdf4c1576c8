import { readFileSync } from 'node:fs';

/** Clock ticks a second in /proc: fixed in the kernel's interface to programs. */
const TICKS = 100;

/** CPU seconds that a process has used, user and system, its kernel workers included; undefined when it is gone. */
export function processCpu(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return undefined;
  }
}

/** Resident bytes of a process (proc(5), VmRSS); null when it is gone or not ours. */
export function residentBytes(pid: number | undefined): number | null {
  if (pid === undefined) return null;
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  } catch {
    return null;
  }
}

/**
 * CPU seconds of all of the machine, since it started: `busy` with interrupts, and `stolen` by the host of a virtual machine
 * while a CPU wanted to run (proc(5), /proc/stat).
 */
export function machineCpu(): { busy: number; stolen: number } {
  const line = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number);
  return { busy: (user + nice + system + irq + softirq) / TICKS, stolen: steal / TICKS };
}
