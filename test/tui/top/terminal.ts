import { resolve } from 'node:path';
import pty from '@lydell/node-pty';
import xterm from '@xterm/headless';

const RUN = resolve(import.meta.dirname, '../../../bin/run.js');
const PATIENCE_MS = 120_000;

/** `lance` in a real terminal emulator, looked at as a person would. */
export class Emulator {
  readonly #terminal: xterm.Terminal;
  readonly #child: pty.IPty;
  readonly exited: Promise<number>;
  raw = '';

  constructor(args: readonly string[], columns: number, rows: number, env: Record<string, string> = {}) {
    this.#terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
    // A person's terminal: in CI, Ink would draw nothing but its last frame.
    const { CI: _, ...own } = process.env;
    this.#child = pty.spawn(process.execPath, [RUN, ...args], {
      cols: columns,
      rows,
      name: 'xterm-256color',
      env: { ...own, NO_COLOR: '', LC_ALL: '', LANG: 'C.UTF-8', TERM: 'xterm-256color', ...env },
    });
    this.#child.onData((data) => {
      this.raw += data;
      this.#terminal.write(data);
    });
    // The terminal takes what is written to it a moment later: it has ended when it shows all of that.
    this.exited = new Promise((done) =>
      this.#child.onExit(({ exitCode }) => this.#terminal.write('', () => done(exitCode))),
    );
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What is on the screen. */
  get lines(): string[] {
    const { active } = this.#terminal.buffer;
    return Array.from(
      { length: this.#terminal.rows },
      (_, y) => active.getLine(y)?.translateToString(true) ?? '',
    );
  }

  /** Whether the program has the alternate screen. */
  get full(): boolean {
    return this.#terminal.buffer.active.type === 'alternate';
  }

  type(keys: string): void {
    this.#child.write(keys);
  }

  resize(columns: number, rows: number): void {
    this.#terminal.resize(columns, rows);
    this.#child.resize(columns, rows);
  }

  kill(signal: string): void {
    this.#child.kill(signal);
  }

  /** Resolves with the screen once `seen` holds for it, and for all of a frame; rejects with what is there instead. */
  async until(seen: (screen: string) => boolean, what: string): Promise<string> {
    const end = Date.now() + PATIENCE_MS;
    for (let before = -1; Date.now() < end; ) {
      // Half a frame is no screen: nothing has come since the look before.
      const still = this.raw.length === before;
      before = this.raw.length;
      const screen = this.lines.join('\n');
      if (still && seen(screen)) return screen;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`never seen: ${what}\n${this.lines.join('\n')}`);
  }
}
