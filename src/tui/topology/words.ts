import { type CpuSet, formatCpuList } from '../../topology/cpuset.js';
import type { Disk, Nic, NvmeController, SystemFacts } from '../../topology/machine.js';
import type { PlannedIrq, PlannedQueue } from '../../topology/plan/types.js';

/** Bytes as an operator reads them: `128 GiB`. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 10 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `100 Gb/s`, `2.5 Gb/s`, `100 Mb/s`. */
export function linkSpeed(mbps: number): string {
  return mbps >= 1000 ? `${mbps / 1000} Gb/s` : `${mbps} Mb/s`;
}

/** The facts of the machine as a whole, in one or two lines. */
export function systemLine(system: SystemFacts): string {
  const uring = system.ioUring.available === null ? 'unknown' : system.ioUring.available ? 'yes' : 'no';
  const memlock =
    system.memlockBytes === undefined
      ? 'unknown'
      : system.memlockBytes === null
        ? 'unlimited'
        : bytes(system.memlockBytes);
  return [
    `clock ${system.clockSource ?? 'unknown'}`,
    `governor ${system.governor ?? 'none'}`,
    `io_uring ${uring}`,
    `memlock ${memlock}`,
    `huge pages ${system.hugePages.reduce((sum, size) => sum + size.total, 0)}`,
    `THP ${system.transparentHugePages ?? 'unknown'}`,
  ].join(' · ');
}

/** What a device box says under its name. */
export function deviceWords(device: Nic | NvmeController | Disk): { kind: string; detail: string } {
  const irqs = `${device.irqs.length} IRQ${device.irqs.length === 1 ? '' : 's'}`;
  const place = device.pci ?? 'no PCI';
  if ('rxQueues' in device) {
    const speed = device.speedMbps === null ? 'speed unknown' : linkSpeed(device.speedMbps);
    const over = device.kind === 'port' ? place : `over ${device.ports.join(', ')}`;
    const queues =
      device.rxQueues === device.txQueues
        ? `${device.rxQueues} queue${device.rxQueues === 1 ? '' : 's'}`
        : `${device.rxQueues} rx, ${device.txQueues} tx queues`;
    return {
      kind: device.kind === 'port' ? 'NIC' : device.kind,
      detail: [over, device.driver ?? 'no driver', speed, device.up ? 'up' : 'down', queues, irqs].join(
        ' · ',
      ),
    };
  }
  if ('namespaces' in device) {
    const managed = device.irqs.filter((irq) => irq.managed).length;
    return {
      kind: 'NVMe',
      detail: [
        place,
        device.model ?? 'model unknown',
        device.namespaces.join(' ') || 'no namespace',
        `${irqs}, ${managed} managed`,
      ].join(' · '),
    };
  }
  return {
    kind: `disk (${device.kind})`,
    detail: [place, ...(device.scheduler === null ? [] : [`scheduler ${device.scheduler}`]), irqs].join(
      ' · ',
    ),
  };
}

/** One line of the plan's diff: IRQs or queues that change from and to the same. */
export interface DiffLine {
  readonly what: string;
  readonly of: string;
  readonly from: string;
  readonly to: string;
}

/** IRQs that change, those of one device with the same before and after on one line. */
export function irqDiff(irqs: readonly PlannedIrq[]): DiffLine[] {
  const groups = new Map<string, PlannedIrq[]>();
  for (const irq of irqs) {
    if (irq.from === irq.to) continue;
    const key = [irq.device, irq.from, irq.to].join('\0');
    groups.set(key, [...(groups.get(key) ?? []), irq]);
  }
  return [...groups.values()].map((group) => {
    const first = group[0] as PlannedIrq;
    const queues = numbers(group.flatMap((irq) => (irq.queue === null ? [] : [irq.queue])));
    return {
      what: `irq ${numbers(group.map((irq) => irq.irq))}`,
      of: queues === '' ? first.device : `${first.device} q${queues}`,
      from: first.from === '' ? 'none' : first.from,
      to: first.to,
    };
  });
}

/** Queue masks that change, those of one NIC and kind with the same target on one line. */
export function queueDiff(queues: readonly PlannedQueue[]): DiffLine[] {
  const groups = new Map<
    string,
    { nic: string; kind: string; from: Set<string>; to: string; queues: number[] }
  >();
  for (const { path, from, to } of queues) {
    const match = /\/net\/([^/]+)\/queues\/[rt]x-(\d+)\/([rx]ps)_cpus$/.exec(path);
    if (match === null || from === to) continue;
    const [, nic = '', queue = '0', kind = ''] = match;
    const key = [nic, kind, to].join('\0');
    const group = groups.get(key) ?? { nic, kind, from: new Set<string>(), to, queues: [] };
    group.from.add(from);
    group.queues.push(Number(queue));
    groups.set(key, group);
  }
  return [...groups.values()].map(({ nic, kind, from, to, queues: which }) => ({
    what: kind,
    of: `${nic} q${numbers(which)}`,
    from: from.size === 1 ? ([...from][0] ?? '') : 'various',
    to,
  }));
}

function numbers(values: readonly number[]): string {
  const sorted: CpuSet = [...new Set(values)].sort((a, b) => a - b);
  return formatCpuList(sorted);
}
