import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCpuList, intersect, parseCpuList } from '../../src/topology/cpuset.js';
import {
  discover,
  findingsFor,
  type Machine,
  type Plan,
  planFor,
  requireTargets,
} from '../../src/topology/index.js';
import { MachineBuilder } from './fixtures/builder.js';
import {
  arm,
  container,
  fourNodesBonded,
  offlineAndMemoryless,
  smallVirtio,
  twoSockets,
} from './fixtures/machines.js';
import { afterApply, withFiles } from './support.js';

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

/** Machines of any shape a kernel could show, through the same files. */
const anyMachine = fc
  .record({
    nodes: fc.integer({ min: 1, max: 4 }),
    cores: fc.integer({ min: 1, max: 5 }),
    smt: fc.boolean(),
    nicNode: fc.integer({ min: -1, max: 3 }),
    nicQueues: fc.integer({ min: 1, max: 12 }),
    nvmeNode: fc.integer({ min: -1, max: 3 }),
    nvmeQueues: fc.integer({ min: 1, max: 24 }),
    hasNic: fc.boolean(),
    hasNvme: fc.boolean(),
    isolate: fc.integer({ min: 0, max: 6 }),
    allow: fc.integer({ min: 1, max: 48 }),
    quota: fc.option(fc.integer({ min: 1, max: 8 })),
  })
  .map((shape) => {
    const cores = shape.nodes * shape.cores;
    const count = shape.smt ? cores * 2 : cores;
    const siblings = Array.from({ length: cores }, (_, core) => (shape.smt ? [core, core + cores] : [core]));
    const online = count === 1 ? '0' : `0-${count - 1}`;
    const machine = new MachineBuilder({
      hostname: 'any',
      kernel: '6.1.0',
      model: 'x',
      online,
      memoryMiB: 4096,
    }).cores(0, siblings);
    machine.nodes(
      Array.from({ length: shape.nodes }, (_, node) => ({
        cpus: siblings
          .slice(node * shape.cores, (node + 1) * shape.cores)
          .flat()
          .sort((a, b) => a - b)
          .join(','),
        memoryMiB: 1024,
        distances: Array.from({ length: shape.nodes }, (_unused, other) => 10 + 10 * Math.abs(node - other)),
      })),
    );
    if (shape.isolate > 0 && shape.isolate < count)
      machine.file('sys/devices/system/cpu/isolated', `${count - shape.isolate}-${count - 1}`);
    machine.limits({ memlock: 'unlimited', allowed: `0-${Math.min(shape.allow, count) - 1}` });
    if (shape.quota !== null)
      machine.file('sys/fs/cgroup/system.slice/lance.service/cpu.max', `${shape.quota * 100_000} 100000`);
    machine.irq('ttyS0').toString();
    if (shape.hasNvme)
      machine
        .nvme({
          name: 'nvme0',
          pci: ['0000:05:00.0'],
          node: Math.min(shape.nvmeNode, shape.nodes - 1),
          model: 'x',
          queues: Math.min(shape.nvmeQueues, count),
          dev: [259, 0],
        })
        .mount('259:1', '/', 'ext4', '/dev/nvme0n1p1');
    if (shape.hasNic) {
      const vectors = [
        'eth0',
        ...Array.from({ length: shape.nicQueues }, (_, queue) => `eth0-TxRx-${queue}`),
      ];
      machine.nic({
        name: 'eth0',
        pci: ['0000:06:00.0'],
        node: Math.min(shape.nicNode, shape.nodes - 1),
        driver: 'igb',
        queues: shape.nicQueues,
        vectors,
        defaultRoute: true,
      });
    }
    return machine.tree();
  });

const onMachines = (check: (machine: Machine, plan: Plan) => void): void => {
  fc.assert(
    fc.property(anyMachine, (tree) => {
      const machine = discover(tree, '/var/lib/lance');
      check(machine, planFor(machine));
    }),
    { numRuns: 60 },
  );
};

