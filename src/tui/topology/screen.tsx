import { Box, renderToString, Text } from 'ink';
import type { ReactElement } from 'react';
import type { Finding } from '../../topology/findings/types.js';
import type { GeneralFacts } from '../../topology/general.js';
import type { Machine } from '../../topology/machine.js';
import type { Plan } from '../../topology/plan/types.js';
import { FindingsList } from './findings-list.js';
import { NodeBox } from './node-box.js';
import { PlanDiff } from './plan-diff.js';
import { ThemeContext, toAscii, useBorder, useFold, useStyle } from './theme.js';
import { bytes, systemLine } from './words.js';

export interface TopologyScreenProps {
  readonly machine: Machine;
  readonly plan: Plan;
  readonly findings: readonly Finding[];
  /** What systeminformation adds about the running machine; undefined for `--root`. */
  readonly general?: GeneralFacts | undefined;
}

function Heading({
  machine,
  general,
}: {
  machine: Machine;
  general: GeneralFacts | undefined;
}): ReactElement {
  const style = useStyle();
  const fold = useFold(0);
  const { system } = machine;
  const name = system.hostname ?? 'this machine';
  const online = machine.cpus.filter((cpu) => cpu.online).length;
  const off = machine.cpus.length - online;
  const size = [
    `${online} CPUs${off > 0 ? ` (${off} more offline)` : ''}`,
    `${machine.nodes.length} node${machine.nodes.length === 1 ? '' : 's'}`,
    system.memoryBytes === null ? 'memory unknown' : bytes(system.memoryBytes),
  ];
  const made = [general?.manufacturer, general?.model, general?.distribution].filter(
    (text) => text !== null && text !== undefined,
  );
  return (
    <Box flexDirection="column">
      <Text>
        <Text {...style({ bold: true })}>{name}</Text>
        {fold([name, system.cpuModel ?? system.arch ?? 'unknown CPU', ...size].join(' · ')).slice(
          name.length,
        )}
      </Text>
      <Text {...style({ dimColor: true })}>
        {fold(
          [
            `kernel ${system.kernel ?? 'unknown'}`,
            ...made,
            ...(system.container === null ? [] : [`container: ${system.container}`]),
          ].join(' · '),
        )}
      </Text>
      <Text {...style({ dimColor: true })}>{fold(systemLine(system))}</Text>
      {machine.dataPath !== null && machine.dataPath.devices.length > 0 && (
        <Text {...style({ dimColor: true })}>
          {fold(
            `data ${machine.dataPath.dir} on ${machine.dataPath.fileSystem}: ${machine.dataPath.layers.join(' > ')}`,
          )}
        </Text>
      )}
    </Box>
  );
}

/** The whole machine as boxes in boxes, as lstopo draws it, then findings, then the plan. */
export function TopologyScreen({ machine, plan, findings, general }: TopologyScreenProps): ReactElement {
  const border = useBorder();
  return (
    <Box flexDirection="column">
      <Heading machine={machine} general={general} />
      <Box flexDirection="column" {...border('round', 'gray')}>
        {[...machine.nodes, undefined].map((node) => (
          <NodeBox key={node?.id ?? 'unknown'} machine={machine} plan={plan} node={node} />
        ))}
      </Box>
      <FindingsList findings={findings} />
      <PlanDiff machine={machine} plan={plan} />
    </Box>
  );
}

/** Draws the screen as text, `columns` wide; without `colour` it holds no escape sequence, without `unicode` nothing but ASCII. */
export function drawTopology(
  props: TopologyScreenProps,
  { columns, colour, unicode = true }: { columns: number; colour: boolean; unicode?: boolean },
): string {
  const text = renderToString(
    <ThemeContext value={{ colour, unicode, columns }}>
      <TopologyScreen {...props} />
    </ThemeContext>,
    { columns },
  );
  return unicode ? text : toAscii(text);
}
