import { glyphs, type Theme } from './theme.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: what paint() adds begins with ESC.
const SGR = /\u001b\[[0-9;]*m/g;

// biome-ignore lint/suspicious/noControlCharactersInRegex: as above; split() keeps what is in parentheses.
const SGR_KEPT = /(\u001b\[[0-9;]*m)/;

/** Columns that a painted text takes on the screen. */
export function widthOf(text: string): number {
  return text.replace(SGR, '').length;
}

/** Text without control characters and, for an ASCII screen, without anything else: it came from elsewhere. */
export function clean(theme: Theme, text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those are taken out.
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  return theme.unicode ? plain : plain.replace(/→/g, '->').replace(/[^ -~]/g, '?');
}

/** Plain text cut to `width`, with a sign that it was. */
export function cut(theme: Theme, text: string, width: number): string {
  if (text.length <= width) return text;
  return width <= 0 ? '' : `${text.slice(0, width - 1)}${glyphs(theme).ellipsis}`;
}

/** As `cut`, from the middle: names of one kind differ at their ends. */
export function cutMiddle(theme: Theme, text: string, width: number): string {
  if (text.length <= width) return text;
  if (width < 8) return cut(theme, text, width);
  const end = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - end)}${glyphs(theme).ellipsis}${text.slice(-end)}`;
}

/** Painted text cut to `width`; what is open ends there. */
export function cutPainted(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let left = width;
  let out = '';
  for (const piece of text.split(SGR_KEPT)) {
    if (piece.startsWith('\u001b')) out += piece;
    else {
      out += piece.slice(0, left);
      left -= Math.min(left, piece.length);
    }
  }
  return out;
}

/** Painted text filled with blanks on its right to `width`. */
export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Painted text filled with blanks on its left to `width`. */
export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - widthOf(text))) + text;
}

/** Painted pieces with two blanks between them, as many as fit into `width`. */
export function joinFitting(pieces: readonly string[], width: number, gap = '  '): string {
  let out = '';
  for (const piece of pieces) {
    const next = out === '' ? piece : `${out}${gap}${piece}`;
    if (widthOf(next) > width) break;
    out = next;
  }
  return out;
}

/** `left` and `right` at the two ends of a line of `width`; the left one gives way. */
export function ends(left: string, right: string, width: number): string {
  const room = width - widthOf(right);
  if (room <= 0) return cutPainted(right, width);
  return padEnd(cutPainted(left, Math.max(0, room - 1)), room) + right;
}
