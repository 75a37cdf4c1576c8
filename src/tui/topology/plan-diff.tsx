import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import { formatCpuList } from '../../topology/cpuset.js';
import type { Plan } from '../../topology/plan/types.js';
import { useStyle } from './theme.js';
import { type DiffLine, irqDiff, queueDiff } from './words.js';

function DiffRow({ line }: { line: DiffLine }): ReactElement {
  const style = useStyle();
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
        {' → '}
        <Text {...style({ color: 'green' })}>{line.to}</Text>
      </Text>
    </Box>
  );
}

/** The plan: which thread on which CPU, then every IRQ and queue that changes, before and after. */
export function PlanDiff({ plan }: { plan: Plan }): ReactElement {
  const style = useStyle();
  const irqs = irqDiff(plan.irqs);
  const queues = queueDiff(plan.queues);
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
            ? `Node and the rest: cpus ${formatCpuList(plan.housekeeping)}`
            : (thread.device ?? '')}
        </Text>
      ))}
      {[...irqs, ...queues].length > 0 && <Text {...style({ bold: true })}>Changes (before → after)</Text>}
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
