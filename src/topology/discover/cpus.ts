import { type CpuSet, cpuSet, MAX_CPUS } from '../cpuset.js';
import type { Cache, Cpu, NumaNode } from '../machine.js';
import type { FactTree } from '../tree.js';
import { allowedCpus } from './limits.js';
import type { Problems } from './problems.js';

const CPU_DIR = 'sys/devices/system/cpu';
const NODE_DIR = 'sys/devices/system/node';

function numbered(tree: FactTree, dir: string, prefix: string): number[] {
  return tree.list(dir).flatMap((name) => {
    const id =
      name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length))
        ? Number(name.slice(prefix.length))
        : undefined;
    return id !== undefined && id < MAX_CPUS ? [id] : [];
  });
}

/** CPU numbers that /proc/cpuinfo lists: the last resort where /sys is hidden. */
function cpuinfoCpus(tree: FactTree): CpuSet {
  const text = tree.raw('proc/cpuinfo') ?? '';
  return cpuSet([...text.matchAll(/^processor\s*:\s*(\d{1,5})\s*$/gm)].map((match) => Number(match[1])));
}

/** `MemTotal` of a node's or the machine's meminfo, in bytes. */
export function memTotalBytes(text: string | undefined): number | undefined {
  const match = /MemTotal:\s*(\d{1,12})\s*kB/.exec(text ?? '');
  return match === null ? undefined : Number(match[1]) * 1024;
}

/** The NUMA nodes; a machine whose kernel shows none is one node, number 0, of all its CPUs and memory. */
export function discoverNodes(tree: FactTree, problems: Problems): NumaNode[] {
  const online = problems.cpuList(tree, `${NODE_DIR}/online`);
  const ids = numbered(tree, NODE_DIR, 'node').filter(
    (id) => online === undefined || online.length === 0 || online.includes(id),
  );
  if (ids.length === 0) {
    const cpus = onlineCpus(tree, problems);
    return [{ id: 0, cpus, memoryBytes: memTotalBytes(tree.raw('proc/meminfo')) ?? 0, distances: [10] }];
  }
  return ids.map((id) => {
    const dir = `${NODE_DIR}/node${id}`;
    const cpus = problems.cpuList(tree, `${dir}/cpulist`) ?? problems.cpuMask(tree, `${dir}/cpumap`) ?? [];
    const distances = (tree.text(`${dir}/distance`) ?? '')
      .split(/\s+/)
      .filter((part) => /^\d{1,3}$/.test(part))
      .map(Number);
    return { id, cpus, memoryBytes: memTotalBytes(tree.raw(`${dir}/meminfo`)) ?? 0, distances };
  });
}

function onlineCpus(tree: FactTree, problems: Problems): CpuSet {
  const listed = problems.cpuList(tree, `${CPU_DIR}/online`);
  if (listed !== undefined && listed.length > 0) return listed;
  const dirs = numbered(tree, CPU_DIR, 'cpu').filter((id) => tree.text(`${CPU_DIR}/cpu${id}/online`) !== '0');
  return dirs.length > 0 ? cpuSet(dirs) : cpuinfoCpus(tree);
}

