import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { errnoOf, TopologyError } from './errors.js';
import { type Fact, FactTree, resolveIn, targetBelow } from './tree.js';
import {
  CGROUP_V1_FACTS,
  CGROUP_V2_FACTS,
  isIrqbalance,
  PCI_FACTS,
  PROCESS_NAMES,
  WANTED,
} from './wanted.js';

/** `0000:3b:00.0`, also with a long domain as behind VMD (`10000:01:00.0`). */
export const PCI_ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i;

/** /proc/interrupts of 1,024 CPUs and 4,000 IRQs is 45 MB; anything beyond this is not one. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** A part of a glob: either a name, or a test of names. */
type Part = { readonly name: string } | { readonly test: RegExp };

function expandBraces(glob: string): string[] {
  const match = /^(.*?)\{([^{}]*)\}(.*)$/.exec(glob);
  if (match === null) return [glob];
  const [, before = '', choices = '', after = ''] = match;
  return choices.split(',').flatMap((choice) => expandBraces(`${before}${choice}${after}`));
}

function partOf(text: string): Part {
  if (!/[*#]/.test(text)) return { name: text };
  const source = text
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('#', '\\d+');
  return { test: new RegExp(`^${source}$`) };
}

/** Reads files below one root; remembers every link, directory and file it meets under its real path. */
class TreeReader {
  readonly facts = new Map<string, Fact>();
  readonly #names = new Map<string, string[]>();
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  /** Reads all that matches the glob; `keep` may refuse a file by its text. Missing and vanished files are passed over. */
  read(glob: string, keep?: (text: string) => boolean): void {
    for (const plain of expandBraces(glob)) {
      const namesOnly = plain.endsWith('/');
      const parts = plain
        .split('/')
        .filter((part) => part !== '')
        .map(partOf);
      this.#walk('', parts, 0, namesOnly, keep);
    }
  }

  /** The real path behind a path below the root, reading links from the disk as they are met. */
  resolve(path: string): string | undefined {
    return resolveIn(path, (at) => {
      const fact = this.#look(at);
      return fact?.kind === 'link' ? fact.target : undefined;
    });
  }

  #walk(
    dir: string,
    parts: readonly Part[],
    at: number,
    namesOnly: boolean,
    keep?: (text: string) => boolean,
  ): void {
    const part = parts[at];
    if (part === undefined) return;
    const candidates = 'name' in part ? [part.name] : this.#list(dir).filter((name) => part.test.test(name));
    for (const name of candidates) {
      const path = dir === '' ? name : `${dir}/${name}`;
      const found = this.#look(path);
      if (found === undefined) continue;
      const real = found.kind === 'link' ? this.resolve(path) : path;
      if (real === undefined) continue;
      const last = at === parts.length - 1;
      if (last && namesOnly) this.#readNames(real);
      else if (last) this.#readFile(real, keep);
      else this.#walk(real, parts, at + 1, namesOnly, keep);
    }
  }

  #readNames(dir: string): void {
    for (const name of this.#list(dir)) {
      const path = `${dir}/${name}`;
      if (!this.facts.has(path)) this.facts.set(path, { kind: 'file', text: '' });
    }
  }

  /** Notes what stands at a real path (its parent already resolved), without reading a file's content. */
  #look(path: string): Fact | undefined {
    const known = this.facts.get(path);
    if (known !== undefined) return known;
    const absolute = join(this.#root, path);
    try {
      const stat = lstatSync(absolute);
      if (stat.isSymbolicLink()) {
        const link: Fact = { kind: 'link', target: targetBelow(this.#root, readlinkSync(absolute)) };
        this.facts.set(path, link);
        return link;
      }
      if (stat.isDirectory()) {
        this.facts.set(path, { kind: 'dir' });
        return { kind: 'dir' };
      }
      // Pipes and devices would block a read; no fact of a machine is one.
      return stat.isFile() ? { kind: 'file', text: '' } : undefined;
    } catch {
      return undefined;
    }
  }

  #readFile(path: string, keep?: (text: string) => boolean): void {
    if (this.facts.has(path)) return;
    const absolute = join(this.#root, path);
    try {
      const stat = lstatSync(absolute);
      if (!stat.isFile() || stat.size > MAX_FILE_BYTES) return;
      const text = readFileSync(absolute, 'latin1');
      if (keep === undefined || keep(text)) this.facts.set(path, { kind: 'file', text });
    } catch (error) {
      const errno = errnoOf(error);
      // Gone between the listing and the reading: the machine has moved on, and so do we.
      if (errno === 'ENOENT' || errno === 'ENODEV' || errno === 'ENXIO' || errno === 'ESRCH') return;
      if (keep === undefined) this.facts.set(path, { kind: 'unreadable', errno });
    }
  }

  #list(dir: string): string[] {
    const known = this.#names.get(dir);
    if (known !== undefined) return known;
    let names: string[] = [];
    try {
      names = readdirSync(join(this.#root, dir));
    } catch {
      // Unreadable or gone: nothing in it can be asked for.
    }
    this.#names.set(dir, names);
    return names;
  }
}

/** PCI devices that a real device path runs through, outermost first: `sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/nvme/nvme0`. */
export function pciAncestors(real: string): string[] {
  const parts = real.split('/');
  const found: string[] = [];
  for (const [at, part] of parts.entries())
    if (PCI_ADDRESS.test(part)) found.push(parts.slice(0, at + 1).join('/'));
  return found;
}

/** Every directory from a control group's own up to the top: `/a/b` gives `/a/b`, `/a`, ``. */
export function cgroupChain(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..' && part !== '.');
  return parts.map((_, at) => `/${parts.slice(0, parts.length - at).join('/')}`).concat('');
}

/** The lines of /proc/self/cgroup: `0::/path` is version 2, others name their version 1 controllers. */
export function parseCgroups(text: string): { controllers: string[]; path: string }[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    return match === null
      ? []
      : [{ controllers: (match[1] ?? '').split(',').filter(Boolean), path: match[2] ?? '/' }];
  });
}

/**
 * Reads a machine's facts from the /sys and /proc below `root`. Files that vanish meanwhile are left out; files that may not be read
 * are noted in the tree. Raises TopologyError NOT_A_MACHINE where `root` holds neither CPUs nor interrupts of a machine.
 */
export function readSnapshot(root: string): FactTree {
  let isDirectory = false;
  try {
    isDirectory = statSync(root).isDirectory();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EACCES')
      throw new TopologyError('DENIED', `${root} may not be read`, 'run as a user who may, or as root');
  }
  const reader = new TreeReader(root);
  if (isDirectory) {
    for (const glob of WANTED) reader.read(glob);
    for (const glob of PROCESS_NAMES) reader.read(glob, isIrqbalance);
    readBlocksOutsideClass(reader);
    readDevicePaths(reader);
    readControlGroups(reader);
  }
  const tree = new FactTree(reader.facts);
  const cpus = tree.list('sys/devices/system/cpu').some((name) => /^(cpu\d+|online|present)$/.test(name));
  if (!cpus && tree.text('proc/cpuinfo') === undefined) {
    throw new TopologyError(
      'NOT_A_MACHINE',
      isDirectory
        ? `${root} holds no machine: neither sys/devices/system/cpu nor proc/cpuinfo`
        : `${root} is no directory`,
      '--root takes a directory with the sys and proc of a machine below it, as scripts/topology-snapshot.ts makes one',
      2,
    );
  }
  return tree;
}

/** A /sys copied without class/block still shows whole disks in /sys/block. */
function readBlocksOutsideClass(reader: TreeReader): void {
  if ([...reader.facts.keys()].some((path) => path.startsWith('sys/class/block/'))) return;
  for (const glob of WANTED) {
    if (glob.startsWith('sys/class/block/')) reader.read(glob.replace('sys/class/block/', 'sys/block/'));
  }
  if ([...reader.facts.keys()].some((path) => path.startsWith('sys/block/'))) {
    reader.facts.set('sys/class/block', { kind: 'link', target: '../block' });
  }
}

/** Virtio and NVMe devices stand on a PCI device that their class directory does not show; it holds their node and vectors. */
function readDevicePaths(reader: TreeReader): void {
  const seen = new Set<string>();
  for (const path of [...reader.facts.keys()]) {
    if (!/^sys\/class\/(net|block|nvme)\/[^/]+$/.test(path)) continue;
    for (const start of [reader.resolve(path), reader.resolve(`${path}/device`)]) {
      for (const device of start === undefined ? [] : pciAncestors(start)) {
        if (seen.has(device)) continue;
        seen.add(device);
        reader.read(`${device}/${PCI_FACTS}`);
      }
    }
  }
}

function readControlGroups(reader: TreeReader): void {
  const path = reader.resolve('proc/self/cgroup');
  const fact = path === undefined ? undefined : reader.facts.get(path);
  const groups = fact?.kind === 'file' ? parseCgroups(fact.text) : [{ controllers: [], path: '/' }];
  for (const group of groups) {
    for (const dir of cgroupChain(group.path)) {
      if (/[*#{}]/.test(dir)) continue; // would read as a glob
      if (group.controllers.length === 0) {
        reader.read(`sys/fs/cgroup${dir}/${CGROUP_V2_FACTS}`);
        reader.read(`sys/fs/cgroup/unified${dir}/${CGROUP_V2_FACTS}`);
      }
      for (const controller of group.controllers) {
        const facts = CGROUP_V1_FACTS[controller];
        if (facts === undefined) continue;
        // A hierarchy's directory is named after one controller, or after all it carries: `cpu,cpuacct`.
        reader.read(`sys/fs/cgroup/${controller}${dir}/${facts}`);
        reader.read(`sys/fs/cgroup/${group.controllers.join(',')}${dir}/${facts}`);
      }
    }
  }
}
