import { parseCpuList } from '../cpuset.js';
import type { Irq, NumaNode } from '../machine.js';
import { PCI_ADDRESS, pciAncestors } from '../snapshot.js';
import type { FactTree } from '../tree.js';

/** Where a class device (`sys/class/net/eth0`) stands: on which PCI function, node, driver, and which virtio device it is. */
export interface Standing {
  /** Real path of the innermost PCI function, or undefined. */
  readonly pciPath: string | undefined;
  readonly pci: string | null;
  readonly node: number | null;
  readonly driver: string | null;
  /** Real path of the class device's `device`, or undefined where it is virtual. */
  readonly device: string | undefined;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The name a link points to (`driver` to `virtio_net`), or null where there is no such link. */
export function linkName(tree: FactTree, dir: string, name: string): string | null {
  const real = tree.resolve(dir);
  const fact = real === undefined ? undefined : tree.facts.get(`${real}/${name}`);
  return fact?.kind === 'link' ? lastName(fact.target) : null;
}

function ueventValue(tree: FactTree, path: string, key: string): string | undefined {
  return new RegExp(`^${key}=(.+)$`, 'm').exec(tree.raw(path) ?? '')?.[1]?.trim();
}

/** Finds what a class device stands on. `address` is a PCI address its class directory gives (NVMe does), if any. */
export function standingOf(
  tree: FactTree,
  classDir: string,
  nodes: readonly NumaNode[],
  address?: string,
): Standing {
  const self = tree.resolve(classDir);
  const device = tree.has(`${classDir}/device`) ? tree.resolve(`${classDir}/device`) : undefined;
  const named = [address, ueventValue(tree, `${classDir}/device/uevent`, 'PCI_SLOT_NAME')].find(
    (name) => name !== undefined && PCI_ADDRESS.test(name),
  );
  const onBus = named === undefined ? undefined : `sys/bus/pci/devices/${named}`;
  const pciPath =
    (device === undefined ? undefined : pciAncestors(device).at(-1)) ??
    (self === undefined ? undefined : pciAncestors(self).at(-1)) ??
    (onBus !== undefined && tree.has(onBus) ? tree.resolve(onBus) : undefined);
  const pci = pciPath === undefined ? (named ?? null) : lastName(pciPath);
  const places = [pciPath, `${classDir}/device`, classDir].filter((place) => place !== undefined);
  return {
    pciPath,
    pci: pci?.toLowerCase() ?? null,
    node: nodeOf(tree, places, nodes),
    driver:
      linkName(tree, `${classDir}/device`, 'driver') ??
      ueventValue(tree, `${classDir}/device/uevent`, 'DRIVER') ??
      (pciPath === undefined ? null : linkName(tree, pciPath, 'driver')),
    device,
  };
}

/**
 * The node of a device. The kernel says -1 where the firmware does not tell: then the CPUs it calls local decide, and on a machine of
 * one node there is only one answer. A node that does not exist counts as unknown.
 */
function nodeOf(tree: FactTree, places: readonly string[], nodes: readonly NumaNode[]): number | null {
  for (const place of places) {
    const node = tree.int(`${place}/numa_node`);
    if (node !== undefined && nodes.some((known) => known.id === node)) return node;
  }
  const only = nodes.length === 1 ? nodes[0] : undefined;
  if (only !== undefined) return only.id;
  for (const place of places) {
    const local = localCpus(tree, place);
    const holding = nodes.filter((node) => node.cpus.some((cpu) => local.includes(cpu)));
    if (holding.length === 1) return holding[0]?.id ?? null;
  }
  return null;
}

function localCpus(tree: FactTree, place: string): readonly number[] {
  try {
    return parseCpuList(tree.raw(`${place}/local_cpulist`) ?? '');
  } catch {
    return [];
  }
}

/**
 * The IRQs of a class device: the MSI vectors of its PCI function, else its INTx line, else those whose names say that they are
 * its own (virtio-mmio, platform devices, a /sys without PCI).
 */
export function irqsOf(tree: FactTree, name: string, standing: Standing, irqs: readonly Irq[]): Irq[] {
  const places = [standing.pciPath, standing.device].filter((place) => place !== undefined);
  const vectors = new Set(
    places
      .flatMap((place) => tree.list(`${place}/msi_irqs`))
      .filter((irq) => /^\d+$/.test(irq))
      .map(Number),
  );
  const byVector = irqs.filter((irq) => vectors.has(irq.irq) && irq.name !== '');
  if (byVector.length > 0) return byVector;
  const byName = irqs.filter((irq) =>
    irq.name.split(/,\s*/).some((action) => isOwnName(action, name, standing)),
  );
  if (byName.length > 0) return byName;
  const lines = places
    .map((place) => tree.int(`${place}/irq`))
    .filter((line) => line !== undefined && line > 0);
  return irqs.filter((irq) => lines.includes(irq.irq) && irq.name !== '');
}

function isOwnName(action: string, name: string, standing: Standing): boolean {
  const device = standing.device === undefined ? undefined : lastName(standing.device);
  const own = [name, device, standing.pci ?? undefined].filter((text) => text !== undefined && text !== '');
  return own.some((text) => {
    const at = action.indexOf(text as string);
    if (at < 0) return false;
    const before = action.charAt(at - 1);
    const after = action.slice(at + (text as string).length);
    // nvme0q3 belongs to nvme0; eth1-rx-0 does not belong to eth10, nor virtio1-config to virtio10.
    return !/[\w]/.test(before) && (/^($|[^\w])/.test(after) || /^q\d+$/.test(after));
  });
}
