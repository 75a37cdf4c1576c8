import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCpuList, intersect, parseCpuList } from '../../src/topology/cpuset.js';
import { discover, type Machine, type Plan, planFor } from '../../src/topology/index.js';
import { MachineBuilder } from './fixtures/builder.js';
import { afterApply, withFiles } from './support.js';

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
