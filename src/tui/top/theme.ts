/** How a screen may tell things apart. */
export interface Theme {
  /** Sixteen colours of the terminal's own palette, so that light and dark ones both read; else none at all. */
  readonly colour: boolean;
  /** Braille dots and line characters; else plain ASCII. */
  readonly unicode: boolean;
}

/** What a piece of text is; never said by colour alone. */
export type Tone =
  | 'plain'
  | 'strong'
  | 'faint'
  | 'good'
  | 'warning'
  | 'failing'
  | 'first'
  | 'second'
  | 'third';

/** SGR codes: a colour of the palette that is legible on black and on white, or an attribute. */
const COLOURS: Readonly<Record<Tone, string>> = {
  plain: '',
  strong: '1',
  faint: '90',
  good: '1;32',
  warning: '30;43',
  failing: '1;37;41',
  first: '32',
  second: '36',
  third: '35',
};
/** Without colour: attributes alone. */
const ATTRIBUTES: Readonly<Record<Tone, string>> = {
  plain: '',
  strong: '1',
  faint: '',
  good: '1',
  warning: '7',
  failing: '1;7',
  first: '',
  second: '',
  third: '',
};

/** `text` in a tone. Its width on the screen stays that of `text`. */
export function paint(theme: Theme, tone: Tone, text: string): string {
  const code = (theme.colour ? COLOURS : ATTRIBUTES)[tone];
  return code === '' || text === '' ? text : `\u001b[${code}m${text}\u001b[m`;
}

/** Characters for lines and bars. */
export function glyphs({ unicode }: Theme) {
  return unicode
    ? {
        rule: '─',
        full: '█',
        empty: '░',
        shades: ['█', '▓', '▒', '░'],
        ellipsis: '…',
        dot: '·',
        up: '▲',
        down: '▼',
      }
    : {
        rule: '-',
        full: '#',
        empty: '.',
        shades: ['#', '=', '+', ':'],
        ellipsis: '~',
        dot: '|',
        up: '^',
        down: 'v',
      };
}
