import { type CpuSet, cpuSet } from '../cpuset.js';
import type { Cpu, Machine } from '../machine.js';

/** A physical core and those of its CPUs that agents may be pinned to. */
export interface Core {
  readonly cpus: readonly Cpu[];
  /** All online CPUs of the core, also those this process may not use. */
  readonly all: CpuSet;
  readonly node: number | null;
  readonly isolated: boolean;
}

/** The cores this process may use, in order of their first CPU. */
export function usableCores(machine: Machine): Core[] {
  const cores = new Map<number, Cpu[]>();
  for (const cpu of machine.cpus) {
    if (!cpu.online || !cpu.allowed) continue;
    const first = cpu.siblings[0] ?? cpu.id;
    const group = cores.get(first);
    if (group === undefined) cores.set(first, [cpu]);
    else group.push(cpu);
  }
  return [...cores.values()].map((cpus) => ({
    cpus,
    all: cpuSet(cpus.flatMap((cpu) => [cpu.id, ...cpu.siblings])),
    node: cpus[0]?.node ?? null,
    isolated: cpus.every((cpu) => cpu.isolated),
  }));
}

/** Nodes from the nearest to the farthest of `node`; all alike where it is unknown. */
export function nearness(machine: Machine, node: number | null): (other: number | null) => number {
  const from = machine.nodes.find((known) => known.id === node);
  if (from === undefined) return () => 0;
  return (other) => {
    if (other === from.id) return 0;
    const at = machine.nodes.findIndex((known) => known.id === other);
    return from.distances[at] ?? 255;
  };
}

/** Hands out cores, each once. One core, of the lowest CPU that is not isolated, is kept back for Node and the kernel. */
export class CorePool {
  readonly control: Core | undefined;
  readonly #machine: Machine;
  readonly #free: Set<Core>;
  readonly #all: readonly Core[];

  constructor(machine: Machine, cores: readonly Core[]) {
    this.#machine = machine;
    this.#all = cores;
    this.control = cores.find((core) => !core.isolated) ?? cores[0];
    this.#free = new Set(cores.filter((core) => core !== this.control));
  }

  get free(): number {
    return this.#free.size;
  }

  /** Free cores on a node; all free ones where the node is unknown. */
  freeOn(node: number | null): number {
    return node === null ? this.#free.size : [...this.#free].filter((core) => core.node === node).length;
  }

  /**
   * Takes the best free core: nearest to the node, then one of whose CPUs `prefer` likes best (lower is better), then isolated ones,
   * then the lowest. Undefined when none is left.
   */
  take(node: number | null, prefer: (cpu: Cpu) => number = () => 0): Cpu | undefined {
    const near = nearness(this.#machine, node);
    const liking = (core: Core): number => Math.min(...core.cpus.map(prefer));
    const best = [...this.#free].sort(
      (a, b) =>
        near(a.node) - near(b.node) ||
        liking(a) - liking(b) ||
        Number(b.isolated) - Number(a.isolated) ||
        (a.all[0] ?? 0) - (b.all[0] ?? 0),
    )[0];
    if (best === undefined) return undefined;
    this.#free.delete(best);
    const like = liking(best);
    return best.cpus.find((cpu) => prefer(cpu) === like);
  }

  /** Where agents go when there is but one core: its last CPU, away from the first if it has two. */
  last(): Cpu | undefined {
    return this.#all[0]?.cpus.at(-1);
  }
}
