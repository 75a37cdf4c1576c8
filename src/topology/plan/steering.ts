import { type CpuSet, formatCpuList, formatCpuMask, intersect, parseCpuMask, sameCpus } from '../cpuset.js';
import type { Disk, Irq, Machine, Nic, NvmeController } from '../machine.js';
import { isNvme } from './targets.js';
import type { PlannedIrq, PlannedQueue, PlannedThread } from './types.js';

/** Interrupts that belong to every CPU, or to the platform, and cannot or must not move. */
const FIXED = /^(timer|cascade|arch_timer|arm-pmu.*|arm_spe.*|IPI.*|kvm guest .*|watchdog|gtdt)$/;

/** Whether an IRQ's requested affinity can be planned at all. */
function movable(irq: Irq, immovable: ReadonlySet<number>): irq is Irq & { affinity: CpuSet } {
  return (
    irq.affinity !== null &&
    irq.name !== '' &&
    !irq.managed &&
    !FIXED.test(irq.name) &&
    !immovable.has(irq.irq)
  );
}

/** The CPUs of `set` on a node, or all of `set` where there are none there or the node is unknown. */
function near(machine: Machine, set: CpuSet, node: number | null): CpuSet {
  const cpus = machine.nodes.find((known) => known.id === node)?.cpus ?? [];
  const local = intersect(set, cpus);
  return local.length > 0 ? local : set;
}

/** What steering needs to know besides the machine. */
export interface Steering {
  readonly machine: Machine;
  readonly ports: readonly Nic[];
  readonly storage: readonly (NvmeController | Disk)[];
  readonly threads: readonly PlannedThread[];
  /** All CPUs of the agents' cores, siblings included. */
  readonly agentCores: CpuSet;
  readonly housekeeping: CpuSet;
  readonly immovable: ReadonlySet<number>;
}

function agentsOf(threads: readonly PlannedThread[], role: PlannedThread['role'], device: string): number[] {
  return threads
    .filter((thread) => thread.role === role && thread.device === device)
    .map((thread) => thread.cpu);
}

/**
 * Where each movable IRQ belongs: the vectors of queue k on network agent k's core, a device's movable I/O vector on its I/O agent's
 * core, all others off the agents' cores. An IRQ that is not in the way stays as it is and is not listed.
 */
export function steerIrqs(steering: Steering): PlannedIrq[] {
  const { machine, threads, housekeeping, immovable } = steering;
  const isolated = machine.cpus.filter((cpu) => cpu.isolated).map((cpu) => cpu.id);
  const guarded = new Set([...steering.agentCores, ...isolated]);
  const ports = new Map(steering.ports.map((port) => [port.name, port]));
  const disks = new Map(steering.storage.map((device) => [device.name, device]));
  // Vectors of two ports of one function carry one owner in `machine.irqs`; the port's own list decides.
  const owner = new Map<number, Nic>();
  for (const port of steering.ports) for (const irq of port.irqs) owner.set(irq.irq, port);
  const planned: PlannedIrq[] = [];
  for (const irq of machine.irqs) {
    if (!movable(irq, immovable)) continue;
    const port = owner.get(irq.irq) ?? (irq.device === null ? undefined : ports.get(irq.device));
    const disk = irq.device === null ? undefined : disks.get(irq.device);
    const queue = port?.irqs.find((own) => own.irq === irq.irq)?.queue ?? irq.queue;
    let to: CpuSet | undefined;
    if (port !== undefined) {
      const agents = agentsOf(threads, 'network', port.name);
      const agent = queue === null ? undefined : agents[queue.index];
      to = agent === undefined ? near(machine, housekeeping, port.node) : [agent];
    } else if (disk !== undefined && queue?.kind === 'io') {
      to = ioVectorTarget(disk, irq, agentsOf(threads, 'io', disk.name));
    }
    if (to === undefined) {
      if (!irq.affinity.some((cpu) => guarded.has(cpu))) continue;
      const device = [...machine.nics, ...machine.nvme, ...machine.disks].find(
        (known) => known.name === irq.device,
      );
      const left = intersect(irq.affinity, housekeeping);
      to = left.length > 0 ? left : near(machine, housekeeping, device?.node ?? null);
    }
    if (to.length === 0) continue;
    planned.push({
      irq: irq.irq,
      device: port?.name ?? irq.device ?? irq.name,
      queue: queue?.index ?? null,
      from: formatCpuList(irq.affinity),
      to: formatCpuList(to),
    });
  }
  return planned;
}

/** A movable I/O vector goes to the I/O agent whose requests it completes. */
function ioVectorTarget(
  device: NvmeController | Disk,
  irq: Irq,
  agents: readonly number[],
): CpuSet | undefined {
  const index = (irq.queue?.index ?? 0) - (isNvme(device) ? 1 : 0);
  const served = device.hardwareQueues.find((queue) => queue.index === index)?.cpus;
  const agent = agents.find((cpu) => served === undefined || served.includes(cpu));
  return agent === undefined ? undefined : [agent];
}

/**
 * RPS off where every queue's IRQ already is on its agent's core; on, over the agents, where they are more than queues. XPS gives each
 * agent its own transmit queue and leaves the spare ones to all other CPUs.
 */
export function steerQueues(steering: Steering): PlannedQueue[] {
  const { machine, threads, agentCores } = steering;
  const others = machine.cpus
    .filter((cpu) => cpu.online && !agentCores.includes(cpu.id))
    .map((cpu) => cpu.id);
  return steering.ports.flatMap((port) => {
    const agents = agentsOf(threads, 'network', port.name);
    if (agents.length === 0) return [];
    return port.masks.flatMap((mask): PlannedQueue[] => {
      const queues = Math.max(1, mask.kind === 'rps' ? port.rxQueues : port.txQueues);
      const served = agents.filter((_, at) => at % queues === mask.queue).sort((a, b) => a - b);
      const crowded = agents.length > queues;
      let to: CpuSet = [];
      if (mask.kind === 'rps') to = crowded ? served : [];
      else to = served.length > 0 ? served : others;
      return isMask(mask.text)
        ? [
            {
              path: mask.path,
              from: mask.text,
              to: sameMask(mask.text, to) ? mask.text : formatCpuMask(to, mask.text),
            },
          ]
        : [];
    });
  });
}

/** Empty is one: a crash between emptying and writing leaves a copy's file so, and the next apply fills it. */
function isMask(text: string): boolean {
  if (text === '') return true;
  try {
    parseCpuMask(text);
    return true;
  } catch {
    return false;
  }
}

function sameMask(text: string, cpus: CpuSet): boolean {
  return text !== '' && sameCpus(parseCpuMask(text), cpus);
}
