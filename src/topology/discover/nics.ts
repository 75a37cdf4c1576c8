import type { Irq, Nic, NumaNode, QueueMask } from '../machine.js';
import { byNaturalOrder, type FactTree } from '../tree.js';
import { irqsOf, linkName, standingOf } from './devices.js';

const NET = 'sys/class/net';

type Kind = Nic['kind'];

/** What an interface is; null for what carries no traffic of its own hardware (loopback, veth, tun, ifb). */
function kindOf(tree: FactTree, name: string, vlans: ReadonlyMap<string, string>): Kind | null {
  const type = /^DEVTYPE=(\S+)$/m.exec(tree.raw(`${NET}/${name}/uevent`) ?? '')?.[1];
  if (tree.has(`${NET}/${name}/bonding`) || type === 'bond') return 'bond';
  if (vlans.has(name) || type === 'vlan') return 'vlan';
  if (tree.has(`${NET}/${name}/bridge`) || tree.has(`${NET}/${name}/brif`) || type === 'bridge')
    return 'bridge';
  return tree.has(`${NET}/${name}/device`) ? 'port' : null;
}

/** VLAN interfaces and the interface below each, from /proc/net/vlan/config: `eth0.100  | 100  | eth0`. */
function vlanParents(tree: FactTree): Map<string, string> {
  const rows = (tree.raw('proc/net/vlan/config') ?? '')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return new Map(
    rows.flatMap(([name, id, parent]) =>
      name && parent && /^\d+$/.test(id ?? '') ? [[name, parent] as const] : [],
    ),
  );
}

function lowerNames(tree: FactTree, name: string, vlans: ReadonlyMap<string, string>): string[] {
  const linked = tree
    .list(`${NET}/${name}`)
    .filter((entry) => entry.startsWith('lower_'))
    .map((entry) => entry.slice(6));
  const slaves = (tree.text(`${NET}/${name}/bonding/slaves`) ?? '').split(/\s+/).filter(Boolean);
  const parent = vlans.get(name);
  return [
    ...new Set([
      ...linked,
      ...slaves,
      ...tree.list(`${NET}/${name}/brif`),
      ...(parent === undefined ? [] : [parent]),
    ]),
  ];
}

/** Physical ports below an interface, through any layers, in natural order. */
function portsBelow(
  tree: FactTree,
  name: string,
  vlans: ReadonlyMap<string, string>,
  seen: Set<string> = new Set(),
): string[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const kind = kindOf(tree, name, vlans);
  if (kind === 'port') return [name];
  return lowerNames(tree, name, vlans)
    .flatMap((lower) => portsBelow(tree, lower, vlans, seen))
    .sort(byNaturalOrder);
}

/** The interface of the default route with the smallest metric, from /proc/net/route. */
function defaultRouteInterface(tree: FactTree): string | undefined {
  const routes = (tree.raw('proc/net/route') ?? '')
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [name, destination, , flags, , , metric, mask] = line.trim().split(/\s+/);
      const up = (Number.parseInt(flags ?? '0', 16) & 1) === 1;
      return name !== undefined && destination === '00000000' && mask === '00000000' && up
        ? [{ name, metric: Number(metric) }]
        : [];
    });
  return routes.sort((a, b) => a.metric - b.metric)[0]?.name;
}

function queueMasks(tree: FactTree, name: string): QueueMask[] {
  return tree.list(`${NET}/${name}/queues`).flatMap((queue): QueueMask[] => {
    const match = /^(rx|tx)-(\d+)$/.exec(queue);
    if (match === null) return [];
    const kind = match[1] === 'rx' ? 'rps' : 'xps';
    const path = `${NET}/${name}/queues/${queue}/${kind}_cpus`;
    const text = tree.raw(path);
    // An unreadable XPS mask is how the kernel says that a single queue has none.
    return text === undefined ? [] : [{ path: `/${path}`, kind, queue: Number(match[2]), text: text.trim() }];
  });
}

function countQueues(tree: FactTree, name: string, prefix: 'rx-' | 'tx-'): number {
  return tree.list(`${NET}/${name}/queues`).filter((queue) => queue.startsWith(prefix)).length;
}

/** Ports, bonds, VLANs and bridges over ports, in natural order of their names. */
export function discoverNics(tree: FactTree, nodes: readonly NumaNode[], irqs: readonly Irq[]): Nic[] {
  const vlans = vlanParents(tree);
  const route = defaultRouteInterface(tree);
  const found = tree.list(NET).flatMap((name): Nic[] => {
    const kind = kindOf(tree, name, vlans);
    if (kind === null) return [];
    const dir = `${NET}/${name}`;
    const ports = portsBelow(tree, name, vlans);
    if (kind === 'bridge' && ports.length === 0) return [];
    const standing = standingOf(tree, dir, nodes);
    const speed = tree.int(`${dir}/speed`);
    const state = tree.text(`${dir}/operstate`) ?? 'unknown';
    return [
      {
        name,
        kind,
        pci: kind === 'port' ? standing.pci : null,
        node: kind === 'port' ? standing.node : null,
        driver:
          kind === 'port' ? standing.driver : { bond: 'bonding', vlan: '8021q', bridge: 'bridge' }[kind],
        speedMbps: speed === undefined || speed <= 0 ? null : speed,
        up: state === 'up' || state === 'unknown',
        rxQueues: countQueues(tree, name, 'rx-'),
        txQueues: countQueues(tree, name, 'tx-'),
        irqs: kind === 'port' ? numberQueues(name, irqsOf(tree, name, standing, irqs)) : [],
        masks: queueMasks(tree, name),
        ports,
        defaultRoute: name === route,
      },
    ];
  });
  return shareFunctions(found).map((nic) =>
    nic.kind === 'port' ? nic : { ...nic, node: commonNode(nic, found) },
  );
}

/** Drivers that name vectors `eth0-1`, or ask for a single one, do not say "queue": then the number, or the only vector, is it. */
function numberQueues(name: string, irqs: readonly Irq[]): Irq[] {
  if (irqs.some((irq) => irq.queue !== null)) return [...irqs];
  const only = irqs.length === 1;
  return irqs.map((irq) => {
    const index = irq.name.startsWith(`${name}-`) ? irq.name.slice(name.length + 1) : '';
    const queue = only ? 0 : /^\d{1,5}$/.test(index) ? Number(index) : undefined;
    return queue === undefined ? irq : { ...irq, queue: { kind: 'rxtx', index: queue } };
  });
}

function commonNode(nic: Nic, all: readonly Nic[]): number | null {
  const below = new Set(nic.ports.map((port) => all.find((other) => other.name === port)?.node ?? null));
  return below.size === 1 ? ([...below][0] ?? null) : null;
}

/** Two ports of one PCI function share its vectors: each keeps those that name no other port. */
function shareFunctions(nics: readonly Nic[]): Nic[] {
  return nics.map((nic) => {
    const others = nics.filter((other) => other !== nic && other.pci !== null && other.pci === nic.pci);
    if (others.length === 0) return nic;
    const named = (irq: Irq, name: string): boolean =>
      new RegExp(`(^|\\W)${name.replace(/\W/g, '\\$&')}(\\W|$)`).test(irq.name);
    return {
      ...nic,
      irqs: nic.irqs.filter((irq) => named(irq, nic.name) || !others.some((other) => named(irq, other.name))),
    };
  });
}

/** The interface above (bond or bridge) that a port is enslaved to, or null. */
export function masterOf(tree: FactTree, name: string): string | null {
  return linkName(tree, `${NET}/${name}`, 'master');
}
