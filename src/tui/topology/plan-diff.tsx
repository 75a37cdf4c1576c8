import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import { formatCpuList, intersect } from '../../topology/cpuset.js';
import type { Machine } from '../../topology/machine.js';
import type { Plan } from '../../topology/plan/types.js';
import { useArrow, useStyle } from './theme.js';
import { type DiffLine, irqDiff, queueDiff } from './words.js';

function DiffRow({ line }: { line: DiffLine }): ReactElement {
  const style = useStyle();
  const arrow = useArrow();
  return (
    <Box>
      <Box width={16} flexShrink={0} paddingRight={1}>
        <Text>{line.what}</Text>
      </Box>
      <Box width={24} flexShrink={0} paddingRight={1}>
        <Text>{line.of}</Text>
      </Box>
      <Text>
        <Text {...style({ color: 'red' })}>{line.from}</Text>
        {` ${arrow} `}
        <Text {...style({ color: 'green' })}>{line.to}</Text>
      </Text>
    </Box>
  );
}

/** The plan: which thread on which CPU, then every IRQ and queue that changes, before and after. */
export function PlanDiff({ machine, plan }: { machine: Machine; plan: Plan }): ReactElement {
  const style = useStyle();
  const arrow = useArrow();
  const irqs = irqDiff(plan.irqs);
  const queues = queueDiff(plan.queues);
  const allowed = machine.cpus.filter((cpu) => cpu.allowed).map((cpu) => cpu.id);
  const settled = [...plan.irqs, ...plan.queues].filter(({ from, to }) => from === to).length;
  return (
    <Box flexDirection="column">
      <Text {...style({ bold: true })}>
        Plan ({plan.layout === 'shared' ? 'all agents on one thread' : 'a core for each agent'})
      </Text>
      {plan.threads.map((thread) => (
        <Text key={`${thread.role} ${thread.device ?? ''} ${thread.cpu}`}>
          {'  '}
          {thread.role.padEnd(12)}cpu {String(thread.cpu).padEnd(6)}node{' '}
          {String(thread.node ?? '?').padEnd(4)}
          {thread.role === 'control'
            ? `Node and the rest: cpus ${formatCpuList(intersect(plan.housekeeping, allowed))}`
            : (thread.device ?? '')}
        </Text>
      ))}
      {[...irqs, ...queues].length > 0 && (
        <Text {...style({ bold: true })}>Changes (before {arrow} after)</Text>
      )}
      <Box flexDirection="column" paddingLeft={2}>
        {[...irqs, ...queues].map((line) => (
          <DiffRow key={`${line.what} ${line.of} ${line.to}`} line={line} />
        ))}
      </Box>
      <Text {...style({ dimColor: true })}>
        {irqs.length + queues.length === 0 ? 'Nothing to change' : 'Already in place'}: {settled} IRQs and
        queues
      </Text>
    </Box>
  );
}
