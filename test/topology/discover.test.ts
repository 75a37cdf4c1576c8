import { describe, expect, it } from 'vitest';
import { parseInterrupts, queueOfVector } from '../../src/topology/discover/irqs.js';
import { discover, findingsFor, planFor, readSnapshot } from '../../src/topology/index.js';
import {
  arm,
  container,
  fourNodesBonded,
  machines,
  offlineAndMemoryless,
  smallVirtio,
  twoSockets,
} from './fixtures/machines.js';
import { onDisk, withFiles } from './support.js';

describe('a snapshot', () => {
  it.each(Object.entries(machines))(
    'of %s read from a directory gives the same machine as the one in memory',
    (_, build) => {
      const fromDisk = discover(readSnapshot(onDisk(build())), '/var/lib/lance');
      expect(fromDisk).toEqual(discover(build().tree(), '/var/lib/lance'));
      expect(fromDisk.problems).toEqual([]);
    },
  );

  it('of a directory that is no machine is refused with what is missing', () => {
    expect(() => readSnapshot('/work/does-not-exist')).toThrow(/is no directory/);
    expect(() => readSnapshot(import.meta.dirname)).toThrow(
      /neither sys\/devices\/system\/cpu nor proc\/cpuinfo/,
    );
  });
});

describe('discovery', () => {
  it('finds a virtio NIC and disk with their vectors through the PCI function below them', () => {
    const machine = discover(smallVirtio().tree(), '/var/lib/lance');
    expect(machine.nics).toMatchObject([
      { name: 'eth0', pci: '0000:00:03.0', node: 0, driver: 'virtio_net', rxQueues: 1, defaultRoute: true },
    ]);
    expect(machine.nics[0]?.irqs.map((irq) => irq.name)).toEqual([
      'virtio0-config',
      'virtio0-input.0',
      'virtio0-output.0',
    ]);
    expect(machine.disks).toMatchObject([
      { name: 'vda', kind: 'virtio', pci: '0000:00:04.0', scheduler: 'mq-deadline' },
    ]);
    expect(machine.disks[0]?.irqs.map((irq) => irq.managed)).toEqual([false, true]);
    expect(machine.dataPath?.devices).toEqual(['vda']);
  });

  it('tells nodes, SMT siblings, queues and managed vectors of a two-socket machine', () => {
    const machine = discover(twoSockets().tree(), '/var/lib/lance');
    expect(machine.nodes.map((node) => [node.id, node.cpus.length, node.distances])).toEqual([
      [0, 16, [10, 21]],
      [1, 16, [21, 10]],
    ]);
    expect(machine.cpus.find((cpu) => cpu.id === 24)).toMatchObject({
      node: 1,
      core: 8,
      package: 1,
      siblings: [8, 24],
    });
    const nic = machine.nics.find((found) => found.name === 'ens2f0np0');
    expect(nic).toMatchObject({
      pci: '0000:98:00.0',
      node: 1,
      driver: 'mlx5_core',
      speedMbps: 100_000,
      rxQueues: 16,
      txQueues: 16,
    });
    expect(nic?.irqs.map((irq) => irq.queue?.index ?? null)).toEqual([null, ...Array(16).keys()]);
    expect(machine.nvme).toMatchObject([
      {
        name: 'nvme0',
        pci: '0000:17:00.0',
        node: 0,
        model: 'SAMSUNG MZWLR3T8HBLS-00007',
        namespaces: ['nvme0n1'],
      },
    ]);
    expect(machine.nvme[0]?.irqs.filter((irq) => irq.managed)).toHaveLength(32);
    expect(machine.disks).toEqual([]);
    expect(machine.irqbalance).toEqual({ running: true, pid: 812 });
  });

  it('numbers cores so that equal numbers mean SMT siblings although core_id repeats per package', () => {
    const { cpus } = discover(twoSockets().tree());
    for (const cpu of cpus)
      expect(cpus.filter((other) => other.core === cpu.core).map((other) => other.id)).toEqual(cpu.siblings);
  });

  it('resolves VLAN and bond to their ports and the data directory through LVM, dm-crypt and md to its controllers', () => {
    const machine = discover(fourNodesBonded().tree(), '/var/lib/lance/data');
    const vlan = machine.nics.find((nic) => nic.name === 'bond0.100');
    expect(vlan).toMatchObject({
      kind: 'vlan',
      ports: ['enp65s0f0', 'enp66s0f0'],
      node: null,
      defaultRoute: true,
    });
    expect(machine.dataPath).toMatchObject({ mountPoint: '/var/lib/lance', devices: ['nvme0', 'nvme1'] });
    expect(machine.dataPath?.layers.slice(0, 3)).toEqual([
      'dm-1 (data-lance)',
      'dm-0 (luks-data)',
      'md0 (raid0)',
    ]);
  });

  it('knows offline and isolated CPUs, a memory-less node and a NIC whose node is -1', () => {
    const machine = discover(offlineAndMemoryless().tree());
    expect(machine.cpus.filter((cpu) => !cpu.online).map((cpu) => cpu.id)).toEqual([3, 7]);
    expect(machine.cpus.filter((cpu) => cpu.isolated && cpu.allowed).map((cpu) => cpu.id)).toEqual([4, 5]);
    expect(machine.nodes[1]?.memoryBytes).toBe(0);
    expect(machine.nics[0]?.node).toBeNull();
  });

  it('sees what a container grants: its CPUs, its quota, no NIC, and why it knows', () => {
    const machine = discover(container().tree(), '/data');
    expect(machine.cpus.filter((cpu) => cpu.allowed).map((cpu) => cpu.id)).toEqual([4, 5, 6, 7]);
    expect(machine.system).toMatchObject({
      cpuQuota: 2,
      memoryLimitBytes: 4 * 1024 ** 3,
      memlockBytes: 65_536,
      procWritable: false,
    });
    expect(machine.system.container).toMatch(/kubepods/);
    expect(machine.nics).toEqual([]);
    expect(machine.dataPath?.reason).toMatch(/overlay/);
  });

  it('reads an ARM server: core names, PCI domains, hns3 queues', () => {
    const machine = discover(arm().tree(), '/var/lib/lance');
    expect(machine.system).toMatchObject({
      arch: 'aarch64',
      cpuModel: 'Arm Neoverse N1',
      clockSource: 'arch_sys_counter',
      smt: false,
    });
    expect(machine.nics[0]?.irqs.filter((irq) => irq.queue !== null)).toHaveLength(16);
  });

  it('finds irqbalance by command line too, and no process that only names it', () => {
    const running = (files: Record<string, string>) =>
      discover(withFiles(smallVirtio().tree(), files)).irqbalance;
    expect(running({ 'proc/7/cmdline': '/usr/sbin/irqbalance\0--foreground\0' })).toEqual({
      running: true,
      pid: 7,
    });
    expect(running({ 'proc/7/cmdline': 'vim\0/etc/default/irqbalance\0' })).toEqual({
      running: false,
      pid: null,
    });
  });

  it.each([
    ['nvme0q0', { kind: 'admin', index: 0 }],
    ['nvme12q31', { kind: 'io', index: 31 }],
    ['virtio2-input.3', { kind: 'rx', index: 3 }],
    ['virtio1-req.0', { kind: 'io', index: 0 }],
    ['mlx5_comp7@pci:0000:98:00.0', { kind: 'rxtx', index: 7 }],
    ['ens5-Tx-Rx-2', { kind: 'rxtx', index: 2 }],
    ['i40e-eth0-TxRx-11', { kind: 'rxtx', index: 11 }],
    ['vmxnet3: eth0-rxtx-1', { kind: 'rxtx', index: 1 }],
    ['eth0-rx-4', { kind: 'rx', index: 4 }],
    ['mlx5_async0@pci:0000:98:00.0', null],
    ['virtio0-config', null],
    ['eth0', null],
  ])('reads the queue of vector %s', (name, queue) => {
    expect(queueOfVector(name)).toEqual(queue);
  });

  it('reads /proc/interrupts of x86 and ARM, with names of several words and shared lines', () => {
    const text = [
      '            CPU0       CPU1',
      '   0:         42          0   IO-APIC    2-edge      timer',
      '  16:          1          2   IO-APIC   16-fasteoi   ehci_hcd:usb1, eth7',
      '  13:         10         20     GICv3  27 Level     arch_timer',
      '  24:          7          8   PCI-MSI 524288-edge      vmxnet3: eth0-rxtx-0',
      ' NMI:          0          0   Non-maskable interrupts',
      ' 300:          5',
    ].join('\n');
    expect(Object.fromEntries(parseInterrupts(text))).toEqual({
      0: { name: 'timer', count: 42, perCpu: [42, 0] },
      16: { name: 'ehci_hcd:usb1, eth7', count: 3, perCpu: [1, 2] },
      13: { name: 'arch_timer', count: 30, perCpu: [10, 20] },
      24: { name: 'vmxnet3: eth0-rxtx-0', count: 15, perCpu: [7, 8] },
      300: { name: '', count: 5, perCpu: [5] },
    });
  });
});

