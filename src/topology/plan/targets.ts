import { TopologyError } from '../errors.js';
import type { Disk, Machine, Nic, NvmeController } from '../machine.js';
import type { PlanRequest } from './types.js';

function listed(nics: readonly Nic[]): string {
  if (nics.length === 0) return 'this machine shows no network card';
  return `there are: ${nics.map((nic) => (nic.pci === null ? nic.name : `${nic.name} (${nic.pci})`)).join(', ')}`;
}

/** Finds an interface by name or PCI address (`0000:3b:00.0`, also `3b:00.0`). Raises NO_SUCH_NIC with the list of those that exist. */
export function findNic(machine: Machine, wanted: string): Nic {
  const text = wanted.toLowerCase();
  const found = machine.nics.find(
    (nic) => nic.name === wanted || (nic.pci !== null && (nic.pci === text || nic.pci === `0000:${text}`)),
  );
  if (found === undefined) {
    throw new TopologyError(
      'NO_SUCH_NIC',
      `no network card ${wanted} on this machine`,
      listed(machine.nics),
      2,
    );
  }
  return found;
}

/** The ports to steer: of the NIC asked for, else of the default route, else the fastest that are up. Bonds and VLANs become their ports. */
export function portsToSteer(machine: Machine, wanted: string | undefined): Nic[] {
  const ports = machine.nics.filter((nic) => nic.kind === 'port');
  const chosen =
    wanted === undefined
      ? machine.nics.find((nic) => nic.defaultRoute && nic.ports.length > 0)
      : findNic(machine, wanted);
  if (chosen !== undefined) return ports.filter((port) => chosen.ports.includes(port.name));
  const up = ports.filter((port) => port.up);
  const fastest = up.sort((a, b) => (b.speedMbps ?? 0) - (a.speedMbps ?? 0))[0];
  return fastest === undefined ? [] : [fastest];
}

/**
 * The controllers and disks behind the data directory. Where the directory is not given, or what is behind it cannot be seen, an NVMe
 * controller of the machine stands in, one beside the NIC first: it is what an operator would put the data on.
 */
export function storageOf(machine: Machine, request: PlanRequest): (NvmeController | Disk)[] {
  const names = new Set(machine.dataPath?.devices ?? []);
  const behind = [...machine.nvme, ...machine.disks].filter((device) => names.has(device.name));
  const inMemory = /^(tmpfs|ramfs)$/.test(machine.dataPath?.fileSystem ?? '');
  const known = request.dataDirGiven !== false ? behind.length > 0 || inMemory : behind.some(isNvme);
  if (known || machine.nvme.length === 0) return behind;
  const nicNode = request.nicNode ?? portsToSteer(machine, request.nic)[0]?.node ?? null;
  const wantedNode = request.nvmeNode ?? nicNode;
  const standIn = machine.nvme.find((device) => device.node === wantedNode) ?? machine.nvme[0];
  return standIn === undefined ? behind : [standIn];
}

/** Whether a storage device is an NVMe controller. */
export function isNvme(device: NvmeController | Disk): device is NvmeController {
  return 'namespaces' in device;
}

/**
 * Checks what lance.toml says about the machine (`network.nic_pci_addr`, `numa.nic_node`, `numa.nvme_node`). Raises NO_SUCH_NIC or
 * NO_SUCH_NODE with the list of those that exist; `serve` refuses on it, `config check` warns.
 */
export function requireTargets(
  machine: Machine,
  asked: { nic?: string | undefined; nicNode?: number | undefined; nvmeNode?: number | undefined },
): void {
  if (asked.nic !== undefined) findNic(machine, asked.nic);
  const nodes = machine.nodes.map((node) => node.id);
  for (const [key, node] of [
    ['numa.nic_node', asked.nicNode],
    ['numa.nvme_node', asked.nvmeNode],
  ] as const) {
    if (node === undefined || nodes.includes(node)) continue;
    throw new TopologyError(
      'NO_SUCH_NODE',
      `${key} is ${node}, which this machine does not have`,
      `there are: ${nodes.join(', ')}`,
      2,
    );
  }
}
