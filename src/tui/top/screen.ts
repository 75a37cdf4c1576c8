import blessed, { type Widgets } from 'blessed';
import canvas, { type CanvasElement } from 'blessed-contrib/lib/widget/canvas.js';
import log, { type LogElement } from 'blessed-contrib/lib/widget/log.js';
import table, { type TableElement } from 'blessed-contrib/lib/widget/table.js';
import { DotCanvas } from './chart/dots.js';
import type { Frame, FramePanel } from './frame.js';
import type { Key } from './state.js';
import { padEnd } from './text.js';
import type { Theme } from './theme.js';

/** Where the dashboard is shown. */
export interface Terminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

/** A terminal in full screen, with blessed's widgets on it. */
export class TopScreen {
  readonly #screen: Widgets.Screen;
  readonly #header: Widgets.BoxElement;
  readonly #footer: Widgets.BoxElement;
  readonly #overlay: Widgets.BoxElement;
  readonly #panels = new Map<string, PanelWidgets>();
  #last: Frame | undefined;
  #closed = false;

  constructor(
    { input, output }: Terminal,
    private readonly theme: Theme,
  ) {
    const screen = blessed.screen({
      input,
      output,
      smartCSR: true,
      fullUnicode: false,
      forceUnicode: theme.unicode,
      warnings: false,
      title: 'lance top',
      // Ours: see onKey.
      ignoreLocked: [],
    });
    this.#screen = screen;
    // Lines go out as they are: the alternate character set shows letters instead where it was not switched on (screen, tmux).
    const { tput } = screen as unknown as { tput: { brokenACS: boolean; colors: number } };
    tput.brokenACS = true;
    // terminfo grants xterm and the Linux console eight colours; both know sixteen, and grey made black would not be seen.
    if (theme.colour) tput.colors = Math.max(16, tput.colors);
    const line = { left: 0, width: '100%', height: 1, wrap: false };
    this.#header = blessed.box({ parent: screen, top: 0, ...line });
    this.#footer = blessed.box({ parent: screen, bottom: 0, ...line });
    this.#overlay = blessed.box({ parent: screen, hidden: true, wrap: false });
    screen.program.hideCursor();
  }

  get width(): number {
    return Number(this.#screen.width);
  }

  get height(): number {
    return Number(this.#screen.height);
  }

  /** Calls back for every key. */
  onKey(listener: (key: Key) => void): void {
    this.#screen.on('keypress', (char: string | undefined, key: Widgets.Events.IKeyEventArg | undefined) => {
      // blessed sends enter twice, as return and as enter.
      if (key?.name === 'return') return;
      const typed =
        char !== undefined && char.length === 1 && char >= ' ' && char !== '\u007f' ? char : undefined;
      listener({ name: key?.full ?? typed ?? '', char: typed });
    });
  }

  /** Calls back when the terminal has another size. */
  onResize(listener: () => void): void {
    this.#screen.on('resize', listener);
  }

