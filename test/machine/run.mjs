// `npm run test:machine`: boots a machine of two NUMA nodes under QEMU, its NVMe behind node 0 and its multi-queue NIC behind node 1
// (pxb-pcie), and runs guest.mjs in it. Needs root (a network namespace and a tap), apt and no hardware virtualisation. Ends with 0 when
// every check in the guest passed, 1 when one failed, and with LANCE_CI unset also 0, saying so, when something it needs is absent.
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cache, disk, initramfs, kernel, mebibytes, missingPrograms } from './parts.mjs';

const LIMIT_SECONDS = 14 * 60;

const say = (text) => process.stdout.write(`${text}\n`);

/** Ends here, and says why. What cannot be had by installing it is no failure in CI either. */
function notRun(reason) {
  say(`MACHINE TEST: not run, ${reason}`);
  process.exit(process.env.LANCE_CI && reason.startsWith('needs ') ? 1 : 0);
}

const missing = missingPrograms();
if (missing.length > 0) notRun(`needs ${missing.join(', ')}`);
if (process.geteuid?.() !== 0) notRun('only root may make a network namespace');
const tap = spawnSync(
  'unshare',
  ['--net', 'ip', 'tuntap', 'add', 'dev', 'lance0', 'mode', 'tap', 'multi_queue'],
  {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  },
);
if (tap.status !== 0) notRun(`no tap device can be made in a network namespace here: ${tap.stderr.trim()}`);

mkdirSync(cache, { recursive: true });
const linux = kernel();
if (linux === undefined) notRun('needs a Debian kernel: apt has no linux-image-amd64');
const initrd = initramfs(linux);
const root = disk();
say(`kernel ${linux.version}, initramfs ${mebibytes(initrd)} MiB, disk ${mebibytes(root)} MiB`);

const CPUS = 8;
const qemu = [
  'qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -serial stdio',
  // One thread for all processors: with several, QEMU 7.2 now and then ends Node with a segmentation fault, and it is hardly faster.
  '-machine q35 -accel tcg,thread=single -cpu max,la57=off,vendor=GenuineIntel -m 2048',
  // Two sockets of two cores with two threads each; an AMD processor of this family would have none.
  `-smp ${CPUS},sockets=2,cores=2,threads=2`,
  '-object memory-backend-ram,id=m0,size=1024M -object memory-backend-ram,id=m1,size=1024M',
  '-numa node,nodeid=0,cpus=0-3,memdev=m0 -numa node,nodeid=1,cpus=4-7,memdev=m1 -numa dist,src=0,dst=1,val=21',
  '-device pxb-pcie,id=pxb0,bus=pcie.0,bus_nr=64,numa_node=0 -device pcie-root-port,id=rp0,bus=pxb0,chassis=1,slot=1',
  '-device pxb-pcie,id=pxb1,bus=pcie.0,bus_nr=128,numa_node=1 -device pcie-root-port,id=rp1,bus=pxb1,chassis=2,slot=2',
  `-drive if=none,id=d0,file=${root},format=raw,cache=unsafe -device nvme,serial=lance,drive=d0,bus=rp0`,
  '-netdev tap,id=n0,ifname=lance0,queues=4,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=n0,bus=rp1,mq=on,vectors=10,romfile=',
  `-kernel ${linux.image} -initrd ${initrd} -append "console=ttyS0 quiet loglevel=4 panic=-1 tsc=reliable mitigations=off nokaslr"`,
].join(' ');
// A namespace of its own: the machine's network is not touched, and all of it goes with the last process.
const script = [
  'set -e',
  'ip link set lo up',
  'ip tuntap add dev lance0 mode tap multi_queue',
  'ip addr add 10.77.0.1/24 dev lance0',
  'ip link set lance0 up',
  `"${process.execPath}" "${join(import.meta.dirname, 'host.mjs')}" & host=$!`,
  `trap 'kill $host' EXIT`,
  qemu,
].join('\n');

let child;
const stop = () => {
  try {
    process.kill(-child.pid, 'SIGTERM');
  } catch {
    // it has ended
  }
};
const limit = setTimeout(() => {
  say(`MACHINE TEST: not done after ${LIMIT_SECONDS} s`);
  stop();
}, LIMIT_SECONDS * 1000);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);

/** Boots the machine once and returns what it printed. */
async function boot() {
  const log = createWriteStream(join(cache, 'transcript.txt'));
  child = spawn('unshare', ['--net', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  let transcript = '';
  for await (const chunk of child.stdout) {
    transcript += chunk;
    log.write(chunk);
    process.stdout.write(chunk);
  }
  log.end();
  return transcript;
}

const resultOf = (transcript) => /MACHINE TEST: (\d+) passed, (\d+) failed/.exec(transcript);

let transcript = await boot();
if (resultOf(transcript) === null && /Segmentation fault/.test(transcript)) {
  // The test itself, plain Node without the engine, was ended by the emulator. A crash of `lance` fails a check and is not tried again.
  say('The emulator ended the test with a segmentation fault. Once more:');
  disk();
  transcript = await boot();
}
clearTimeout(limit);
const result = resultOf(transcript);
if (result === null) say('MACHINE TEST: the guest gave no result');
process.exitCode = result !== null && Number(result[1]) > 0 && result[2] === '0' ? 0 : 1;
