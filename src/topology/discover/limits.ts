import { type CpuSet, intersect } from '../cpuset.js';
import { cgroupChain, parseCgroups } from '../snapshot.js';
import type { FactTree } from '../tree.js';
import type { Problems } from './problems.js';

/** Directories of this process's control groups for one controller, its own first, version 2 before version 1. */
function groupDirs(tree: FactTree, controller: string): string[] {
  const text = tree.raw('proc/self/cgroup');
  const groups = text === undefined ? [{ controllers: [], path: '/' }] : parseCgroups(text);
  return groups.flatMap((group) => {
    const chain = cgroupChain(group.path);
    if (group.controllers.length === 0)
      return chain.flatMap((dir) => [`sys/fs/cgroup${dir}`, `sys/fs/cgroup/unified${dir}`]);
    if (!group.controllers.includes(controller)) return [];
    const joined = group.controllers.join(',');
    return chain.flatMap((dir) => [`sys/fs/cgroup/${controller}${dir}`, `sys/fs/cgroup/${joined}${dir}`]);
  });
}

/** CPUs that the control group grants; null where no group says. The innermost group that says decides: it is a subset of the others. */
export function cgroupCpus(tree: FactTree, problems: Problems): CpuSet | null {
  for (const dir of groupDirs(tree, 'cpuset')) {
    for (const file of ['cpuset.cpus.effective', 'cpuset.effective_cpus', 'cpuset.cpus']) {
      const cpus = problems.cpuList(tree, `${dir}/${file}`);
      if (cpus !== undefined && cpus.length > 0) return cpus;
    }
  }
  return null;
}

/**
 * CPUs this process can be pinned to: online, in its control group, and in its affinity. CPUs isolated at boot are missing from every
 * process's affinity by default and can be asked for all the same, so they count.
 */
export function allowedCpus(
  tree: FactTree,
  online: CpuSet,
  isolated: ReadonlySet<number>,
  problems: Problems,
): CpuSet {
  const group = cgroupCpus(tree, problems);
  const inGroup = group === null ? online : intersect(online, group);
  const match = /^Cpus_allowed_list:\s*(\S+)\s*$/m.exec(tree.raw('proc/self/status') ?? '');
  if (match === null) return inGroup;
  const affinity = problems.parsedList('/proc/self/status', match[1] ?? '');
  if (affinity === undefined) return inGroup;
  const may = new Set(affinity);
  const both = inGroup.filter((cpu) => may.has(cpu) || isolated.has(cpu));
  return both.length > 0 ? both : inGroup;
}

/** The smallest CPU quota from the process's group up, in CPUs; null where there is none. */
export function cpuQuota(tree: FactTree): number | null {
  let least: number | null = null;
  for (const dir of groupDirs(tree, 'cpu')) {
    const [max, every] = (tree.text(`${dir}/cpu.max`) ?? '').split(/\s+/);
    const quota = /^\d+$/.test(max ?? '') ? Number(max) : tree.int(`${dir}/cpu.cfs_quota_us`);
    const period = /^\d+$/.test(every ?? '') ? Number(every) : tree.int(`${dir}/cpu.cfs_period_us`);
    if (quota === undefined || quota <= 0 || period === undefined || period <= 0) continue;
    least = Math.min(least ?? Number.POSITIVE_INFINITY, quota / period);
  }
  return least;
}

/** The smallest memory limit from the process's group up, in bytes; null where there is none. */
export function memoryLimit(tree: FactTree): number | null {
  let least: number | null = null;
  for (const dir of groupDirs(tree, 'memory')) {
    for (const file of ['memory.max', 'memory.limit_in_bytes']) {
      const text = tree.text(`${dir}/${file}`);
      if (text === undefined || !/^\d{1,20}$/.test(text)) continue;
      // Version 1 says "no limit" with a number near 2^63.
      if (text.length < 19) least = Math.min(least ?? Number.POSITIVE_INFINITY, Number(text));
    }
  }
  return least;
}

/** What gives a container away, or null: its root is an overlay, or its control group carries a runtime's name. */
export function containerSign(tree: FactTree): string | null {
  const runtime = /(docker|kubepods|containerd|crio|libpod|lxc|garden)/.exec(
    tree.raw('proc/self/cgroup') ?? '',
  );
  if (runtime !== null) return `control group of ${runtime[1]}`;
  const root = mounts(tree).find((mount) => mount.point === '/');
  if (root?.fileSystem === 'overlay') return 'root file system is an overlay';
  return null;
}

export interface Mount {
  /** `major:minor`. */
  readonly device: string;
  readonly point: string;
  readonly readOnly: boolean;
  readonly fileSystem: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** Mounts as /proc/self/mountinfo lists them, later ones on top of earlier ones. */
export function mounts(tree: FactTree): Mount[] {
  const unescaped = (text: string): string =>
    text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return (tree.raw('proc/self/mountinfo') ?? '').split('\n').flatMap((line) => {
    const [left = '', right] = line.split(' - ');
    const fields = left.split(' ');
    const [device, , point, options] = fields.slice(2);
    const [fileSystem, source, superOptions] = (right ?? '').split(' ');
    if (device === undefined || point === undefined || fileSystem === undefined || source === undefined)
      return [];
    return [
      {
        device,
        point: unescaped(point),
        readOnly: (options ?? '').split(',').includes('ro'),
        fileSystem,
        source: unescaped(source),
        superOptions: unescaped(superOptions ?? '').split(','),
      },
    ];
  });
}
