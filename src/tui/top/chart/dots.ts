/** Bits of a braille character by row and column of its dots. */
const DOT = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/**
 * A grid of cells that hold braille dots or a character, each in one colour: what contrib's canvas keeps its drawing in.
 * Sizes are in dots, two a column and four a row, as the canvas asks for them.
 */
export class DotCanvas {
  readonly columns: number;
  readonly rows: number;
  readonly #dots: Uint8Array;
  readonly #chars: (string | undefined)[];
  readonly #codes: string[];

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.columns = Math.floor(width / 2);
    this.rows = Math.floor(height / 4);
    const cells = this.columns * this.rows;
    this.#dots = new Uint8Array(cells);
    this.#chars = new Array<string | undefined>(cells);
    this.#codes = new Array<string>(cells).fill('');
  }

  /** Sets a dot, counted from the top left; what lies outside is left out. `code` is an SGR code or nothing. */
  dot(x: number, y: number, code: string): void {
    if (x < 0 || y < 0 || x >= this.columns * 2 || y >= this.rows * 4) return;
    const cell = (y >> 2) * this.columns + (x >> 1);
    this.#dots[cell] = (this.#dots[cell] ?? 0) | (DOT[y & 3]?.[x & 1] ?? 0);
    this.#codes[cell] = code;
  }

  /** Puts a text into the cells of a row; it stands before dots. */
  text(column: number, row: number, text: string, code: string): void {
    if (row < 0 || row >= this.rows) return;
    for (const [i, char] of [...text].entries()) {
      const at = column + i;
      if (at < 0 || at >= this.columns) continue;
      this.#chars[row * this.columns + at] = char;
      this.#codes[row * this.columns + at] = code;
    }
  }

  clear(): void {
    this.#dots.fill(0);
    this.#chars.fill(undefined);
    this.#codes.fill('');
  }

  /** The rows as text with their colours. */
  lines(): string[] {
    return Array.from({ length: this.rows }, (_, row) => this.#line(row));
  }

  /** The rows one below the other: what contrib's canvas shows. */
  frame(): string {
    return this.lines().join('\n');
  }

  #line(row: number): string {
    let out = '';
    let open = '';
    for (let column = 0; column < this.columns; column += 1) {
      const cell = row * this.columns + column;
      const dots = this.#dots[cell] ?? 0;
      const char = this.#chars[cell] ?? (dots === 0 ? ' ' : String.fromCharCode(0x2800 + dots));
      const code = char === ' ' ? open : (this.#codes[cell] ?? '');
      if (code !== open) {
        out += code === '' ? '\u001b[m' : `\u001b[m\u001b[${code}m`;
        open = code;
      }
      out += char;
    }
    return open === '' ? out : `${out}\u001b[m`;
  }
}