describe('on any machine', () => {
  it('every thread has a CPU that is online and may be used', () => {
    onMachines((machine, plan) => {
      for (const role of ['network', 'ingest', 'io', 'control'])
        expect(plan.threads.some((thread) => thread.role === role)).toBe(true);
      for (const thread of plan.threads)
        expect(machine.cpus.find((cpu) => cpu.id === thread.cpu)).toMatchObject({
          online: true,
          allowed: true,
        });
    });
  });

  it('SMT siblings are never both busy once there is a second core', () => {
    onMachines((machine, plan) => {
      const cores = new Set(machine.cpus.filter((cpu) => cpu.allowed).map((cpu) => cpu.core));
      if (cores.size < 2) return;
      const busy = new Set(plan.threads.map((thread) => thread.cpu));
      for (const cpu of busy) {
        const siblings = machine.cpus.find((known) => known.id === cpu)?.siblings ?? [];
        expect(siblings.filter((sibling) => busy.has(sibling))).toEqual([cpu]);
      }
    });
  });

  it('no managed vector is planned to move, and every target is online and not empty', () => {
    onMachines((machine, plan) => {
      for (const planned of plan.irqs) {
        expect(machine.irqs.find((irq) => irq.irq === planned.irq)?.managed).toBe(false);
        const to = parseCpuList(planned.to);
        expect(to.length).toBeGreaterThan(0);
        for (const cpu of to) expect(machine.cpus.find((known) => known.id === cpu)?.online).toBe(true);
      }
    });
  });

  it("an agent's CPU is interrupted by no movable vector but its own queue's once another CPU is there", () => {
    onMachines((machine, plan) => {
      if (machine.cpus.length < 2) return;
      const target = new Map(plan.irqs.map((irq) => [irq.irq, parseCpuList(irq.to)]));
      for (const irq of machine.irqs) {
        if (irq.managed || irq.affinity === null) continue;
        const on = intersect(target.get(irq.irq) ?? irq.affinity, plan.agentCpus);
        if (on.length === 0) continue;
        const agents = plan.threads
          .filter((thread) => thread.role === 'network' && thread.device === irq.device)
          .map((thread) => thread.cpu);
        expect(on).toEqual([agents[irq.queue?.index ?? -1]]);
      }
    });
  });

  it('unplugged CPUs get no thread and no interrupt, whichever they are', () => {
    fc.assert(
      fc.property(anyMachine, fc.array(fc.integer({ min: 1, max: 39 }), { maxLength: 8 }), (tree, picked) => {
        const whole = discover(tree, '/var/lib/lance');
        const gone = picked.filter((cpu) => whole.cpus.some(({ id }) => id === cpu));
        const left = (cpus: readonly number[]) => formatCpuList(cpus.filter((cpu) => !gone.includes(cpu)));
        const files: Record<string, string | undefined> = {
          'sys/devices/system/cpu/online': `${left(whole.cpus.map(({ id }) => id))}\n`,
        };
        for (const { id, cpus } of whole.nodes)
          files[`sys/devices/system/node/node${id}/cpulist`] = `${left(cpus)}\n`;
        for (const cpu of gone) files[`sys/devices/system/cpu/cpu${cpu}/online`] = '0\n';
        for (const { id, siblings } of whole.cpus) {
          const topology = `sys/devices/system/cpu/cpu${id}/topology`;
          for (const name of ['thread_siblings_list', 'core_cpus_list'])
            files[`${topology}/${name}`] = gone.includes(id) ? undefined : `${left(siblings)}\n`;
        }
        const machine = discover(withFiles(tree, files), '/var/lib/lance');
        if (!machine.cpus.some((cpu) => cpu.online && cpu.allowed)) return;
        const plan = planFor(machine);
        const targets = plan.irqs.flatMap(({ to }) => parseCpuList(to));
        for (const cpu of [...plan.threads.map((thread) => thread.cpu), ...targets])
          expect(gone).not.toContain(cpu);
        expect(plan.irqs.every(({ to }) => to !== '')).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('a plan that was applied is planned again with nothing left to change', () => {
    fc.assert(
      fc.property(anyMachine, (tree) => {
        const first = planFor(discover(tree, '/var/lib/lance'));
        const again = planFor(discover(afterApply(tree, first), '/var/lib/lance'));
        expect(again.threads).toEqual(first.threads);
        expect([...again.irqs, ...again.queues].filter(({ from, to }) => from !== to)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('findings', () => {
  const ids = (build: () => MachineBuilder): string[] => {
    const machine = discover(build().tree(), '/var/lib/lance');
    return findingsFor(machine, planFor(machine)).map((found) => found.id);
  };

  it('tell of each machine what is wrong with it', () => {
    expect(ids(twoSockets)).toEqual(
      expect.arrayContaining([
        'nic-disk-apart',
        'irqbalance',
        'governor',
        'shared-cores',
        'numa-balancing',
        'queues-ens2f0np0',
      ]),
    );
    expect(ids(smallVirtio)).toEqual(expect.arrayContaining(['memlock', 'no-nvme', 'few-cores', 'governor']));
    expect(ids(offlineAndMemoryless)).toEqual(
      expect.arrayContaining(['node-unknown', 'no-memory', 'offline', 'isolated', 'clock', 'io-uring']),
    );
    expect(ids(container)).toEqual(
      expect.arrayContaining(['no-nic', 'no-disk', 'quota', 'cpuset', 'no-steering', 'memlock']),
    );
    expect(ids(fourNodesBonded)).toEqual(expect.arrayContaining(['ports-apart', 'nic-disk-apart']));
    expect(ids(arm)).toEqual(['queues-enP3p1s0']);
  });

  it('say why what cannot be done here cannot', () => {
    const machine = discover(container().tree(), '/var/lib/lance');
    for (const found of findingsFor(machine, planFor(machine))) {
      expect(found.supported).toBe(found.reason === null);
      expect(found.what).not.toContain('\n');
      expect(found.advice).not.toBe('');
    }
  });

  it('say that the host takes CPUs away, and of how much that is', () => {
    const at = (stat: string | undefined) => {
      const machine = discover(withFiles(smallVirtio().tree(), { 'proc/stat': stat }));
      return findingsFor(machine, planFor(machine)).find((found) => found.id === 'steal');
    };
    expect(at('cpu  600 0 250 90000 500 10 40 100 0 0\ncpu0 1 2 3\n')).toMatchObject({
      severity: 'warning',
      what: expect.stringContaining('10.0%'),
      supported: false,
    });
    expect(at('cpu  600 0 300 90000 500 10 40 5 0 0\n')).toBeUndefined();
    expect(at('cpu  0 0 0 0 0 0 0 0 0 0\n')).toBeUndefined();
    expect(at('nonsense\n')).toBeUndefined();
    expect(at(undefined)).toBeUndefined();
  });

  it('say what is wrong with huge pages for everybody, and for nobody', () => {
    const at = (enabled: string) => {
      const tree = withFiles(smallVirtio().tree(), { 'sys/kernel/mm/transparent_hugepage/enabled': enabled });
      const machine = discover(tree);
      return findingsFor(machine, planFor(machine)).find((found) => found.id === 'thp')?.what;
    };
    expect(at('[always] madvise never')).toContain('set to always: compaction');
    expect(at('always madvise [never]')).toContain('set to never: the device');
    expect(at('always [madvise] never')).toBeUndefined();
  });

  it('say that free memory goes back to the host only where it does', () => {
    const at = (order: string | undefined) => {
      const file = 'sys/module/page_reporting/parameters/page_reporting_order';
      const machine = discover(withFiles(smallVirtio().tree(), { [file]: order }));
      const found = findingsFor(machine, planFor(machine)).find((finding) => finding.id === 'page-reporting');
      return [machine.system.freePagesReportedFrom, found?.severity, found?.supported];
    };
    expect(at('9\n')).toEqual([512, 'warning', false]);
    expect(at('0\n')).toEqual([1, 'warning', false]);
    // No device asked for it: the kernel's default, as a signed and as an unsigned number; and an order that no page has.
    for (const order of ['-1\n', '4294967295\n', '11\n', 'nonsense\n', undefined]) {
      expect(at(order)).toEqual([null, undefined, undefined]);
    }
  });

  it('say that a missing io_uring is missing and why', () => {
    const tree = withFiles(smallVirtio().tree(), { 'proc/sys/kernel/io_uring_disabled': '2\n' });
    const machine = discover(tree);
    expect(findingsFor(machine, planFor(machine)).find((found) => found.id === 'io-uring')).toMatchObject({
      severity: 'warning',
      what: expect.stringContaining('io_uring_disabled is 2'),
    });
  });
});
