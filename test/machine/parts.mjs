// What the test machine is made of: a Debian kernel, an initramfs that loads its drivers, and a disk image with Node and this
// tree's `lance`. Everything lands in .cache/machine and is made again only when what it is made from has changed.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { addonFile } from '../../scripts/setup.mjs';

export const top = resolve(import.meta.dirname, '../..');
export const cache = join(top, '.cache/machine');

/** Drivers of the guest, loaded in this order with what they depend on before them. */
const DRIVERS = [
  'crc32c_generic',
  'crct10dif_generic',
  'crc64_rocksoft_generic',
  'virtio_pci',
  'virtio_net',
  'nvme',
  'ext4',
];

const run = (program, args, options = {}) =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options });

/** Programs the test needs that are absent, each with its Debian package. */
export function missingPrograms() {
  const needed = {
    'qemu-system-x86_64': 'qemu-system-x86',
    busybox: 'busybox-static',
    cpio: 'cpio',
    strace: 'strace',
    mke2fs: 'e2fsprogs',
    ip: 'iproute2',
    'dpkg-deb': 'dpkg',
    unshare: 'util-linux',
  };
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  return Object.entries(needed)
    .filter(([program]) => !path.split(':').some((dir) => existsSync(join(dir, program))))
    .map(([program, pkg]) => `${program} (${pkg})`);
}

/** The newest Debian kernel, downloaded and unpacked. Returns the paths of kernel and modules; undefined where apt has none. */
export function kernel() {
  const dir = join(cache, 'kernel');
  const found = () =>
    existsSync(join(dir, 'boot'))
      ? readdirSync(join(dir, 'boot')).find((name) => name.startsWith('vmlinuz-'))
      : undefined;
  if (found() === undefined) {
    const name = kernelPackage();
    if (name === undefined) return undefined;
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    run('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', name], { cwd: dir });
    const deb = readdirSync(dir).find((file) => file.endsWith('.deb'));
    run('dpkg-deb', ['-x', join(dir, deb), dir]);
    rmSync(join(dir, deb));
  }
  const version = found().slice('vmlinuz-'.length);
  return {
    image: join(dir, 'boot', `vmlinuz-${version}`),
    modules: join(dir, 'lib/modules', version, 'kernel'),
    version,
  };
}

