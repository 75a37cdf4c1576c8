import type { Reading, TopEvent } from '../../../sampling/index.js';
import type { DotCanvas } from '../chart/dots.js';
import type { History } from '../history.js';
import type { TopState } from '../state.js';
import type { Theme } from '../theme.js';

/** What a panel is drawn from. */
export interface PanelInput {
  readonly reading: Reading;
  readonly history: History;
  /** Newest last. */
  readonly events: readonly TopEvent[];
  readonly state: TopState;
  readonly theme: Theme;
  /** Columns, and rows below the title. */
  readonly width: number;
  readonly height: number;
  /** Wall clock of the reading, ms. */
  readonly nowMs: number;
}

/** What stands below a panel's title, by the widget that shows it. */
export type Body =
  | { readonly kind: 'text'; readonly lines: readonly string[] }
  | { readonly kind: 'chart'; readonly canvas: DotCanvas }
  | {
      readonly kind: 'table';
      readonly headers: readonly string[];
      readonly widths: readonly number[];
      readonly rows: readonly (readonly string[])[];
      /** Place among `rows`; none where nothing is to be chosen. */
      readonly selected: number | undefined;
    }
  | { readonly kind: 'log'; readonly lines: readonly string[] };

/** A panel as drawn. */
export interface Drawn {
  /** Painted; begins with the panel's name. */
  readonly title: string;
  readonly body: Body;
}
