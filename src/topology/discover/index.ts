import type { Machine } from '../machine.js';
import type { FactTree } from '../tree.js';
import { discoverBlockDevices } from './blocks.js';
import { discoverCpus, discoverNodes } from './cpus.js';
import { discoverDataPath } from './datapath.js';
import { discoverIrqs } from './irqs.js';
import { discoverNics } from './nics.js';
import { Problems } from './problems.js';
import { discoverIrqbalance, discoverSystem } from './system.js';

/**
 * Builds the machine model from what was read: a pure function. Anything missing or malformed becomes a problem in the model, never
 * an exception. `dataDir` is an absolute path on that machine, its links already resolved as far as the caller can.
 */
export function discover(tree: FactTree, dataDir?: string): Machine {
  const problems = new Problems();
  for (const { path, errno } of tree.unreadable()) {
    // The kernel answers EINVAL to the speed of a NIC that is down and ENOENT to XPS of a single queue: that is normal.
    if (errno === 'EINVAL' || errno === 'ENOENT' || errno === 'EOPNOTSUPP') continue;
    problems.add(`/${path}`, `could not be read: ${errno}`);
  }
  const nodes = discoverNodes(tree, problems);
  const cpus = discoverCpus(tree, nodes, problems);
  const irqs = discoverIrqs(tree, problems);
  const nics = discoverNics(tree, nodes, irqs);
  const blocks = discoverBlockDevices(tree, nodes, irqs);
  const dataPath = dataDir === undefined ? null : discoverDataPath(tree, dataDir, blocks);
  const owner = new Map<number, string>();
  for (const device of [...nics, ...blocks.nvme, ...blocks.disks])
    for (const irq of device.irqs) owner.set(irq.irq, device.name);
  return {
    system: discoverSystem(tree, cpus, problems),
    cpus,
    nodes,
    nics,
    nvme: blocks.nvme,
    disks: blocks.disks,
    irqs: irqs.map((irq) => ({ ...irq, device: owner.get(irq.irq) ?? null })),
    irqbalance: discoverIrqbalance(tree),
    dataPath,
    problems: problems.all(),
  };
}
