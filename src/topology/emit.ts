import { formatCpuList } from './cpuset.js';
import type { Machine } from './machine.js';
import type { Plan } from './plan/types.js';

/** What `--emit` can write. */
export const EMITS = ['irqbalance', 'irqbalance-policy', 'systemd'] as const;
export type Emit = (typeof EMITS)[number];

/** The IRQs that irqbalance must leave alone: all that the plan places. */
export function bannedIrqs(plan: Plan): number[] {
  return plan.irqs.map((irq) => irq.irq).sort((a, b) => a - b);
}

/**
 * An environment file for irqbalance (`/etc/default/irqbalance` on Debian, `/etc/sysconfig/irqbalance` elsewhere): the agents' CPUs and
 * the plan's IRQs are banned. IRQ numbers are those of this boot; the policy script does without them.
 */
export function irqbalanceEnvironment(plan: Plan): string {
  const args = bannedIrqs(plan)
    .map((irq) => `--banirq=${irq}`)
    .join(' ');
  return [
    '# Written by `lance topology --emit irqbalance`. IRQ numbers are those of this boot:',
    '# write it again after a reboot, or use --emit irqbalance-policy, which knows devices.',
    `IRQBALANCE_BANNED_CPULIST="${formatCpuList(plan.agentCpus)}"`,
    `IRQBALANCE_ARGS="${args}"`,
    '',
  ].join('\n');
}

/** A policy script for irqbalance (`--policyscript=FILE`): it is given a device's path in /sys and an IRQ, and bans ours by device. */
export function irqbalancePolicy(machine: Machine, plan: Plan): string {
  const devices = [...machine.nics, ...machine.nvme, ...machine.disks].filter((device) =>
    [...plan.nics, ...plan.storage].includes(device.name),
  );
  const addresses = [...new Set(devices.flatMap((device) => (device.pci === null ? [] : [device.pci])))];
  const patterns = addresses.map((address) => `*/${address} | */${address}/*`);
  return [
    '#!/bin/sh',
    '# Written by `lance topology --emit irqbalance-policy`. irqbalance calls it with a device path and an IRQ number.',
    '# The vectors of these devices belong to LANCE:',
    ...devices.map((device) => `#   ${device.name}${device.pci === null ? '' : ` (${device.pci})`}`),
    ...(patterns.length === 0
      ? []
      : ['case "$1" in', ...patterns.map((pattern) => `${pattern}) echo "ban=true" ;;`), 'esac']),
    'exit 0',
    '',
  ].join('\n');
}

/** Quotes an argument for a unit file's Exec line. */
function unitArgument(text: string): string {
  const escaped = text.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$-]+$/.test(escaped) ? escaped : `"${escaped.replace(/["\\]/g, '\\$&')}"`;
}

/**
 * A systemd unit that steers at boot, before `lance.service`. Vectors of a NIC exist once its link is set up, hence the order after the
 * network; irqbalance would scatter them again, hence the order after it.
 */
export function systemdUnit(program: string, flags: readonly string[]): string {
  const command = (...more: string[]): string => [program, 'topology', ...more].map(unitArgument).join(' ');
  return [
    '# Written by `lance topology --emit systemd`; put it at /etc/systemd/system/lance-topology.service.',
    '[Unit]',
    'Description=Steer interrupts and queues for LANCE',
    'Wants=network-online.target',
    'After=network-online.target irqbalance.service tuned.service',
    'Before=lance.service',
    'RequiresMountsFor=/var/lib/lance',
    '',
    '[Service]',
    'Type=oneshot',
    'RemainAfterExit=yes',
    `ExecStart=${command('--apply', ...flags)}`,
    `ExecStop=${command('--revert')}`,
    '',
    '[Install]',
    // Wanted, not required: a node on a machine that could not be steered is slower, not down.
    'WantedBy=multi-user.target lance.service',
    '',
  ].join('\n');
}
