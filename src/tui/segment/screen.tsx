import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import { useStyle } from '../topology/theme.js';

/** A line of the list; damage stands out. */
export interface Line {
  readonly text: string;
  readonly damage: boolean;
}

export interface BrowserScreenProps {
  readonly title: string;
  readonly heading: string;
  readonly lines: readonly Line[];
  readonly cursor: number;
  /** About the line under the cursor, such as its bytes. */
  readonly detail: readonly string[];
  /** What is being typed, or what happened last. */
  readonly status: string;
  readonly help: boolean;
  readonly columns: number;
  readonly rows: number;
}

/** Keys, as the screen shows them. */
export const KEYS =
  'up/down move  PgUp/PgDn page  Enter open  Esc back  g jump  / search  n next  ? help  q quit';

const HELP = [
  'up, down, j, k    move            PgUp, PgDn    a page',
  'Enter             open the segment, the batch, the record',
  'Esc, Backspace    back            q             quit',
  'g                 jump to offset:N, record:N, time:T or key:HEX',
  '/                 search in keys and values, n for the next one',
  'Red lines are bytes that are no whole batch: they stand where they are in the file.',
];

/** The segment browser, drawn from plain data: a list, what is under the cursor, keys. */
export function BrowserScreen(props: BrowserScreenProps): ReactElement {
  const { title, heading, lines, cursor, detail, status, help, columns, rows } = props;
  const style = useStyle();
  const shown = help ? [] : lines.slice(0, listRows(rows));
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Text wrap="truncate-start" {...style({ bold: true })}>
        {title}
      </Text>
      <Text wrap="truncate" {...style({ dimColor: true })}>
        {heading}
      </Text>
      <Box flexDirection="column" flexGrow={1}>
        {help && HELP.map((line) => <Text key={line}>{line}</Text>)}
        {shown.map((line, at) => (
          <Text
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place on the screen.
            key={at}
            wrap="truncate"
            {...style({ ...(line.damage && { color: 'red' }), ...(at === cursor && { inverse: true }) })}
          >
            {`${at === cursor ? '>' : ' '} ${line.damage ? '! ' : ''}${line.text}`}
          </Text>
        ))}
      </Box>
      {detail.slice(0, DETAIL_ROWS).map((line, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: as above.
        <Text key={at} wrap="truncate">
          {line || ' '}
        </Text>
      ))}
      <Text wrap="truncate">{status || ' '}</Text>
      <Text wrap="truncate" {...style({ dimColor: true })}>
        {KEYS}
      </Text>
    </Box>
  );
}

const DETAIL_ROWS = 6;

/** Lines of the list on a screen of so many rows. */
export function listRows(rows: number): number {
  return Math.max(1, rows - 4 - DETAIL_ROWS);
}