/** The package of the newest kernel; images of containers come without apt's lists, so these are fetched where need be. */
function kernelPackage() {
  const ask = () => {
    try {
      const shown = run('apt-cache', ['depends', 'linux-image-amd64'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      return /Depends: (linux-image-\S+)/.exec(shown)?.[1];
    } catch {
      return undefined;
    }
  };
  const known = ask();
  if (known !== undefined) return known;
  try {
    run('apt-get', ['update', '-qq']);
  } catch {
    return undefined;
  }
  return ask();
}

/** Module files in the order they must be loaded, read from the `depends=` that each carries. */
function moduleFiles(modules) {
  const byName = new Map();
  for (const path of readdirSync(modules, { recursive: true, encoding: 'utf8' })) {
    if (path.endsWith('.ko')) byName.set(basename(path, '.ko').replaceAll('-', '_'), join(modules, path));
  }
  const ordered = new Set();
  const add = (name) => {
    const file = byName.get(name.replaceAll('-', '_'));
    if (file === undefined || ordered.has(file)) return;
    const depends = /\0depends=([^\0]*)\0/.exec(readFileSync(file, 'latin1'))?.[1] ?? '';
    for (const other of depends.split(',').filter(Boolean)) add(other);
    ordered.add(file);
  };
  for (const driver of DRIVERS) add(driver);
  return [...ordered];
}

/** The initramfs: busybox, drivers, and an init that mounts the disk and goes on from there. */
export function initramfs({ modules, version }) {
  const file = join(cache, `initramfs-${version}.cpio`);
  const dir = join(cache, 'initramfs');
  rmSync(dir, { recursive: true, force: true });
  for (const sub of ['bin', 'modules', 'proc', 'sys', 'dev', 'root'])
    mkdirSync(join(dir, sub), { recursive: true });
  copyProgram(realpathSync(which('busybox')), join(dir, 'bin/busybox'), dir);
  const files = moduleFiles(modules);
  for (const module of files) cpSync(module, join(dir, 'modules', basename(module)));
  const init = [
    '#!/bin/busybox sh',
    'PATH=/bin; /bin/busybox --install -s /bin',
    'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev',
    ...files.map((module) => `insmod /modules/${basename(module)}`),
    'n=0; while [ ! -b /dev/nvme0n1 ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done',
    'mount -t ext4 -o rw /dev/nvme0n1 /root || { echo "MACHINE TEST: no disk"; poweroff -f; }',
    'for d in proc sys dev; do mount --move /$d /root/$d; done',
    'exec switch_root /root /sbin/init',
    '',
  ].join('\n');
  writeFileSync(join(dir, 'init'), init, { mode: 0o755 });
  execFileSync('sh', ['-c', `cd "${dir}" && find . | cpio --quiet -o -H newc > "${file}"`]);
  return file;
}

/** The guest's root disk: busybox, Node with its libraries, `lance` with what it needs at run time, the guest's part of the test. */
export function disk() {
  const dir = join(cache, 'root');
  const file = join(cache, 'root.ext4');
  rmSync(dir, { recursive: true, force: true });
  for (const sub of ['bin', 'sbin', 'proc', 'sys', 'dev', 'tmp', 'etc', 'var/lib/lance', 'opt/lance'])
    mkdirSync(join(dir, sub), { recursive: true });
  copyProgram(realpathSync(which('busybox')), join(dir, 'bin/busybox'), dir);
  copyProgram(realpathSync(process.execPath), join(dir, 'bin/node'), dir);
  copyProgram(realpathSync(which('strace')), join(dir, 'bin/strace'), dir);
  const lance = join(dir, 'opt/lance');
  for (const part of ['bin', 'dist', 'package.json', 'oclif.manifest.json'])
    cpSync(join(top, part), join(lance, part), { recursive: true });
  const addon = addonFile();
  if (addon === undefined) throw new Error('the engine is not built: npm run build');
  mkdirSync(join(lance, 'native/addon'), { recursive: true });
  copyProgram(addon, join(lance, 'native/addon', basename(addon)), dir);
  const packages = run('npm', ['ls', '--omit=dev', '--all', '--parseable'], {
    cwd: top,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  for (const path of packages.split('\n').filter((line) => line.includes('node_modules'))) {
    if (existsSync(path))
      cpSync(path, join(lance, relative(top, path)), {
        recursive: true,
        filter: (from) => !/\.(map|md|ts)$/.test(from),
      });
  }
  for (const path of readdirSync(join(lance, 'node_modules'), { recursive: true, encoding: 'utf8' })) {
    if (path.endsWith('.node')) copyLibraries(join(lance, 'node_modules', path), dir);
  }
  for (const file of ['guest.mjs', 'guest-serve.mjs', 'checks.mjs'])
    cpSync(join(import.meta.dirname, file), join(dir, 'opt', file));
  writeFileSync(join(dir, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
  const init = [
    '#!/bin/busybox sh',
    'export PATH=/bin:/sbin HOME=/ NO_COLOR=1 LANG=C.UTF-8; /bin/busybox --install -s /bin',
    'mount -t tmpfs tmp /tmp; mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm; hostname two-nodes; ip link set lo up; ip addr add 10.77.0.2/24 dev eth0; ip link set eth0 up',
    // Through a pipe: no progress bars in the transcript.
    'node /opt/guest.mjs 2>&1 | cat; dmesg | grep -i segfault',
    'sync; poweroff -f',
    '',
  ].join('\n');
  writeFileSync(join(dir, 'sbin/init'), init, { mode: 0o755 });
  rmSync(file, { force: true });
  run('mke2fs', ['-q', '-t', 'ext4', '-O', '^has_journal,^metadata_csum', '-d', dir, file, '768M'], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  return file;
}

function which(program) {
  return run('sh', ['-c', `command -v ${program}`], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  }).trim();
}

/** A program and the shared libraries it loads, each at its own path below `root`. */
function copyProgram(from, to, root) {
  cpSync(from, to);
  copyLibraries(from, root);
}

/** The shared libraries that a program or an addon loads. ldd fails for what is linked statically. */
function copyLibraries(file, root) {
  const { stdout } = spawnSync('ldd', [file], { encoding: 'utf8' });
  for (const line of stdout.split('\n')) {
    const library = /(\/\S+\.so\S*)/.exec(line)?.[1];
    if (library === undefined) continue;
    const target = join(root, library);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(realpathSync(library), target);
  }
}

/** Size of a file in MiB, for the log. */
export function mebibytes(file) {
  return Math.round(statSync(file).size / 1024 / 1024);
}
