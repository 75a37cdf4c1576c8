import { access, constants, readdir, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { LanceConfig } from './schema.js';

/** Something that the configuration names and this machine lacks: a warning for `config check`, a refusal for `serve`. */
export interface MachineFinding {
  key: string;
  message: string;
  hint: string | undefined;
}

/** Compares a valid configuration with this machine. `root` is where /sys is looked for (`/` unless told). */
export async function checkMachine(config: LanceConfig, root = '/'): Promise<MachineFinding[]> {
  const found = await Promise.all([
    checkPci(config, root),
    checkNumaNode('numa.nic_node', config.numa.nicNode, root),
    checkNumaNode('numa.nvme_node', config.numa.nvmeNode, root),
    checkDataDir(config),
  ]);
  return [
    ...found.flat(),
    ...checkBind('network.bind', config.network.bind.host),
    ...checkBind('admin.bind', config.admin.bind.host),
  ];
}

async function checkPci({ network, numa }: LanceConfig, root: string): Promise<MachineFinding[]> {
  const wanted = network.nicPciAddr?.toLowerCase();
  if (wanted === undefined) return [];
  const devices = await names(join(root, 'sys/bus/pci/devices'));
  const cards = await Promise.all(
    (await names(join(root, 'sys/class/net'))).map(async (name) => {
      const address = devices.length > 0 ? await pciOf(root, name) : undefined;
      return address ? [`${address} (${name})`] : [];
    }),
  );
  const own = cards.flat();
  if (own.some((card) => card.startsWith(`${wanted} `))) return [];
  // What it is matters only to a node that is to be placed beside it.
  if (!numa.enabled && devices.includes(wanted)) return [];
  const there = own.join(', ');
  return [
    {
      key: 'network.nic_pci_addr',
      message: devices.includes(wanted)
        ? `The PCI device ${wanted} of this machine is no network card.`
        : `This machine has no PCI device ${wanted}.`,
      hint: there ? `Its network cards are ${there}.` : 'It has no network card on PCI; leave the key out.',
    },
  ];
}

async function pciOf(root: string, nic: string): Promise<string | undefined> {
  const { realpath } = await import('node:fs/promises');
  const path = await realpath(join(root, 'sys/class/net', nic, 'device')).catch(() => '');
  return path.split('/').findLast((part) => /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(part));
}

async function checkNumaNode(key: string, node: number | undefined, root: string): Promise<MachineFinding[]> {
  if (node === undefined) return [];
  const nodes = (await names(join(root, 'sys/devices/system/node'))).filter((name) => /^node\d+$/.test(name));
  // A kernel without NUMA shows no node at all: the machine is one node, 0.
  const ids = nodes.length > 0 ? nodes.map((name) => Number(name.slice(4))).sort((a, b) => a - b) : [0];
  if (ids.includes(node)) return [];
  return [{ key, message: `This machine has no NUMA node ${node}.`, hint: `It has ${ids.join(', ')}.` }];
}

/** The data directory, or the nearest directory above that is there, must be a directory that can be written. */
async function checkDataDir({ node }: LanceConfig): Promise<MachineFinding[]> {
  const key = 'node.data_dir';
  for (let path = resolve(node.dataDir); ; path = dirname(path)) {
    const found = await stat(path).catch(() => undefined);
    if (!found) {
      if (path === dirname(path)) return [];
      continue;
    }
    if (!found.isDirectory()) {
      return [
        {
          key,
          message: `${path} is no directory.`,
          hint: 'Name a directory, or a path where one can be made.',
        },
      ];
    }
    const writable = await access(path, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    );
    return writable
      ? []
      : [
          {
            key,
            message: `${path} cannot be written by this user.`,
            hint: 'Change its owner or run as one.',
          },
        ];
  }
}

function checkBind(key: string, host: string): MachineFinding[] {
  const any = ['0.0.0.0', '::'];
  if (isIP(host) === 0 || any.includes(host) || host.startsWith('127.')) return [];
  const own = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address),
  );
  if (own.includes(host)) return [];
  return [
    {
      key,
      message: `No interface of this machine has the address ${host}.`,
      hint: `It has ${own.join(', ')}; 0.0.0.0 stands for all of them.`,
    },
  ];
}

async function names(path: string): Promise<string[]> {
  return readdir(path).catch(() => []);
}
