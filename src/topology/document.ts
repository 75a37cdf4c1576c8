import { formatCpuList } from './cpuset.js';
import type { Finding } from './findings/types.js';
import type { Disk, Irq, Machine, Nic, NvmeController } from './machine.js';
import type { Plan } from './plan/types.js';

/** The JSON of `lance topology --json` (cli.md, Topology). CPU sets are lists as the kernel writes them; unknown is null. */
export interface TopologyDocument {
  readonly system: Record<string, unknown>;
  readonly cpus: readonly {
    id: number;
    node: number | null;
    core: number | null;
    online: boolean;
    isolated: boolean;
  }[];
  readonly nodes: readonly {
    id: number;
    cpus: readonly number[];
    memoryBytes: number;
    distances: readonly number[];
  }[];
  readonly nics: readonly Record<string, unknown>[];
  readonly nvme: readonly Record<string, unknown>[];
  readonly disks: readonly Record<string, unknown>[];
  readonly irqbalance: { readonly running: boolean };
  readonly findings: readonly Omit<Finding, 'id'>[];
  readonly plan: {
    readonly threads: readonly { role: string; cpu: number; node: number | null }[];
    readonly irqs: Plan['irqs'];
    readonly queues: Plan['queues'];
  };
}

function irqDocument(irq: Irq): Record<string, unknown> {
  return {
    irq: irq.irq,
    name: irq.name,
    affinity: irq.affinity === null ? null : formatCpuList(irq.affinity),
    effective: irq.effective === null ? null : formatCpuList(irq.effective),
    managed: irq.managed,
  };
}

function nicDocument(nic: Nic): Record<string, unknown> {
  const { name, pci, node, driver, speedMbps, rxQueues, txQueues } = nic;
  const irqs = nic.irqs.map(irqDocument);
  // Bonds, VLANs and bridges say which ports they come down to; a port has nothing more to say.
  const above = nic.kind === 'port' ? {} : { kind: nic.kind, ports: nic.ports };
  return { name, pci, node, driver, speedMbps, rxQueues, txQueues, irqs, ...above };
}

function nvmeDocument({ name, pci, node, model, irqs }: NvmeController): Record<string, unknown> {
  return { name, pci, node, model, irqs: irqs.map(irqDocument) };
}

function diskDocument({ name, kind, pci, node, irqs }: Disk): Record<string, unknown> {
  return { name, kind, pci, node, irqs: irqs.map(irqDocument) };
}

/** Puts machine, findings and plan into the published shape. */
export function topologyDocument(
  machine: Machine,
  findings: readonly Finding[],
  plan: Plan,
): TopologyDocument {
  const { system } = machine;
  return {
    system: {
      ...system,
      memlockBytes: system.memlockBytes ?? null,
      nohzFull: formatCpuList(system.nohzFull),
      cpuset: system.cpuset === null ? null : formatCpuList(system.cpuset),
      dataPath: machine.dataPath,
    },
    cpus: machine.cpus.map(({ id, node, core, online, isolated }) => ({ id, node, core, online, isolated })),
    nodes: machine.nodes.map(({ id, cpus, memoryBytes, distances }) => ({
      id,
      cpus,
      memoryBytes,
      distances,
    })),
    nics: machine.nics.map(nicDocument),
    nvme: machine.nvme.map(nvmeDocument),
    disks: machine.disks.map(diskDocument),
    irqbalance: { running: machine.irqbalance.running },
    findings: findings.map(({ severity, what, advice, supported, reason }) => ({
      severity,
      what,
      advice,
      supported,
      reason,
    })),
    plan: {
      threads: plan.threads.map(({ role, cpu, node }) => ({ role, cpu, node })),
      irqs: plan.irqs,
      queues: plan.queues,
    },
  };
}