  /** Shows a frame. Only what differs from what is there goes to the terminal. */
  show(frame: Frame): void {
    if (this.#closed) return;
    this.#last = frame;
    this.#header.setContent(frame.header);
    this.#footer.setContent(frame.footer);
    this.#clearIfMoved(frame);
    const wanted = new Set<string>(frame.panels.map(({ place }) => place.panel));
    for (const [name, widgets] of this.#panels) if (!wanted.has(name)) widgets.hide();
    for (const panel of frame.panels) this.#widgets(panel.place.panel).show(panel);
    this.#showOverlay(frame);
    this.#screen.render();
  }

  #layout = '';

  /** Between panels nobody draws: what stood there under another layout goes. */
  #clearIfMoved({ panels, overlay }: Frame): void {
    const places = panels.map(({ place: at }) => `${at.panel},${at.left},${at.top},${at.width},${at.height}`);
    const lines = overlay === undefined ? 0 : overlay.lines.length;
    const layout = `${this.width}x${this.height} ${lines} ${overlay?.title} ${places.join(' ')}`;
    if (layout === this.#layout) return;
    this.#layout = layout;
    this.#screen.clearRegion(0, this.width, 0, this.height);
  }

  /** Draws everything anew: something else has written to the terminal. */
  redraw(): void {
    if (this.#closed) return;
    this.#screen.alloc();
    if (this.#last) this.show(this.#last);
  }

  /** Gives the terminal to the shell until the process is continued. */
  suspend(): void {
    this.#screen.program.sigtstp(() => this.redraw());
  }

  /** Puts the terminal back as it was. May be called again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#screen.program.showCursor();
    this.#screen.destroy();
  }

  #widgets(name: string): PanelWidgets {
    let widgets = this.#panels.get(name);
    if (widgets === undefined) {
      widgets = new PanelWidgets(this.#screen, this.theme);
      this.#panels.set(name, widgets);
    }
    return widgets;
  }

  #showOverlay({ overlay }: Frame): void {
    if (overlay === undefined) {
      this.#overlay.hide();
      return;
    }
    const { lines, title } = overlay;
    const longest = Math.max(
      title.length + 4,
      ...lines.map((text) => padEnd(text, 0).replace(SGR, '').length),
    );
    const width = Math.min(this.width, longest + 4);
    const height = Math.min(this.height - 2, lines.length + 2);
    place(this.#overlay, Math.max(1, (this.height - height) >> 1), (this.width - width) >> 1, width, height);
    this.#overlay.setContent(boxed(this.theme, title, lines.slice(0, height - 2), width));
    this.#overlay.show();
    // A panel's body is made when it is first shown, and would lie over what was made before.
    this.#overlay.setFront();
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with ESC.
const SGR = /\u001b\[[0-9;]*m/g;

/** Lines in a frame of their own. */
function boxed({ unicode }: Theme, title: string, lines: readonly string[], width: number): string {
  const [across, down, ...corners] = unicode ? '─│┌┐└┘' : '-|++++';
  const inner = width - 4;
  const top = `${corners[0]}${across} ${title} ${(across ?? '').repeat(Math.max(0, width - title.length - 5))}${corners[1]}`;
  const bottom = `${corners[2]}${(across ?? '').repeat(width - 2)}${corners[3]}`;
  return [top, ...lines.map((text) => `${down} ${padEnd(text, inner)} ${down}`), bottom].join('\n');
}

/** Title and body of a panel: of each kind of body the widget that shows it, made when it is first needed. */
class PanelWidgets {
  readonly #title: Widgets.BoxElement;
  #text: Widgets.BoxElement | undefined;
  #chart: CanvasElement | undefined;
  #table: TableElement | undefined;
  #log: LogElement | undefined;

  constructor(
    private readonly screen: Widgets.Screen,
    private readonly theme: Theme,
  ) {
    this.#title = blessed.box({ parent: screen, height: 1, wrap: false });
  }

  hide(): void {
    for (const element of [this.#title, ...this.#bodies()]) element.hide();
  }

  show({ place: at, title, body }: FramePanel): void {
    place(this.#title, at.top, at.left, at.width, 1);
    this.#title.setContent(title);
    this.#title.show();
    const element = this.#bodyOf(body);
    for (const other of this.#bodies()) if (other !== element) other.hide();
    const height = at.height - 1;
    if (height < 1) {
      element.hide();
      return;
    }
    place(element, at.top + 1, at.left, at.width, height);
    element.show();
    this.#fill(body, at.width, height);
  }

  #bodies(): Widgets.BlessedElement[] {
    return [this.#text, this.#chart, this.#table, this.#log].filter((element) => element !== undefined);
  }

  #bodyOf(body: FramePanel['body']): Widgets.BlessedElement {
    const { screen } = this;
    switch (body.kind) {
      case 'text':
        this.#text ??= blessed.box({ parent: screen, wrap: false });
        return this.#text;
      case 'chart':
        if (this.#chart === undefined) {
          this.#chart = canvas({ wrap: false, width: 10, height: 1 }, DotCanvas);
          screen.append(this.#chart);
        }
        return this.#chart;
      case 'table':
        this.#table ??= this.#newTable();
        return this.#table;
      case 'log':
        if (this.#log === undefined) {
          this.#log = log({ bufferLength: 500, wrap: false, interactive: false, style: { selected: {} } });
          screen.append(this.#log);
        }
        return this.#log;
    }
  }

  #newTable(): TableElement {
    const { screen, theme } = this;
    const made = table({
      columnWidth: [1],
      columnSpacing: 2,
      interactive: true,
      fg: 'default',
      bg: 'default',
      selectedFg: 'default',
      selectedBg: 'default',
      wrap: false,
      screen,
    });
    screen.append(made);
    // The list stands right below the headings and takes all of the width.
    made.rows.top = 1;
    made.rows.left = 0;
    const style = made.rows.style as { selected: Record<string, unknown>; item: Record<string, unknown> };
    style.selected = theme.colour ? { inverse: true } : { bold: true };
    style.item = {};
    made.render = function render(this: TableElement) {
      this.rows.width = Number(this.width);
      this.rows.height = Number(this.height) - 1;
      return blessed.box.prototype.render.call(this);
    };
    return made;
  }

  #fill(body: FramePanel['body'], width: number, height: number): void {
    switch (body.kind) {
      case 'text':
        this.#text?.setContent(body.lines.join('\n'));
        return;
      case 'chart':
        if (this.#chart) this.#chart.ctx._canvas = body.canvas;
        return;
      case 'table': {
        const made = this.#table;
        if (!made) return;
        made.options.columnWidth = [...body.widths];
        made.setData({ headers: body.headers, data: body.rows });
        if (body.selected !== undefined) made.rows.select(body.selected);
        return;
      }
      case 'log': {
        const made = this.#log;
        if (!made) return;
        made.options.bufferLength = height;
        made.logLines = [...body.lines.slice(-height)];
        made.setItems(
          made.logLines.map((line) => padEnd(line, width)) as unknown as Widgets.BlessedElement[],
        );
        return;
      }
    }
  }
}

function place(
  element: Widgets.BlessedElement,
  top: number,
  left: number,
  width: number,
  height: number,
): void {
  Object.assign(element.position, { top, left, width, height });
}
