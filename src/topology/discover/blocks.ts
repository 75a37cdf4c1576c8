import { parseCpuList } from '../cpuset.js';
import type { Disk, HardwareQueue, Irq, NumaNode, NvmeController } from '../machine.js';
import type { FactTree } from '../tree.js';
import { irqsOf, standingOf } from './devices.js';

const BLOCK = 'sys/class/block';
const NVME = 'sys/class/nvme';

/** Block devices of a machine, and the way from a namespace to its controllers. */
export interface BlockDevices {
  readonly nvme: NvmeController[];
  readonly disks: Disk[];
}

/** True kind of a block device by its name, the way the kernel names them. */
export function kindOfBlock(name: string): string {
  const kinds: [RegExp, string][] = [
    [/^nvme\d+(c\d+)?n\d+$/, 'nvme'],
    [/^vd[a-z]+$/, 'virtio'],
    [/^sd[a-z]+$/, 'scsi'],
    [/^xvd[a-z]+$/, 'xen'],
    [/^dm-\d+$/, 'dm'],
    [/^md(\d+|_.*)$/, 'md'],
    [/^loop\d+$/, 'loop'],
    [/^zram\d+$/, 'zram'],
    [/^ram\d+$/, 'ram'],
    [/^mmcblk\d+(boot\d+|rpmb)?$/, 'mmc'],
    [/^pmem\d+s?$/, 'pmem'],
    [/^sr\d+$/, 'optical'],
    [/^nbd\d+$/, 'nbd'],
    [/^rbd\d+$/, 'rbd'],
    [/^drbd\d+$/, 'drbd'],
    [/^bcache\d+$/, 'bcache'],
    [/^dasd[a-z]+$/, 'dasd'],
  ];
  return kinds.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
}

function hardwareQueues(tree: FactTree, block: string): HardwareQueue[] {
  return tree.list(`${BLOCK}/${block}/mq`).flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return [
        { index: Number(name), cpus: parseCpuList(tree.raw(`${BLOCK}/${block}/mq/${name}/cpu_list`) ?? '') },
      ];
    } catch {
      return [];
    }
  });
}

/** The scheduler in use: the one in brackets of `none [mq-deadline] kyber`. */
function schedulerOf(tree: FactTree, block: string): string | null {
  const text = tree.text(`${BLOCK}/${block}/queue/scheduler`);
  return text === undefined ? null : (/\[([^\]]+)\]/.exec(text)?.[1] ?? text);
}

/** `nvme0c1n2`, the path through one controller to a namespace of a multipath subsystem, is namespace `nvme0n2`. */
function namespaceName(name: string): string {
  return name.replace(/^(nvme\d+)c\d+(n\d+)$/, '$1$2');
}

/** Controllers by namespace through the subsystem, where native multipath puts the namespace above its controllers. */
function subsystemControllers(tree: FactTree): { path: string; controllers: string[] }[] {
  return tree.list('sys/class/nvme-subsystem').map((name) => {
    const dir = `sys/class/nvme-subsystem/${name}`;
    return {
      path: tree.resolve(dir) ?? dir,
      controllers: tree.list(dir).filter((entry) => /^nvme\d+$/.test(entry)),
    };
  });
}

/** NVMe controllers, and all other block devices that hold anything; partitions and namespaces belong to their device. */
export function discoverBlockDevices(
  tree: FactTree,
  nodes: readonly NumaNode[],
  irqs: readonly Irq[],
): BlockDevices {
  const blocks = tree.list(BLOCK);
  const subsystems = subsystemControllers(tree);
  const nvme = tree.list(NVME).flatMap((name): NvmeController[] => {
    if (!/^nvme\d+$/.test(name)) return [];
    const dir = `${NVME}/${name}`;
    const standing = standingOf(tree, dir, nodes, tree.text(`${dir}/address`));
    const own = tree.list(dir).filter((entry) => /^nvme\d+(c\d+)?n\d+$/.test(entry));
    const through = blocks.filter((block) => {
      if (kindOfBlock(block) !== 'nvme') return false;
      const real = tree.resolve(`${BLOCK}/${block}`) ?? '';
      if (real.includes(`/${name}/`)) return true;
      return (
        subsystems.some((sub) => real.startsWith(`${sub.path}/`) && sub.controllers.includes(name)) ||
        (real === `${BLOCK}/${block}` && block.startsWith(`${name}n`))
      );
    });
    const paths = [...new Set([...own, ...through])];
    return [
      {
        name,
        pci: standing.pci,
        node: standing.node,
        model: tree.text(`${dir}/model`) ?? null,
        transport: tree.text(`${dir}/transport`) ?? (standing.pci === null ? null : 'pcie'),
        namespaces: [...new Set(paths.map(namespaceName))],
        hardwareQueues:
          paths.map((path) => hardwareQueues(tree, path)).find((queues) => queues.length > 0) ?? [],
        irqs: irqsOf(tree, name, standing, irqs),
      },
    ];
  });
  const disks = blocks.flatMap((name): Disk[] => {
    const dir = `${BLOCK}/${name}`;
    const kind = kindOfBlock(name);
    // Empty loop and zram devices are placeholders the kernel makes at boot.
    if (kind === 'nvme' || tree.has(`${dir}/partition`) || tree.int(`${dir}/size`) === 0) return [];
    const standing = standingOf(tree, dir, nodes);
    const physical = standing.device !== undefined || standing.pciPath !== undefined;
    return [
      {
        name,
        kind,
        pci: standing.pci,
        node: physical ? standing.node : null,
        scheduler: schedulerOf(tree, name),
        hardwareQueues: hardwareQueues(tree, name),
        irqs: physical ? irqsOf(tree, name, standing, irqs) : [],
      },
    ];
  });
  return { nvme, disks };
}