describe('bad input', () => {
  it.each([
    ['proc/irq/25/smp_affinity_list', 'zz\n'],
    ['sys/devices/system/node/node0/cpulist', '0-\n'],
    ['sys/devices/system/cpu/isolated', '9-2\n'],
    ['sys/class/net/ens2f0np0/queues/tx-0/xps_cpus', '%%%\n'],
  ])('malformed %s becomes a finding that names the file, never a crash', (path, text) => {
    const machine = discover(withFiles(twoSockets().tree(), { [path]: text }), '/var/lib/lance');
    const findings = findingsFor(machine, planFor(machine));
    if (!path.endsWith('xps_cpus'))
      expect(findings.map((found) => found.what).join('\n')).toContain(`/${path}`);
    expect(planFor(machine).queues.every((queue) => /^[0-9a-f,]+$/.test(queue.from))).toBe(true);
  });

  it('an affinity list that is damaged is read from its mask', () => {
    const tree = withFiles(twoSockets().tree(), {
      'proc/irq/25/smp_affinity_list': '?',
      'proc/irq/25/smp_affinity': '0000000f\n',
    });
    expect(discover(tree).irqs.find((irq) => irq.irq === 25)?.affinity).toEqual([0, 1, 2, 3]);
  });

  it('the (null) that kernels print for an unset nohz_full is an empty set', () => {
    const machine = discover(
      withFiles(smallVirtio().tree(), { 'sys/devices/system/cpu/nohz_full': '  (null)\n' }),
    );
    expect(machine.system.nohzFull).toEqual([]);
    expect(machine.problems).toEqual([]);
  });

  it('numa_node of a node that does not exist counts as unknown', () => {
    const machine = discover(
      withFiles(twoSockets().tree(), { 'sys/bus/pci/devices/0000:98:00.0/numa_node': '7\n' }),
    );
    expect(machine.nics.find((nic) => nic.name === 'ens2f0np0')?.node).toBeNull();
  });

  it('any single file that vanished leaves a machine and a plan', () => {
    const whole = twoSockets().tree();
    for (const [path, fact] of whole.facts) {
      if (
        fact.kind !== 'file' ||
        /cache|msi_irqs|kernel\/irq|cpu\d\d\/|irq\/[3-9]\d|rx-[2-9]|tx-[2-9]/.test(path)
      )
        continue;
      const machine = discover(withFiles(whole, { [path]: undefined }), '/var/lib/lance');
      expect(planFor(machine).threads.length, path).toBeGreaterThanOrEqual(4);
    }
  });

  it('links that turn in a circle lead nowhere and hang nothing', () => {
    const tree = twoSockets()
      .link('sys/class/net/loop0', 'sys/class/net/loop1')
      .link('sys/class/net/loop1', 'sys/class/net/loop0')
      .tree();
    expect(discover(tree).nics.map((nic) => nic.name)).toEqual(['eno1', 'ens2f0np0']);
  });
});
