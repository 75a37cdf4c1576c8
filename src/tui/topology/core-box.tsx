import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import { type CpuSet, formatCpuList } from '../../topology/cpuset.js';
import { useBorder, useStyle } from './theme.js';

/** A physical core with what the plan puts on it and what interrupts it now. */
export interface CoreFacts {
  readonly cpus: CpuSet;
  readonly isolated: boolean;
  /** Roles of the plan's threads here, for instance `network`. */
  readonly roles: readonly string[];
  /** IRQs delivered here now. */
  readonly irqs: readonly number[];
}

/** Outer width of a core's box: four stand side by side in 80 columns, inside machine and node. */
export const CORE_WIDTH = 18;

function irqWords(irqs: readonly number[]): string {
  if (irqs.length === 0) return 'no irq';
  const shown = irqs.slice(0, irqs.length > 3 ? 2 : 3).join(' ');
  return irqs.length > 3 ? `irq ${shown} +${irqs.length - 2}` : `irq ${shown}`;
}

/** Box of one core. */
export function CoreBox({ cpus, isolated, roles, irqs }: CoreFacts): ReactElement {
  const style = useStyle();
  const border = useBorder();
  const agent = roles.some((role) => role !== 'control');
  return (
    <Box
      width={CORE_WIDTH}
      flexDirection="column"
      flexShrink={0}
      {...border('single', agent ? 'green' : 'gray')}
    >
      <Text wrap="truncate">
        cpu {formatCpuList(cpus)}
        {isolated ? ' isol' : ''}
      </Text>
      {roles.length > 0 && (
        <Text wrap="wrap" {...style(agent ? { color: 'green', bold: true } : { color: 'cyan' })}>
          {roles.join(' ')}
        </Text>
      )}
      <Text wrap="truncate" {...style({ dimColor: true })}>
        {irqWords(irqs)}
      </Text>
    </Box>
  );
}
