import { formatCpuList, intersect } from '../cpuset.js';
import { coreBudget } from '../plan/agents.js';
import { usableCores } from '../plan/cores.js';
import { isNvme, portsToSteer, storageOf } from '../plan/targets.js';
import { type Finding, finding, type Subject, unsupported } from './types.js';

/** Devices against nodes: where NIC and disk stand, and what is not known of it. */
export function deviceFindings({ machine, request }: Subject): Finding[] {
  const found: Finding[] = [];
  const ports = portsToSteer(machine, request.nic);
  const storage = storageOf(machine, request);
  const nicNode = request.nicNode ?? ports[0]?.node ?? null;
  const diskNode = request.nvmeNode ?? storage[0]?.node ?? null;
  if (ports.length === 0) {
    const reason =
      machine.system.container === null
        ? 'no interface stands on a device in /sys/class/net'
        : `this is a container (${machine.system.container})`;
    found.push(
      unsupported(
        'no-nic',
        'info',
        'no network card is visible',
        'run `lance topology` on the host to steer its interrupts; agents are placed without it',
        reason,
      ),
    );
  }
  const nodesOfPorts = new Set(ports.map((port) => port.node));
  if (nodesOfPorts.size > 1) {
    const where = ports.map((port) => `${port.name} on node ${port.node ?? '?'}`).join(', ');
    found.push(
      finding(
        'ports-apart',
        'info',
        `the ports of the bond are on different nodes: ${where}`,
        'each gets its own network agents beside it; one node would be better',
      ),
    );
  }
  if (nicNode !== null && diskNode !== null && nicNode !== diskNode) {
    found.push(
      finding(
        'nic-disk-apart',
        'warning',
        `${ports[0]?.name ?? 'the NIC'} is on node ${nicNode}, ${storage[0]?.name ?? 'the disk'} on node ${diskNode}: every batch crosses between them`,
        'move a card to a slot of the other node, or take a NIC or disk of the same node; the plan keeps each agent beside its device',
      ),
    );
  }
  const unknown = [...ports, ...storage].filter((device) => device.node === null);
  if (machine.nodes.length > 1 && unknown.length > 0) {
    found.push(
      finding(
        'node-unknown',
        'warning',
        `the firmware does not tell the node of ${unknown.map((device) => device.name).join(', ')} (numa_node is -1)`,
        'set numa.nic_node or numa.nvme_node in lance.toml',
      ),
    );
  }
  const path = machine.dataPath;
  const assumed = storage.filter((device) => !(path?.devices ?? []).includes(device.name));
  if (assumed.length > 0) {
    found.push(
      finding(
        'disk-assumed',
        'info',
        `the plan takes ${assumed.map((device) => device.name).join(', ')} for the device of the data directory`,
        'name the directory with --data-dir or node.data_dir if it lies elsewhere',
      ),
    );
  } else if (path !== null && path.devices.length === 0) {
    found.push(
      unsupported(
        'no-disk',
        'info',
        `no device is known behind ${path.dir}`,
        'name a directory on NVMe with --data-dir, or set numa.nvme_node',
        path.reason ?? 'none found',
      ),
    );
  } else if (storage.length > 0 && !storage.some(isNvme)) {
    const kinds = storage
      .map((device) => `${device.name} (${isNvme(device) ? 'nvme' : device.kind})`)
      .join(', ');
    found.push(
      unsupported(
        'no-nvme',
        'info',
        `the data directory is not on NVMe but on ${kinds}`,
        'expect its latency, not that of NVMe; see `lance bench floor`',
        'there is no NVMe controller behind it',
      ),
    );
  }
  return found;
}

/** CPUs: too few, shared, isolated, off, without memory, under a quota. */
export function cpuFindings({ machine, plan }: Subject): Finding[] {
  const found: Finding[] = [];
  const cores = usableCores(machine);
  const online = machine.cpus.filter((cpu) => cpu.online);
  if (plan.layout === 'shared') {
    found.push(
      finding(
        'few-cores',
        'info',
        `${coreBudget(machine)} usable core${coreBudget(machine) === 1 ? '' : 's'}: all agents share one thread`,
        'from 4 cores on each agent has its own',
      ),
    );
  }
  const busy = cores.filter((core) => intersect(core.all, plan.agentCpus).length > 0);
  const control = plan.threads.find((thread) => thread.role === 'control');
  if (
    busy.some(
      (core) =>
        intersect(core.all, plan.agentCpus).length > 1 ||
        (control !== undefined && core.all.includes(control.cpu)),
    )
  ) {
    found.push(
      finding(
        'siblings-busy',
        'warning',
        'agents share a physical core with other work: there is no second core',
        'give the machine another core',
      ),
    );
  }
  const isolated = online.filter((cpu) => cpu.isolated).map((cpu) => cpu.id);
  if (isolated.length > 0) {
    const used = intersect(isolated, plan.agentCpus);
    found.push(
      finding(
        'isolated',
        'info',
        `CPUs ${formatCpuList(isolated)} are isolated; ${used.length > 0 ? `agents use ${formatCpuList(used)}` : 'no agent uses them'}, nothing else is put there`,
        used.length > 0 ? 'nothing to do' : 'isolate CPUs of the node of the NIC or the disk',
      ),
    );
  }
  const off = machine.cpus.filter((cpu) => !cpu.online).map((cpu) => cpu.id);
  if (off.length > 0)
    found.push(
      finding(
        'offline',
        'info',
        `CPUs ${formatCpuList(off)} are offline and left out`,
        'bring them up with /sys/devices/system/cpu/cpuN/online, then plan again',
      ),
    );
  const forbidden = online.filter((cpu) => !cpu.allowed).length;
  if (forbidden > 0) {
    const allowed = online.filter((cpu) => cpu.allowed).map((cpu) => cpu.id);
    found.push(
      finding(
        'cpuset',
        'info',
        `this process may use CPUs ${formatCpuList(allowed)} of ${online.length}`,
        "widen its control group's cpuset or its affinity for more agents",
      ),
    );
  }
  const quota = machine.system.cpuQuota;
  if (quota !== null) {
    found.push(
      finding(
        'quota',
        'warning',
        `a CPU quota of ${quota} throttles agents that spin`,
        'take the quota away (cpu.max) and give whole CPUs with a cpuset instead',
      ),
    );
  }
  const bare = machine.nodes.filter((node) => node.memoryBytes === 0);
  const onBare = plan.threads.filter((thread) => bare.some((node) => node.id === thread.node));
  if (onBare.length > 0) {
    found.push(
      finding(
        'no-memory',
        'warning',
        `node ${bare.map((node) => node.id).join(', ')} has CPUs but no memory; agents there use memory of another node`,
        'fit memory to it, or move the card',
      ),
    );
  }
  return found;
}