/** Every CPU that is present, online or not, in order of number. */
export function discoverCpus(tree: FactTree, nodes: readonly NumaNode[], problems: Problems): Cpu[] {
  const online = onlineCpus(tree, problems);
  const present = problems.cpuList(tree, `${CPU_DIR}/present`) ?? [];
  const ids = cpuSet([...present, ...numbered(tree, CPU_DIR, 'cpu'), ...online]);
  const isolated = new Set(problems.cpuList(tree, `${CPU_DIR}/isolated`) ?? []);
  const allowed = new Set(allowedCpus(tree, online, isolated, problems));
  const onlineSet = new Set(online);
  const nodeOf = new Map<number, number>();
  for (const node of nodes) for (const cpu of node.cpus) nodeOf.set(cpu, node.id);

  const raw = ids.map((id) => {
    const topology = `${CPU_DIR}/cpu${id}/topology`;
    const siblings = problems.cpuList(tree, `${topology}/core_cpus_list`) ??
      problems.cpuList(tree, `${topology}/thread_siblings_list`) ?? [id];
    return {
      id,
      online: onlineSet.has(id),
      coreId: nonNegative(tree.int(`${topology}/core_id`)),
      package: nonNegative(tree.int(`${topology}/physical_package_id`)),
      // A list that does not name the CPU itself is damage; the CPU stands alone then.
      siblings: siblings.includes(id) ? siblings.filter((cpu) => onlineSet.has(cpu)) : [id],
    };
  });
  const cores = numberCores(raw);
  return raw.map((cpu) => ({
    id: cpu.id,
    node: nodeOf.get(cpu.id) ?? linkedNode(tree, cpu.id),
    core: cores.get(cpu.id) ?? null,
    package: cpu.package ?? null,
    online: cpu.online,
    isolated: isolated.has(cpu.id),
    allowed: allowed.has(cpu.id),
    siblings: cpu.siblings,
    caches: cpu.online ? cachesOf(tree, cpu.id, problems) : [],
    governor: governorOf(tree, cpu.id),
  }));
}

function nonNegative(value: number | undefined): number | undefined {
  return value === undefined || value < 0 ? undefined : value;
}

function linkedNode(tree: FactTree, id: number): number | null {
  const link = tree.list(`${CPU_DIR}/cpu${id}`).find((name) => /^node\d+$/.test(name));
  return link === undefined ? null : Number(link.slice(4));
}

/**
 * One number a physical core. The kernel's `core_id` repeats from package to package on most machines; where it does, cores are
 * counted in the order of their first CPU instead, so that equal numbers always mean SMT siblings.
 */
function numberCores(
  cpus: readonly { id: number; online: boolean; coreId: number | undefined; siblings: CpuSet }[],
): Map<number, number> {
  const group = (cpu: { id: number; siblings: CpuSet }): number => cpu.siblings[0] ?? cpu.id;
  const groupOfCoreId = new Map<number, number>();
  const online = cpus.filter((cpu) => cpu.online);
  const unique = online.every((cpu) => {
    if (cpu.coreId === undefined) return false;
    const first = groupOfCoreId.get(cpu.coreId);
    if (first === undefined) groupOfCoreId.set(cpu.coreId, group(cpu));
    return first === undefined || first === group(cpu);
  });
  const numbers = new Map<number, number>();
  const counted = new Map<number, number>();
  for (const cpu of online) {
    const first = group(cpu);
    if (!counted.has(first)) counted.set(first, counted.size);
    const core = unique ? cpu.coreId : counted.get(first);
    if (core !== undefined) numbers.set(cpu.id, core);
  }
  return numbers;
}

function governorOf(tree: FactTree, id: number): string | null {
  return tree.text(`${CPU_DIR}/cpu${id}/cpufreq/scaling_governor`) ?? null;
}

function cachesOf(tree: FactTree, id: number, problems: Problems): Cache[] {
  const dir = `${CPU_DIR}/cpu${id}/cache`;
  return tree.list(dir).flatMap((name) => {
    const level = tree.int(`${dir}/${name}/level`);
    if (level === undefined) return [];
    const size = /^(\d{1,9})([KMG]?)$/.exec(tree.text(`${dir}/${name}/size`) ?? '');
    const unit = size?.[2] === 'G' ? 1024 * 1024 : size?.[2] === 'M' ? 1024 : 1;
    return [
      {
        level,
        type: tree.text(`${dir}/${name}/type`) ?? 'Unified',
        kib: size === null ? null : Number(size[1]) * unit,
        sharedBy: problems.cpuList(tree, `${dir}/${name}/shared_cpu_list`) ?? [id],
      },
    ];
  });
}
