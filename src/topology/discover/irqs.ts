import { type CpuSet, MAX_CPUS } from '../cpuset.js';
import type { Irq, VectorQueue } from '../machine.js';
import type { FactTree } from '../tree.js';
import type { Problems } from './problems.js';

/** A numbered line of /proc/interrupts. */
export interface InterruptLine {
  readonly name: string;
  readonly count: number;
  /** The count of each online CPU, in their order. */
  readonly perCpu: readonly number[];
}

/** Reads /proc/interrupts: its header names the online CPUs, each numbered line holds a count for each, then chip, pin and names. */
export function parseInterrupts(text: string): Map<number, InterruptLine> {
  const lines = text.split('\n');
  const columns = (lines[0] ?? '')
    .trim()
    .split(/\s+/)
    .filter((name) => /^CPU\d+$/.test(name)).length;
  const found = new Map<number, InterruptLine>();
  for (const line of lines.slice(1)) {
    const match = /^\s*(\d{1,7}):\s*(.*)$/.exec(line);
    if (match === null) continue;
    const fields = (match[2] ?? '').split(/\s+/);
    const perCpu: number[] = [];
    for (const field of fields.slice(0, columns)) {
      if (!/^\d+$/.test(field)) break;
      perCpu.push(Number(field));
    }
    const count = perCpu.reduce((sum, one) => sum + one, 0);
    found.set(Number(match[1]), { name: actionNames(fields.slice(perCpu.length)), count, perCpu });
  }
  return found;
}

/** The names after chip and pin: they begin behind the trigger (`1-edge`, `Level`); where none is printed, the last word is all we know. */
function actionNames(fields: readonly string[]): string {
  const trigger = fields.findIndex((field) => /^(\S*-)?(edge|level|fasteoi)$/i.test(field));
  if (trigger >= 0) return fields.slice(trigger + 1).join(' ');
  return fields.length > 1 ? (fields.at(-1) ?? '') : '';
}

/** The queue a vector serves, read from the names drivers give their vectors; null for control vectors and names we do not know. */
export function queueOfVector(name: string): VectorQueue | null {
  const nvme = /^nvme\d+q(\d+)$/.exec(name);
  if (nvme !== null)
    return nvme[1] === '0' ? { kind: 'admin', index: 0 } : { kind: 'io', index: Number(nvme[1]) };
  const request = /^virtio\d+-req(?:uest)?(?:\.(\d+))?$/.exec(name);
  if (request !== null) return { kind: 'io', index: Number(request[1] ?? 0) };
  const virtio = /^virtio\d+-(input|output)\.(\d+)$/.exec(name);
  if (virtio !== null) return { kind: virtio[1] === 'input' ? 'rx' : 'tx', index: Number(virtio[2]) };
  const both =
    /(?:tx-?rx|rx-?tx|mlx\d+_comp|\bmlx4-|gve-ntfy-blk|mana_q|idpf-.*-TxRx-|-fp-)-?(\d+)(?:@.*)?$/i.exec(
      name,
    );
  if (both !== null) return { kind: 'rxtx', index: Number(both[1]) };
  const one = /[-_. ](rx|tx)[-_.]?(\d+)$/i.exec(name);
  if (one !== null) return { kind: one[1]?.toLowerCase() === 'rx' ? 'rx' : 'tx', index: Number(one[2]) };
  // tg3, e1000e and others number vectors of one queue pair each: eth0-0, eth0-1.
  return null;
}

/**
 * Whether the kernel owns a vector's affinity, by its name: what NVMe and virtio block and SCSI request for their queues. debugfs
 * would tell for sure and is asked first, but is seldom mounted.
 */
function managedByName(name: string): boolean {
  return (
    /^nvme\d+q[1-9]\d*$/.test(name) ||
    /^virtio\d+-req(uest)?(\.\d+)?$/.test(name) ||
    /^megasas\d+-msix\d+$/.test(name) ||
    /^mpt3sas\d+-msix\d+$/.test(name)
  );
}

/** Every IRQ of the machine in order of number, not yet matched to devices. */
export function discoverIrqs(tree: FactTree, problems: Problems): Irq[] {
  const lines = parseInterrupts(tree.raw('proc/interrupts') ?? '');
  const numbers = new Set(lines.keys());
  for (const name of tree.list('proc/irq')) if (/^\d{1,7}$/.test(name)) numbers.add(Number(name));
  return [...numbers]
    .sort((a, b) => a - b)
    .map((irq) => {
      const line = lines.get(irq);
      const name = tree.text(`sys/kernel/irq/${irq}/actions`) ?? line?.name ?? '';
      const debug = tree.text(`sys/kernel/debug/irq/irqs/${irq}`);
      return {
        irq,
        name,
        affinity: affinityOf(tree, `proc/irq/${irq}/smp_affinity`, problems),
        effective: emptyAsNull(affinityOf(tree, `proc/irq/${irq}/effective_affinity`, problems)),
        managed: debug === undefined ? managedByName(name) : /IRQD_AFFINITY_MANAGED/.test(debug),
        device: null,
        queue: queueOfVector(name),
        count: line?.count ?? null,
      };
    });
}

/** The list form is asked first, the mask where it is missing, damaged or empty. */
function affinityOf(tree: FactTree, path: string, problems: Problems): CpuSet | null {
  const list = problems.cpuList(tree, `${path}_list`);
  const cpus = list === undefined || list.length === 0 ? (problems.cpuMask(tree, path) ?? list) : list;
  return cpus === undefined ? null : cpus.filter((cpu) => cpu < MAX_CPUS);
}

function emptyAsNull(cpus: CpuSet | null): CpuSet | null {
  return cpus === null || cpus.length === 0 ? null : cpus;
}
