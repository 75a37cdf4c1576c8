// The widgets that are used, by their own files: the package's index loads maps, pictures and markdown besides.
declare module 'blessed-contrib/lib/widget/table.js' {
  import type { Widgets } from 'blessed';
  export interface TableElement extends Widgets.BoxElement {
    options: { columnWidth: number[]; columnSpacing: number };
    rows: Widgets.ListElement;
    setData(table: { headers: readonly string[]; data: readonly (readonly string[])[] }): void;
  }
  export default function table(options: Record<string, unknown>): TableElement;
}
declare module 'blessed-contrib/lib/widget/log.js' {
  import type { Widgets } from 'blessed';
  export interface LogElement extends Widgets.ListElement {
    logLines: string[];
    options: { bufferLength: number };
    log(line: string): void;
  }
  export default function log(options: Record<string, unknown>): LogElement;
}
declare module 'blessed-contrib/lib/widget/canvas.js' {
  import type { Widgets } from 'blessed';
  /** What the canvas keeps its dots in; made with the size that `calcSize` gives, in dots. */
  export interface InnerCanvas {
    frame(): string;
    clear(): void;
  }
  export interface CanvasElement extends Widgets.BoxElement {
    canvasSize: { width: number; height: number };
    ctx: { _canvas: InnerCanvas };
    calcSize(): void;
  }
  export default function canvas(
    options: Record<string, unknown>,
    canvasType: new (width: number, height: number) => InnerCanvas,
  ): CanvasElement;
}
