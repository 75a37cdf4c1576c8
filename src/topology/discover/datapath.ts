import type { DataPath } from '../machine.js';
import type { FactTree } from '../tree.js';
import type { BlockDevices } from './blocks.js';
import { kindOfBlock } from './blocks.js';
import { type Mount, mounts } from './limits.js';

const BLOCK = 'sys/class/block';

/** Nothing real is stacked deeper; a circle of damaged links would be. */
const MAX_DEPTH = 12;

/** The mount a path lies on: the longest mount point above it, the last mounted of equals. */
export function mountOf(all: readonly Mount[], dir: string): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of all) {
    const above = mount.point === '/' || dir === mount.point || dir.startsWith(`${mount.point}/`);
    if (above && (best === undefined || mount.point.length >= best.point.length)) best = mount;
  }
  return best;
}

/** Follows a data directory down to the controllers: mount, partition, LVM, dm-crypt, md, loop, overlay, NVMe namespace. */
export function discoverDataPath(tree: FactTree, dir: string, blocks: BlockDevices): DataPath {
  const none = (reason: string, mount?: Mount): DataPath => ({
    dir,
    mountPoint: mount?.point ?? null,
    fileSystem: mount?.fileSystem ?? null,
    layers: [],
    devices: [],
    reason,
  });
  const all = mounts(tree);
  const mount = mountOf(all, dir);
  if (mount === undefined)
    return none(all.length === 0 ? 'proc/self/mountinfo could not be read' : `no mount holds ${dir}`);
  const walk = new Descent(tree, all, blocks);
  const reason = walk.fromMount(mount, 0);
  if (walk.devices.size === 0)
    return { ...none(reason ?? 'no device found below it', mount), layers: walk.layers };
  return {
    dir,
    mountPoint: mount.point,
    fileSystem: mount.fileSystem,
    layers: walk.layers,
    devices: [...walk.devices],
    reason: null,
  };
}

/** One way down through the layers, collecting names. */
class Descent {
  readonly layers: string[] = [];
  readonly devices = new Set<string>();
  readonly #tree: FactTree;
  readonly #mounts: readonly Mount[];
  readonly #blocks: BlockDevices;
  readonly #byNumber = new Map<string, string>();

  constructor(tree: FactTree, all: readonly Mount[], blocks: BlockDevices) {
    this.#tree = tree;
    this.#mounts = all;
    this.#blocks = blocks;
    for (const name of tree.list(BLOCK)) {
      const number = tree.text(`${BLOCK}/${name}/dev`);
      if (number !== undefined) this.#byNumber.set(number, name);
    }
  }

  /** Goes down from a mount; returns why it cannot, or undefined. */
  fromMount(mount: Mount, depth: number): string | undefined {
    if (depth > MAX_DEPTH) return 'its layers turn in a circle';
    const block = this.#byNumber.get(mount.device) ?? this.#named(mount.source);
    if (block !== undefined) return this.#fromBlock(block, depth + 1);
    if (mount.fileSystem === 'overlay') {
      const upper = mount.superOptions
        .find((option) => option.startsWith('upperdir='))
        ?.slice('upperdir='.length);
      const below =
        upper === undefined
          ? undefined
          : mountOf(
              this.#mounts.filter((other) => other !== mount && other.fileSystem !== 'overlay'),
              upper,
            );
      if (below === undefined || below.point === '/')
        return 'it lies on an overlay whose upper directory is not visible from here';
      this.layers.push('overlay');
      return this.fromMount(below, depth + 1);
    }
    if (mount.fileSystem === 'tmpfs' || mount.fileSystem === 'ramfs')
      return `${mount.fileSystem} is memory, no device`;
    if (mount.fileSystem === 'zfs') return 'zfs does not show its devices in /sys; set numa.nvme_node';
    return `${mount.fileSystem} on ${mount.source} shows no block device here`;
  }

  /** `/dev/sda1`, `/dev/mapper/vg-lv` (by its dm name), for file systems such as btrfs that mount with an anonymous number. */
  #named(source: string): string | undefined {
    if (!source.startsWith('/dev/')) return undefined;
    const name = source.slice(source.lastIndexOf('/') + 1);
    const names = this.#tree.list(BLOCK);
    return (
      names.find((block) => block === name) ??
      names.find((block) => this.#tree.text(`${BLOCK}/${block}/dm/name`) === name)
    );
  }

  #fromBlock(name: string, depth: number): string | undefined {
    if (depth > MAX_DEPTH) return 'its layers turn in a circle';
    const dir = `${BLOCK}/${name}`;
    const given = this.#tree.text(`${dir}/dm/name`) ?? this.#tree.text(`${dir}/md/level`);
    const layer = given === undefined ? name : `${name} (${given})`;
    if (!this.layers.includes(layer)) this.layers.push(layer);
    if (this.#tree.has(`${dir}/partition`)) {
      const parent = (this.#tree.resolve(dir) ?? '').split('/').at(-2);
      if (parent !== undefined && this.#tree.has(`${BLOCK}/${parent}`) && parent !== name)
        return this.#fromBlock(parent, depth + 1);
      // A /sys made of plain directories: the parent is the longest other device that the name begins with.
      const stem = this.#tree
        .list(BLOCK)
        .filter((block) => block !== name && name.startsWith(block))
        .sort((a, b) => b.length - a.length)[0];
      return stem === undefined
        ? `the disk of partition ${name} is not in /sys`
        : this.#fromBlock(stem, depth + 1);
    }
    const slaves = this.#tree.list(`${dir}/slaves`);
    if (slaves.length > 0) {
      const reasons = slaves.map((slave) => this.#fromBlock(slave, depth + 1));
      return reasons.find((reason) => reason !== undefined);
    }
    const file = this.#tree.text(`${dir}/loop/backing_file`);
    const below = file === undefined ? undefined : mountOf(this.#mounts, file);
    if (below !== undefined) return this.fromMount(below, depth + 1);
    const controllers =
      kindOfBlock(name) === 'nvme' ? this.#blocks.nvme.filter((nvme) => nvme.namespaces.includes(name)) : [];
    for (const controller of controllers) this.devices.add(controller.name);
    if (controllers.length === 0 && this.#blocks.disks.some((disk) => disk.name === name))
      this.devices.add(name);
    return controllers.length === 0 && kindOfBlock(name) === 'nvme'
      ? `no controller of ${name} in /sys`
      : undefined;
  }
}
