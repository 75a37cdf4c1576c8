import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import type { Finding } from '../../topology/findings/types.js';
import { type Style, useStyle } from './theme.js';

const MARKS: Readonly<Record<Finding['severity'], { mark: string; style: Style }>> = {
  critical: { mark: '!!', style: { color: 'red', bold: true } },
  warning: { mark: '! ', style: { color: 'yellow' } },
  info: { mark: 'i ', style: { dimColor: true } },
};

/** Findings with what to do about each, and why where nothing can be done here. */
export function FindingsList({ findings }: { findings: readonly Finding[] }): ReactElement {
  const style = useStyle();
  return (
    <Box flexDirection="column">
      <Text {...style({ bold: true })}>{findings.length === 0 ? 'Nothing to remark' : 'Findings'}</Text>
      {findings.map((found) => (
        <Box key={`${found.id} ${found.what}`}>
          <Box width={5} flexShrink={0}>
            <Text {...style(MARKS[found.severity].style)}> {MARKS[found.severity].mark}</Text>
          </Box>
          <Box flexDirection="column">
            <Text>{found.what}</Text>
            <Text {...style({ dimColor: true })}>
              {found.supported ? '' : `not from here (${found.reason}): `}
              {found.advice}
            </Text>
          </Box>
        </Box>
      ))}
    </Box>
  );
}
