import { describe, expect, it } from 'vitest';
import { intersect } from '../../src/topology/cpuset.js';
import { discover, type Plan, planFor, requireTargets } from '../../src/topology/index.js';
import { MachineBuilder } from './fixtures/builder.js';
import {
  arm,
  container,
  fourNodesBonded,
  offlineAndMemoryless,
  smallVirtio,
  twoSockets,
} from './fixtures/machines.js';

/** An engine with more agents than today's: the rules are for it too. */
const MANY = { most: { network: 8, ingest: 4, io: 4 } };

const at = (plan: Plan, role: string): string[] =>
  plan.threads.filter((thread) => thread.role === role).map((thread) => `${thread.cpu}/${thread.node}`);

describe('the plan', () => {
  it('puts network agents beside the NIC, ingest and I/O beside the NVMe, and keeps Node off them', () => {
    const machine = discover(twoSockets().tree(), '/var/lib/lance');
    const plan = planFor(machine);
    expect(plan.layout).toBe('dedicated');
    expect(at(plan, 'network')).toEqual(['8/1']);
    expect(at(planFor(machine, MANY), 'network')).toEqual(['8/1', '9/1']);
    expect(at(plan, 'ingest')).toEqual(['2/0']);
    expect(at(plan, 'io')).toEqual(['1/0']);
    expect(at(plan, 'control')).toEqual(['0/0']);
  });

  it("moves queue k's IRQ to network agent k's core and every other vector of the NIC off the agents", () => {
    const machine = discover(twoSockets().tree(), '/var/lib/lance');
    const plan = planFor(machine, MANY);
    const nic = plan.irqs.filter((irq) => irq.device === 'ens2f0np0');
    expect(nic.filter((irq) => irq.queue === 0 || irq.queue === 1).map((irq) => irq.to)).toEqual(['8', '9']);
    for (const irq of nic.filter((other) => other.queue === null || other.queue > 1))
      expect(irq.to).toBe('10-15,26-31');
    const xps = plan.queues.filter((queue) => queue.path.includes('/tx-'));
    expect(xps.slice(0, 2).map((queue) => queue.to)).toEqual(['00000100', '00000200']);
    expect(
      plan.queues.filter((queue) => queue.path.includes('/rx-')).every((queue) => /^[0,]+$/.test(queue.to)),
    ).toBe(true);
  });

  it('puts an I/O agent where its own NVMe queue interrupts it, for it cannot move that vector', () => {
    const machine = discover(arm().tree(), '/var/lib/lance');
    const io = planFor(machine).threads.find((thread) => thread.role === 'io');
    const queue = machine.nvme[0]?.hardwareQueues.find((known) => known.cpus.includes(io?.cpu ?? -1));
    const vector = machine.nvme[0]?.irqs.find(
      (irq) => irq.queue?.kind === 'io' && irq.queue.index === (queue?.index ?? -2) + 1,
    );
    expect(vector?.effective).toEqual([io?.cpu]);
  });

  it('gives each port of a bond its own agent beside it and each controller of a RAID its own I/O agent', () => {
    const plan = planFor(discover(fourNodesBonded().tree(), '/var/lib/lance'), MANY);
    expect(
      plan.threads.filter((thread) => thread.role === 'network').map(({ device, node }) => [device, node]),
    ).toEqual([
      ['enp65s0f0', 1],
      ['enp66s0f0', 2],
    ]);
    expect(
      plan.threads.filter((thread) => thread.role === 'io').map(({ device, node }) => [device, node]),
    ).toEqual([
      ['nvme0', 3],
      ['nvme1', 3],
    ]);
  });

  it('puts agents, and nothing else, on isolated CPUs', () => {
    const machine = discover(offlineAndMemoryless().tree(), '/var/lib/lance');
    const plan = planFor(machine);
    expect(intersect(plan.agentCpus, [4, 5])).toEqual([4, 5]);
    expect(plan.housekeeping).toEqual([0, 1, 2]);
  });

  it('shares one thread on two cores, in a container and wherever layout says so', () => {
    for (const build of [smallVirtio, container]) {
      const plan = planFor(discover(build().tree(), '/var/lib/lance'));
      expect(plan.layout).toBe('shared');
      expect(plan.agentCpus).toHaveLength(1);
      expect(plan.threads.find((thread) => thread.role === 'control')?.cpu).not.toBe(plan.agentCpus[0]);
    }
    expect(planFor(discover(twoSockets().tree()), { layout: 'shared' }).agentCpus).toHaveLength(1);
  });

  it('with three cores gives the network one and lets ingest join the I/O agent', () => {
    const machine = new MachineBuilder({
      hostname: 'three',
      kernel: '6.1.0',
      model: 'x',
      online: '0-2',
      memoryMiB: 1024,
    })
      .cores(0, [[0], [1], [2]])
      .nodes([{ cpus: '0-2', memoryMiB: 1024, distances: [10] }]);
    const plan = planFor(discover(machine.tree()));
    expect(at(plan, 'io')).toEqual(at(plan, 'ingest'));
    expect(at(plan, 'network')).not.toEqual(at(plan, 'io'));
  });

  it('spreads RPS over the agents where they are more than queues', () => {
    const machine = new MachineBuilder({
      hostname: 'one-queue',
      kernel: '6.1.0',
      model: 'x',
      online: '0-7',
      memoryMiB: 1024,
    })
      .cores(
        0,
        [0, 1, 2, 3, 4, 5, 6, 7].map((cpu) => [cpu]),
      )
      .nodes([{ cpus: '0-7', memoryMiB: 1024, distances: [10] }])
      .nic({
        name: 'eth0',
        pci: ['0000:00:03.0'],
        node: 0,
        driver: 'e1000e',
        queues: 1,
        vectors: ['eth0'],
        defaultRoute: true,
      });
    const plan = planFor(discover(machine.tree()), { networkAgents: 3 });
    const agents = plan.threads.filter((thread) => thread.role === 'network').map((thread) => thread.cpu);
    expect(plan.irqs.find((irq) => irq.device === 'eth0')?.to).toBe(`${agents[0]}`);
    expect(plan.queues).toEqual([
      {
        path: '/sys/class/net/eth0/queues/rx-0/rps_cpus',
        from: '00',
        to: agents
          .reduce((mask, cpu) => mask + 2 ** cpu, 0)
          .toString(16)
          .padStart(2, '0'),
      },
    ]);
  });

  it('honours nic_node, nvme_node, a NIC by name or PCI address, and refuses what is not there with the list of what is', () => {
    const machine = discover(twoSockets().tree(), '/var/lib/lance');
    expect(at(planFor(machine, { nicNode: 0 }), 'network').every((place) => place.endsWith('/0'))).toBe(true);
    expect(at(planFor(machine, { nvmeNode: 1 }), 'io').every((place) => place.endsWith('/1'))).toBe(true);
    expect(planFor(machine, { nic: '01:00.0' }).nics).toEqual(['eno1']);
    expect(planFor(machine, { nic: '0000:98:00.0' }).nics).toEqual(['ens2f0np0']);
    expect(() => requireTargets(machine, { nicNode: 5 })).toThrow(/numa.nic_node is 5/);
    try {
      planFor(machine, { nic: '0000:3b:00.0' });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'NO_SUCH_NIC',
        exitCode: 2,
        hint: expect.stringContaining('ens2f0np0 (0000:98:00.0)'),
      });
    }
  });

  it('leaves out what the kernel refused to move before', () => {
    const machine = discover(twoSockets().tree(), '/var/lib/lance');
    const irq = planFor(machine).irqs[0]?.irq ?? -1;
    expect(planFor(machine, { immovable: [irq] }).irqs.some((other) => other.irq === irq)).toBe(false);
  });

  it('holds for 2,048 CPUs', () => {
    const cpus = Array.from({ length: 2048 }, (_, cpu) => cpu);
    const machine = new MachineBuilder({
      hostname: 'huge',
      kernel: '6.1.0',
      model: 'x',
      online: '0-2047',
      memoryMiB: 1024,
    })
      .cores(
        0,
        cpus.filter((cpu) => cpu < 1024).map((cpu) => [cpu, cpu + 1024]),
      )
      .nodes([
        { cpus: '0-511,1024-1535', memoryMiB: 512, distances: [10, 20] },
        { cpus: '512-1023,1536-2047', memoryMiB: 512, distances: [20, 10] },
      ])
      .nic({
        name: 'eth0',
        pci: ['0000:98:00.0'],
        node: 1,
        driver: 'ice',
        queues: 64,
        vectors: cpus.slice(0, 64).map((queue) => `ice-eth0-TxRx-${queue}`),
        defaultRoute: true,
      });
    const plan = planFor(discover(machine.tree()), MANY);
    const network = plan.threads.filter((thread) => thread.role === 'network');
    expect(network).toHaveLength(8);
    expect(network.every((thread) => thread.cpu >= 512 && thread.cpu < 1024)).toBe(true);
    expect(plan.queues.find((queue) => queue.path.endsWith('tx-0/xps_cpus'))?.to.split(',')).toHaveLength(64);
  }, 120_000);
});
