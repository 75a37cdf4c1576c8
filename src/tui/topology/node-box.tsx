import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import { cpuSet, formatCpuList } from '../../topology/cpuset.js';
import type { Disk, Machine, Nic, NumaNode, NvmeController } from '../../topology/machine.js';
import type { Plan } from '../../topology/plan/types.js';
import { CoreBox, type CoreFacts } from './core-box.js';
import { useBorder, useStyle } from './theme.js';
import { bytes, deviceWords } from './words.js';

/** More cores than this on a node, and only those with a role are drawn. */
const MOST_CORES = 16;

type Device = Nic | NvmeController | Disk;

function coresOf(machine: Machine, plan: Plan, node: NumaNode): CoreFacts[] {
  const cores = new Map<number, number[]>();
  for (const cpu of machine.cpus) {
    if (!cpu.online || cpu.node !== node.id) continue;
    const first = cpu.siblings[0] ?? cpu.id;
    cores.set(first, [...(cores.get(first) ?? []), cpu.id]);
  }
  const delivered = new Map<number, number[]>();
  for (const irq of machine.irqs) {
    if (irq.name === '') continue;
    for (const cpu of irq.effective ?? []) delivered.set(cpu, [...(delivered.get(cpu) ?? []), irq.irq]);
  }
  const isolated = new Set(machine.cpus.filter((cpu) => cpu.isolated).map((cpu) => cpu.id));
  return [...cores.values()].map((cpus) => ({
    cpus: cpuSet(cpus),
    isolated: cpus.every((cpu) => isolated.has(cpu)),
    roles: plan.threads.filter((thread) => cpus.includes(thread.cpu)).map((thread) => thread.role),
    irqs: cpus.flatMap((cpu) => delivered.get(cpu) ?? []).sort((a, b) => a - b),
  }));
}

/** A device as a box in the node it stands on. */
function DeviceBox({ device, chosen }: { device: Device; chosen: boolean }): ReactElement {
  const style = useStyle();
  const border = useBorder();
  const { kind, detail } = deviceWords(device);
  return (
    <Box flexDirection="column" {...border('round', chosen ? 'yellow' : 'gray')}>
      <Text>
        <Text {...style({ bold: true })}>
          {kind} {device.name}
        </Text>
        {chosen ? ' (in the plan)' : ''}
      </Text>
      <Text {...style({ dimColor: true })}>{detail}</Text>
    </Box>
  );
}

export interface NodeBoxProps {
  readonly machine: Machine;
  readonly plan: Plan;
  /** The node to draw; undefined draws the devices that stand on none we know of. */
  readonly node: NumaNode | undefined;
}

/** Box of one NUMA node: its cores, then its devices. Draws nothing for no node and no devices. */
export function NodeBox({ machine, plan, node }: NodeBoxProps): ReactElement | null {
  const style = useStyle();
  const border = useBorder();
  const devices: Device[] = [...machine.nics, ...machine.nvme, ...machine.disks].filter(
    (device) => device.node === (node?.id ?? null),
  );
  if (node === undefined && devices.length === 0) return null;
  const cores = node === undefined ? [] : coresOf(machine, plan, node);
  const drawn = cores.length > MOST_CORES ? cores.filter((core) => core.roles.length > 0) : cores;
  const rest = cores.filter((core) => !drawn.includes(core));
  const distances = machine.nodes.flatMap((other, at) =>
    node === undefined || other.id === node.id ? [] : [`${other.id}: ${node.distances[at] ?? '?'}`],
  );
  const title =
    node === undefined
      ? 'node unknown'
      : `node ${node.id} · ${node.memoryBytes === 0 ? 'no memory' : bytes(node.memoryBytes)} · cpus ${formatCpuList(node.cpus) || 'none'}`;
  const chosen = new Set([...plan.nics, ...plan.storage]);
  return (
    <Box flexDirection="column" {...border('single', 'blue')}>
      <Text {...style({ bold: true })}>
        {title}
        {distances.length > 0 ? ` · distance to ${distances.join(', ')}` : ''}
      </Text>
      <Box flexWrap="wrap">
        {drawn.map((core) => (
          <CoreBox key={core.cpus[0]} {...core} />
        ))}
      </Box>
      {rest.length > 0 && (
        <Text {...style({ dimColor: true })}>
          and {rest.length} cores with no part in the plan: cpus{' '}
          {formatCpuList(cpuSet(rest.flatMap((core) => core.cpus)))}
        </Text>
      )}
      {devices.map((device) => (
        <DeviceBox key={device.name} device={device} chosen={chosen.has(device.name)} />
      ))}
    </Box>
  );
}
