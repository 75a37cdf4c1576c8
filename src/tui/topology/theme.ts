import { createContext, useContext } from 'react';

/** What a screen may use to tell things apart: nothing but text where there is no colour. */
export interface Theme {
  readonly colour: boolean;
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

/** Border colour of a box, left out where there is no colour. */
export function useBorder(): (color: string) => { borderColor?: string; borderDimColor?: boolean } {
  const { colour } = useContext(ThemeContext);
  return (color) => (colour ? { borderColor: color } : {});
}
