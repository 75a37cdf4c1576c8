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

/** Keys, as the screen shows them: the first line that fits. */
export const KEYS = [
  'up/down move  PgUp/PgDn page  Enter open  Esc back  g jump  / search  n next  d damage  x hex/text  ? help  q quit',
  'arrows PgUp/PgDn  Enter/Esc  g jump  / search  n next  d damage  ? help  q quit',
  'Enter Esc  g / n d  ? help  q quit',
];

const HELP = [
  'up, down, j, k    move            PgUp, PgDn, space  a page',
  'Home, End         first or last line of the page',
  'Enter             open the segment, the batch, the bytes of a record or of damage',
  'Esc, Backspace    back, or stop what is searched',
  'g                 jump to offset:N, record:N, time:T, key:HEX or byte:N',
  '/                 search in keys and values, n for the next one',
  'd                 the next bytes that are no whole batch',
  'x                 the record below as hexadecimal, or as text and JSON',
  'q, Ctrl-C         quit',
  'Lines with ! are such bytes: they stand where they are in the file.',
  'From the list of segments, g and / look from the one under the cursor on.',
];

/** The segment browser, drawn from plain data: a list, what is under the cursor, keys. ASCII only. */
export function BrowserScreen(props: BrowserScreenProps): ReactElement {
  const { title, heading, lines, cursor, detail, status, help, columns, rows } = props;
  const style = useStyle();
  const list = listRows(rows);
  const shown = help ? [] : lines.slice(0, list);
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Row {...style({ bold: true })}>{clipStart(title, columns)}</Row>
      <Row {...style({ dimColor: true })}>{clip(heading, columns)}</Row>
      <Box flexDirection="column" height={list}>
        {help && HELP.slice(0, list).map((line) => <Row key={line}>{clip(line, columns)}</Row>)}
        {shown.map((line, at) => (
          <Row
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place on the screen.
            key={at}
            {...style({ ...(line.damage && { color: 'red' }), ...(at === cursor && { inverse: true }) })}
          >
            {clip(`${at === cursor ? '>' : ' '} ${line.damage ? '! ' : ''}${line.text}`, columns)}
          </Row>
        ))}
      </Box>
      <Box flexDirection="column" height={detailRows(rows)}>
        {detail.slice(0, detailRows(rows)).map((line, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: as above.
          <Row key={at}>{clip(line || ' ', columns)}</Row>
        ))}
      </Box>
      <Row>{clip(status || ' ', columns)}</Row>
      <Row {...style({ dimColor: true })}>{keysFor(columns)}</Row>
    </Box>
  );
}

function Row({ children, ...style }: { children: string; color?: string; bold?: boolean }): ReactElement {
  return (
    <Text wrap="truncate" {...style}>
      {children}
    </Text>
  );
}

function keysFor(columns: number): string {
  return clip(KEYS.find((keys) => keys.length <= columns) ?? (KEYS.at(-1) as string), columns);
}

/** The start of a text that is too long; Ink's own mark for that is not ASCII. */
function clip(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 3))}...`.slice(0, columns);
}

/** The end of one: of a path that is what tells files apart. */
function clipStart(text: string, columns: number): string {
  return text.length <= columns
    ? text
    : `...${text.slice(text.length - Math.max(0, columns - 3))}`.slice(0, columns);
}

/** Lines about what is under the cursor, on a screen of so many rows: a third of it. */
export function detailRows(rows: number): number {
  return Math.max(1, Math.min(16, Math.floor(rows / 3)));
}

/** Lines of the list on a screen of so many rows. */
export function listRows(rows: number): number {
  return Math.max(1, rows - 4 - detailRows(rows));
}
