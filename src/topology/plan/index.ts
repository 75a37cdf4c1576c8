import { type CpuSet, cpuSet, without } from '../cpuset.js';
import type { Machine } from '../machine.js';
import { placeAgents } from './agents.js';
import { usableCores } from './cores.js';
import { steerIrqs, steerQueues } from './steering.js';
import { portsToSteer, storageOf } from './targets.js';
import type { Plan, PlanRequest } from './types.js';

/**
 * Plans where agents, interrupts and queues belong. Pure: the same machine and request give the same plan, and a machine the plan was
 * applied to gives it again with nothing left to change. Raises TopologyError NO_SUCH_NIC for a NIC that is not there.
 */
export function planFor(machine: Machine, request: PlanRequest = {}): Plan {
  const ports = portsToSteer(machine, request.nic);
  const storage = storageOf(machine, request);
  const { layout, threads } = placeAgents(machine, ports, storage, request);
  const agentCpus = cpuSet(threads.filter((thread) => thread.role !== 'control').map((thread) => thread.cpu));
  const agentCores = cpuSet(
    usableCores(machine)
      .filter((core) => core.all.some((cpu) => agentCpus.includes(cpu)))
      .flatMap((core) => core.all),
  );
  const housekeeping = housekeepingCpus(machine, agentCpus, agentCores);
  const guarded = cpuSet([...agentCpus, ...without(agentCores, housekeeping)]);
  const steering = {
    machine,
    ports,
    storage,
    threads,
    agentCores: guarded,
    housekeeping,
    immovable: new Set(request.immovable ?? []),
  };
  return {
    layout,
    threads,
    irqs: steerIrqs(steering),
    queues: steerQueues(steering),
    nics: ports.map((port) => port.name),
    storage: storage.map((device) => device.name),
    agentCpus,
    housekeeping,
  };
}

/**
 * CPUs for everything that is no agent: online, not isolated, off the agents' cores. Where the machine is too small for that, first
 * the agents' SMT siblings are let in, then isolated CPUs, and at last the agents' own.
 */
function housekeepingCpus(machine: Machine, agentCpus: CpuSet, agentCores: CpuSet): CpuSet {
  const online = machine.cpus.filter((cpu) => cpu.online);
  const ids = online.map((cpu) => cpu.id);
  const common = online.filter((cpu) => !cpu.isolated).map((cpu) => cpu.id);
  const choices = [without(common, agentCores), without(common, agentCpus), without(ids, agentCpus), ids];
  return choices.find((choice) => choice.length > 0) ?? [];
}