/** Interrupts: who else interrupts the agents, who would undo the plan, what the kernel does not let us move. */
export function irqFindings({ machine, plan }: Subject): Finding[] {
  const found: Finding[] = [];
  const own = new Set([...plan.nics, ...plan.storage]);
  const moving = plan.irqs.filter((irq) => irq.from !== irq.to);
  const foreign = moving.filter((irq) => !own.has(irq.device));
  const steerable = machine.irqs.some((irq) => irq.affinity !== null);
  if (!steerable || machine.system.procWritable === false) {
    found.push(
      unsupported(
        'no-steering',
        'info',
        'interrupts cannot be steered from here',
        'run `lance topology --apply` on the host',
        steerable ? '/proc/irq is mounted read-only' : '/proc/irq shows no affinities',
      ),
    );
  }
  if (foreign.length > 0) {
    const devices = [...new Set(foreign.map((irq) => irq.device))];
    const named = devices.slice(0, 4).join(', ') + (devices.length > 4 ? `, ${devices.length - 4} more` : '');
    found.push(
      finding(
        'shared-cores',
        'warning',
        `${foreign.length} IRQs of other devices may interrupt the agents' cores (${named})`,
        '`lance topology --apply` moves them away',
      ),
    );
  }
  const stuck = machine.irqs.filter(
    (irq) =>
      irq.managed &&
      !own.has(irq.device ?? '') &&
      intersect(irq.effective ?? irq.affinity ?? [], plan.agentCpus).length > 0,
  );
  if (stuck.length > 0) {
    const devices = [...new Set(stuck.map((irq) => irq.device ?? irq.name))].slice(0, 4).join(', ');
    found.push(
      unsupported(
        'managed',
        'info',
        `${stuck.length} managed vectors of ${devices} interrupt agents' cores when those cores use the device`,
        'isolcpus=managed_irq,... keeps them off isolated CPUs',
        'the kernel owns the affinity of managed vectors',
      ),
    );
  }
  if (machine.irqbalance.running) {
    const pid = machine.irqbalance.pid === null ? '' : ` (pid ${machine.irqbalance.pid})`;
    found.push(
      finding(
        'irqbalance',
        'warning',
        `irqbalance${pid} runs and will undo the plan`,
        'give it the ban list of `lance topology --emit irqbalance`, or stop it',
      ),
    );
  }
  const lagging = machine.irqs.filter(
    (irq) =>
      irq.affinity !== null &&
      irq.effective !== null &&
      intersect(irq.effective, irq.affinity).length < irq.effective.length,
  );
  if (lagging.length > 0) {
    const named =
      lagging
        .slice(0, 6)
        .map((irq) => irq.irq)
        .join(', ') + (lagging.length > 6 ? `, ${lagging.length - 6} more` : '');
    found.push(
      finding(
        'lagging',
        'info',
        `IRQ ${named}: delivered elsewhere than requested until the next interrupt`,
        'nothing to do: it follows with the next traffic on that queue',
      ),
    );
  }
  for (const name of plan.nics) {
    const nic = machine.nics.find((port) => port.name === name);
    const agents = plan.threads.filter(
      (thread) => thread.role === 'network' && thread.device === name,
    ).length;
    if (nic === undefined || agents === 0 || nic.rxQueues === agents) continue;
    if (nic.rxQueues > agents) {
      found.push(
        finding(
          `queues-${name}`,
          'info',
          `${name} has ${nic.rxQueues} receive queues for ${agents} network agent${agents === 1 ? '' : 's'}; the spare ones are kept off the agents' cores`,
          `\`ethtool -L ${name} combined ${agents}\` gives each agent exactly one`,
        ),
      );
    } else {
      found.push(
        finding(
          `queues-${name}`,
          'info',
          `${name} has ${nic.rxQueues} receive queue${nic.rxQueues === 1 ? '' : 's'} for ${agents} network agents; RPS spreads the work`,
          `\`ethtool -L ${name} combined ${agents}\`, if the card can`,
        ),
      );
    }
  }
  return found;
}
