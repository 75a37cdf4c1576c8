import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import type { Finding } from '../../topology/findings/types.js';
import { type Style, useFold, useStyle } from './theme.js';

const MARKS: Readonly<Record<Finding['severity'], { mark: string; style: Style }>> = {
  critical: { mark: '!!', style: { color: 'red', bold: true } },
  warning: { mark: '! ', style: { color: 'yellow' } },
  info: { mark: 'i ', style: { dimColor: true } },
};

/** Columns of the mark before each finding. */
const INDENT = 5;

/** Findings with what to do about each, and why where nothing can be done here. */
export function FindingsList({ findings }: { findings: readonly Finding[] }): ReactElement {
  const style = useStyle();
  const fold = useFold(INDENT);
  return (
    <Box flexDirection="column">
      <Text {...style({ bold: true })}>{findings.length === 0 ? 'Nothing to remark' : 'Findings'}</Text>
      {findings.map((found) => (
        <Box key={`${found.id} ${found.what}`}>
          <Box width={INDENT} flexShrink={0}>
            <Text {...style(MARKS[found.severity].style)}> {MARKS[found.severity].mark}</Text>
          </Box>
          <Box flexDirection="column">
            <Text>{fold(found.what)}</Text>
            <Text {...style({ dimColor: true })}>
              {fold(found.supported ? found.advice : `not from here (${found.reason}): ${found.advice}`)}
            </Text>
          </Box>
        </Box>
      ))}
    </Box>
  );
}
