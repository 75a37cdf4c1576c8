import { type CpuSet, intersect, without } from './cpuset.js';
import type { Machine } from './machine.js';
import { coreBudget } from './plan/agents.js';
import { nearness } from './plan/cores.js';
import type { Plan } from './plan/types.js';

/** An agent of the engine on its CPU. */
export interface AgentSeat {
  readonly role: 'network' | 'ingest' | 'io';
  readonly cpu: number;
  /** NUMA node its memory comes from: the CPU's or, where that one has none, the nearest that has; absent where it is not known. */
  readonly node?: number;
}

/** What a node is granted of a machine, or why it is not. */
export type Seating =
  | {
      readonly agents: readonly AgentSeat[];
      /** Cores to count on, the agents' included. */
      readonly cores: number;
      /** CPUs for Node, helpers and the kernel's workers: allowed, and off the agents' cores. */
      readonly others: CpuSet;
      readonly reason?: undefined;
    }
  | { readonly agents?: undefined; readonly reason: string };

const AGENTS = ['network', 'ingest', 'io'] as const;

/** Fewer cores, and a pinned thread only takes choices away from the scheduler: measured on two, 6 to 14 % less throughput. */
const FEWEST_CORES = 3;

/** Binding to a node without memory is refused by the kernel; its CPUs work with the nearest node's. */
function memoryNode(machine: Machine, node: number | null): number | undefined {
  const near = nearness(machine, node);
  const own = machine.nodes.find(({ id }) => id === node);
  if (own === undefined || own.memoryBytes > 0) return node ?? undefined;
  const [best] = machine.nodes
    .filter(({ memoryBytes }) => memoryBytes > 0)
    .sort((a, b) => near(a.id) - near(b.id) || a.id - b.id);
  return best?.id;
}

/**
 * Where `lance serve` puts its threads by a plan. Pure. Not on fewer than three cores unless `always`: there, whoever shares the agents' core
 * waits for them. Never on all CPUs that the process may use: Node needs one.
 */
export function seatingFor(machine: Machine, plan: Plan, { always }: { always: boolean }): Seating {
  const cores = coreBudget(machine);
  const seats = AGENTS.flatMap((role): AgentSeat[] => {
    const planned = plan.threads.find((thread) => thread.role === role);
    if (planned === undefined) return [];
    const node = memoryNode(machine, planned.node);
    return [{ role, cpu: planned.cpu, ...(node !== undefined && { node }) }];
  });
  if (seats.length < AGENTS.length) return { reason: 'the plan has no CPU for each agent' };
  if (cores < FEWEST_CORES && !always) {
    return {
      reason: `there ${cores === 1 ? 'is 1 usable core' : `are ${cores} usable cores`}, and pinned threads gain only from ${FEWEST_CORES} on (numa.pin = "always" pins all the same)`,
    };
  }
  const allowed = machine.cpus
    .filter((cpu) => cpu.online && cpu.allowed && !cpu.isolated)
    .map((cpu) => cpu.id);
  const agents = seats.map(({ cpu }) => cpu);
  const choices = [intersect(plan.housekeeping, allowed), without(allowed, agents)];
  const others = choices.find((cpus) => cpus.length > 0);
  if (others === undefined) return { reason: 'no CPU would be left for anything else' };
  return { agents: seats, cores, others };
}
