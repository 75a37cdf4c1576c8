import type { Cpu, Disk, Irq, Machine, Nic, NvmeController } from '../machine.js';
import { CorePool, usableCores } from './cores.js';
import { isNvme } from './targets.js';
import type { PlannedThread, PlanRequest, Role } from './types.js';

/** The agents that `lance serve` starts today; a plan promises no more. */
const ENGINE_AGENTS = { network: 1, ingest: 1, io: 1 };

export interface Placement {
  readonly layout: 'shared' | 'dedicated';
  readonly threads: PlannedThread[];
}

/** The vector that interrupts when a request submitted on `cpu` completes, by blk-mq's map, or undefined. */
function vectorOf(device: NvmeController | Disk, cpu: number): Irq | undefined {
  const queue = device.hardwareQueues.find((known) => known.cpus.includes(cpu));
  if (queue === undefined) return undefined;
  // NVMe counts its admin queue as 0, blk-mq counts I/O queues only.
  const index = isNvme(device) ? queue.index + 1 : queue.index;
  return device.irqs.find((irq) => irq.queue?.kind === 'io' && irq.queue.index === index);
}

/** How well completions reach an I/O agent on a CPU: 0 its own queue interrupts it, 1 its queue may, 2 another queue does, 3 none. */
export function completionRank(device: NvmeController | Disk, cpu: number): number {
  const own = vectorOf(device, cpu);
  if (own !== undefined && !own.managed) return 0; // it will be moved here
  if (own?.effective?.includes(cpu)) return 0;
  if (own !== undefined && own.effective === null && own.affinity?.includes(cpu)) return 1;
  const reached = device.irqs.some(
    (irq) => irq.queue?.kind === 'io' && (irq.effective ?? irq.affinity ?? []).includes(cpu),
  );
  return reached ? 2 : 3;
}

/** Cores to count on: those that may be used, no more than the quota pays for. */
export function coreBudget(machine: Machine): number {
  const cores = usableCores(machine).length;
  const quota = machine.system.cpuQuota;
  return quota === null ? cores : Math.min(cores, Math.max(1, Math.floor(quota)));
}

function between(low: number, value: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}

/** Chooses a core for every agent, and one for Node and the rest. Threads on the same CPU share one runner. */
export function placeAgents(
  machine: Machine,
  ports: readonly Nic[],
  storage: readonly (NvmeController | Disk)[],
  request: PlanRequest,
): Placement {
  const cores = usableCores(machine);
  const pool = new CorePool(machine, cores);
  const budget = coreBudget(machine);
  const layout =
    request.layout === 'shared' || (request.layout !== 'dedicated' && budget <= 2) || cores.length < 2
      ? 'shared'
      : 'dedicated';
  const numa = request.numa !== false;
  const nicNode = (port: Nic | undefined): number | null =>
    numa ? (request.nicNode ?? port?.node ?? null) : null;
  const diskNode = (device: NvmeController | Disk | undefined): number | null =>
    numa ? (request.nvmeNode ?? device?.node ?? null) : null;
  const firstPort = nicNode(ports[0]);
  // Without a device in sight the agents stay together beside the NIC, and the other way round.
  const netNode = firstPort ?? diskNode(storage[0]);
  const dataNode = diskNode(storage[0]) ?? firstPort;
  const prefer = (device: NvmeController | Disk | undefined) => (cpu: Cpu) =>
    device === undefined ? 0 : completionRank(device, cpu.id);
  const threads: PlannedThread[] = [];
  const put = (role: Role, cpu: Cpu | undefined, device: string | null): void => {
    if (cpu !== undefined) threads.push({ role, cpu: cpu.id, node: cpu.node, device });
  };
  const control = pool.control?.cpus[0];

  if (layout === 'shared') {
    const engine = pool.take(dataNode, prefer(storage[0])) ?? pool.last();
    put('network', engine, ports[0]?.name ?? null);
    put('ingest', engine, null);
    put('io', engine, storage[0]?.name ?? null);
    if (request.replicated) put('replication', engine, null);
    put('control', control, null);
    return { layout, threads };
  }

  const counts = agentCounts(pool, Math.max(1, Math.min(pool.free, budget - 1)), ports, storage, request, {
    netNode,
    dataNode,
    nicNode,
  });
  let latest: Cpu | undefined;
  const take = (node: number | null, like?: (cpu: Cpu) => number): Cpu | undefined => {
    if (new Set(threads.map((thread) => thread.cpu)).size >= counts.cores) return latest;
    latest = pool.take(node, like) ?? latest;
    return latest;
  };
  // I/O first: it is the one that must sit where its queue interrupts; with cores to spare for two only, ingest joins it.
  for (let at = 0; at < counts.io; at += 1)
    put('io', take(diskNode(storage[at]) ?? dataNode, prefer(storage[at])), storage[at]?.name ?? null);
  const lastIo = latest;
  for (let at = 0; at < counts.network; at += 1) {
    const port = ports[at % Math.max(1, ports.length)];
    put('network', take(nicNode(port) ?? netNode), port?.name ?? null);
  }
  if (counts.cores <= counts.io + counts.network) latest = lastIo;
  for (let at = 0; at < counts.ingest; at += 1) put('ingest', take(dataNode), null);
  if (request.replicated) put('replication', take(netNode), null);
  put('control', control, null);
  return { layout, threads: inRoleOrder(threads) };
}

interface Nodes {
  readonly netNode: number | null;
  readonly dataNode: number | null;
  readonly nicNode: (port: Nic | undefined) => number | null;
}

/** How many agents of each kind: a quarter of the NIC node's cores for the network, an eighth of the disk's for ingest, one a device. */
function agentCounts(
  pool: CorePool,
  cores: number,
  ports: readonly Nic[],
  storage: readonly unknown[],
  request: PlanRequest,
  nodes: Nodes,
): { cores: number; network: number; ingest: number; io: number } {
  const perPort = ports.map((port) =>
    between(1, Math.floor(pool.freeOn(nodes.nicNode(port) ?? nodes.netNode) / 4), Math.max(1, port.rxQueues)),
  );
  const queues = Math.max(
    1,
    perPort.reduce((sum, count) => sum + count, 0),
  );
  const most = request.most ?? ENGINE_AGENTS;
  let network = request.networkAgents ?? between(1, queues, most.network);
  let ingest = request.ingestAgents ?? between(1, Math.floor(pool.freeOn(nodes.dataNode) / 8), most.ingest);
  let io = between(1, storage.length, most.io);
  const extra = request.replicated ? 1 : 0;
  const tooMany = (): boolean => network + ingest + io + extra > cores;
  while (tooMany() && network > 1 && request.networkAgents === undefined) network -= 1;
  while (tooMany() && ingest > 1 && request.ingestAgents === undefined) ingest -= 1;
  while (tooMany() && io > 1) io -= 1;
  return { cores, network, ingest, io };
}

function inRoleOrder(threads: readonly PlannedThread[]): PlannedThread[] {
  const order: readonly Role[] = ['network', 'ingest', 'io', 'replication', 'control'];
  return [...threads].sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role));
}
