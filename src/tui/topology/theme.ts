import { createContext, useContext } from 'react';

/** What a screen may use to tell things apart: nothing but text where there is no colour. */
export interface Theme {
  readonly colour: boolean;
  /** Line characters and arrows (unless told `false`); else plain ASCII. */
  readonly unicode?: boolean;
  /** Width of the screen; text is folded to it where it is known. */
  readonly columns?: number;
}

export const ThemeContext = createContext<Theme>({ colour: false });

/** Properties for `Text`; all empty without colour, so that not one escape sequence is written. */
export interface Style {
  readonly color?: string;
  readonly bold?: boolean;
  readonly dimColor?: boolean;
}

/** Gives a style back, or nothing of it where the theme has no colour. */
export function useStyle(): (style: Style) => Style {
  const { colour } = useContext(ThemeContext);
  return (style) => (colour ? style : {});
}

/** Lines of a box, and their colour where the theme has one. */
export function useBorder(): (
  shape: 'single' | 'round',
  color: string,
) => { borderStyle: 'single' | 'round' | 'classic'; borderColor?: string } {
  const { colour, unicode = true } = useContext(ThemeContext);
  return (shape, color) => ({
    borderStyle: unicode ? shape : 'classic',
    ...(colour ? { borderColor: color } : {}),
  });
}

/** Between before and after. */
export function useArrow(): string {
  const { unicode = true } = useContext(ThemeContext);
  return unicode ? '→' : '->';
}

/** Folds text at its spaces, facts between dots whole where they fit, to what is left of the width beside `indent`; Ink alone leaves the space at the start of the next line. */
export function useFold(indent: number): (text: string) => string {
  const { columns } = useContext(ThemeContext);
  return (text) => (columns === undefined ? text : fold(text, columns - indent));
}

function fold(text: string, width: number): string {
  const lines: string[] = [];
  const facts = text.split(/(?<= ·) /u);
  const whole = (fact: string): boolean => facts.length > 1 && [...fact].length <= width;
  for (const word of facts.flatMap((fact) => (whole(fact) ? [fact] : fact.split(' ')))) {
    const last = lines.at(-1);
    if (last !== undefined && [...last].length + 1 + [...word].length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

const ASCII: Readonly<Record<string, string>> = { '·': '-', '…': '~' };

/** Text that a terminal without Unicode shows, as wide as it was. */
export function toAscii(text: string): string {
  return text.replace(/[^\0-~]/gu, (character) => ASCII[character] ?? '?');
}
