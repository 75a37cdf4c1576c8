// Runs inside the test machine as its only program: `lance topology` and `lance serve` on a real kernel. Prints a line a check and one for all.
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, lance as command, counts, lanceProcess, part, say, text } from './checks.mjs';
import { testServe } from './guest-serve.mjs';

const lance = (...args) => command('topology', '--data-dir', '/var/lib/lance', ...args);
const irqFile = (irq, name = 'smp_affinity_list') => `/proc/irq/${irq}/${name}`;

/** Every steering file of the machine, byte for byte. */
function steering() {
  const files = {};
  for (const irq of readdirSync('/proc/irq')) {
    if (!/^\d+$/.test(irq)) continue;
    for (const name of ['smp_affinity', 'smp_affinity_list'])
      files[irqFile(irq, name)] = text(irqFile(irq, name));
  }
  const queues = '/sys/class/net/eth0/queues';
  for (const queue of readdirSync(queues)) {
    const path = join(queues, queue, queue.startsWith('rx') ? 'rps_cpus' : 'xps_cpus');
    files[path] = text(path);
  }
  return files;
}

/** What a write to an IRQ's affinity ends with: the same value back, so that nothing moves. */
function writable(irq) {
  try {
    writeFileSync(irqFile(irq), text(irqFile(irq)));
    return true;
  } catch (error) {
    return error.code;
  }
}

/** Datagrams to the host and back, sent from one CPU: its XPS queue takes them, and the host answers on the same queue. */
async function trafficFrom(cpu) {
  spawnSync('taskset', ['-p', '-c', String(cpu), String(process.pid)]);
  for (let port = 40_000; port < 40_008; port += 1) {
    const socket = createSocket('udp4');
    await new Promise((done) => {
      const timer = setTimeout(done, 2_000);
      socket.on('message', () => {
        clearTimeout(timer);
        done();
      });
      socket.bind(port, () => socket.send('lance', 7, '10.77.0.1'));
    });
    socket.close();
  }
  spawnSync('taskset', ['-p', 'ff', String(process.pid)]);
}

async function main() {
  part('lance topology');
  const shownText = lanceProcess('topology', '--data-dir', '/var/lib/lance');
  say(shownText.stdout);
  check('the command shows the machine and ends with 0', shownText.code, 0);
  const shown = (await lance('--json')).json;
  const nic = shown.nics[0];
  const nvme = shown.nvme[0];
  check(
    'two nodes with their CPUs and distances are found',
    shown.nodes.map((node) => [node.id, node.cpus, node.distances]),
    [
      [0, [0, 1, 2, 3], [10, 21]],
      [1, [4, 5, 6, 7], [21, 10]],
    ],
  );
  check(
    'SMT siblings share a core',
    shown.cpus.map((cpu) => cpu.core === shown.cpus[cpu.id ^ 1].core),
    Array(8).fill(true),
  );
  check(
    'the NIC is found behind node 1 with its queues',
    [nic.name, nic.node, nic.driver, nic.rxQueues, nic.txQueues],
    ['eth0', 1, 'virtio_net', 4, 4],
  );
  check(
    'the NVMe is found behind node 0',
    [nvme.name, nvme.node, /^0000:4[0-9a-f]:/.test(nvme.pci)],
    ['nvme0', 0, true],
  );
  check('the NVMe is found behind the data directory', shown.system.dataPath.devices, ['nvme0']);
  const devices = [...nic.irqs, ...nvme.irqs];
  check(
    'each vector that is called managed is refused by the kernel, and no other',
    devices.map((irq) => [irq.name, irq.managed ? 'EIO' : true]),
    devices.map((irq) => [irq.name, writable(irq.irq)]),
  );

  const { threads, irqs, queues } = shown.plan;
  const network = threads.find((thread) => thread.role === 'network');
  const io = threads.find((thread) => thread.role === 'io');
  check(
    'the network agent is planned beside the NIC, the I/O agent beside the NVMe',
    [network.node, io.node],
    [1, 0],
  );
  const ioVector = nvme.irqs.filter((irq) => irq.managed).find((irq) => irq.effective === String(io.cpu));
  check("the I/O agent's CPU is interrupted by an NVMe queue", ioVector !== undefined, true);

  part('apply, check, revert');
  const before = steering();
  check('--check finds a machine that was not steered adrift', (await lance('--check')).code, 3);
  const dry = await lance('--apply', '--dry-run');
  check('--dry-run writes nothing', [dry.code, steering()], [0, before]);
  const applied = await lance('--apply', '--json');
  check('--apply ends with 0', applied.code, 0);
  say(`       ${applied.json?.applied.changed.length} files changed`);
  for (const { irq, device, to } of irqs)
    check(`IRQ ${irq} of ${device} is requested on ${to}`, text(irqFile(irq)).trim(), to);
  for (const { path, to } of queues) check(`${path} holds ${to}`, text(path).trim(), to);

  await trafficFrom(network.cpu);
  const rx = nic.irqs.find((irq) => irq.name.endsWith('input.0'));
  check(
    `after traffic IRQ ${rx.irq} (${rx.name}) is delivered to the network agent's CPU`,
    text(irqFile(rx.irq, 'effective_affinity_list')).trim(),
    String(network.cpu),
  );
  writeFileSync('/sys/class/nvme/nvme0/rescan_controller', '1');
  const admin = nvme.irqs.find((irq) => irq.name === 'nvme0q0');
  const adminPlan = irqs.find((irq) => irq.irq === admin.irq);
  const onAgents = threads.filter((thread) => thread.role !== 'control').map((thread) => String(thread.cpu));
  check(
    `after a command IRQ ${admin.irq} (nvme0q0, planned on ${adminPlan?.to}) is delivered off the agents' CPUs`,
    onAgents.includes(text(irqFile(admin.irq, 'effective_affinity_list')).trim()),
    false,
  );

  check('--check ends with 0 after --apply', (await lance('--check')).code, 0);
  const again = await lance('--apply', '--json');
  check('a second --apply changes nothing', again.json?.applied.changed, []);
  writeFileSync(irqFile(rx.irq), '0');
  const drifted = await lance('--check', '--json');
  check(
    '--check ends with 3 after a change by hand and names it',
    [drifted.code, drifted.json?.drift],
    [3, [{ path: irqFile(rx.irq), expected: String(network.cpu), actual: '0' }]],
  );
  check('--revert ends with 0', (await lance('--revert')).code, 0);
  check('--revert has put back every byte', steering(), before);

  part('an unplugged CPU');
  check('--apply ends with 0 again', (await lance('--apply')).code, 0);
  writeFileSync(`/sys/devices/system/cpu/cpu${network.cpu}/online`, '0');
  check("--check ends with 3 when the network agent's CPU was unplugged", (await lance('--check')).code, 3);
  const replanned = await lance('--apply', '--json');
  const moved = replanned.json?.plan.threads.find((thread) => thread.role === 'network');
  check('--apply then plans without it', [replanned.code, moved.cpu === network.cpu], [0, false]);
  check('--check ends with 0 on the new plan', (await lance('--check')).code, 0);
  writeFileSync(`/sys/devices/system/cpu/cpu${network.cpu}/online`, '1');
  check('--revert ends with 0 when the CPU is back', (await lance('--revert')).code, 0);
  check('--revert has put back every byte again', steering(), before);

  await testServe(nic.pci);
  check('after serve, --revert has put back every byte', steering(), before);
}

try {
  await main();
} catch (error) {
  counts.failed += 1;
  say(`NOT OK the test itself: ${error.stack}`);
}
say(`MACHINE TEST: ${counts.passed} passed, ${counts.failed} failed`);
