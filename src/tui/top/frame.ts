import type { Reading, TopEvent } from '../../sampling/index.js';
import { footerLine, headerLine } from './header.js';
import type { History } from './history.js';
import { LEAST, layOut, type PanelId, type Place } from './layout.js';
import { healthLines, helpLines } from './overlays.js';
import { agentsPanel, slabsPanel } from './panels/agents.js';
import { fetchPanel, ingestPanel, latencyPanel } from './panels/charts.js';
import { clusterPanel } from './panels/cluster.js';
import { devicePanel } from './panels/device.js';
import { eventsPanel } from './panels/events.js';
import { machinePanel } from './panels/machine.js';
import type { Body, Drawn, PanelInput } from './panels/panel.js';
import { stagesPanel } from './panels/stages.js';
import { topicDetail, topicsPanel } from './panels/topics.js';
import type { TopState } from './state.js';
import { cutPainted, padEnd, widthOf } from './text.js';
import { glyphs, paint, type Theme } from './theme.js';

/** Everything that a frame shows. */
export interface FrameInput {
  readonly width: number;
  readonly height: number;
  readonly theme: Theme;
  readonly state: TopState;
  /** As a person names them. */
  readonly nodes: readonly string[];
  /** Of the node that is shown; undefined before the first look. */
  readonly reading: Reading | undefined;
  readonly history: History;
  readonly events: readonly TopEvent[];
  /** Where the present is: of the reading, or of the clock while there is none, ms. */
  readonly nowMs: number;
}

/** A panel with its place. */
export interface FramePanel {
  readonly place: Place;
  readonly title: string;
  readonly body: Body;
}

/** A screenful, not yet on any screen. */
export interface Frame {
  readonly header: string;
  readonly footer: string;
  readonly panels: readonly FramePanel[];
  /** In the middle, over the panels. */
  readonly overlay: { readonly title: string; readonly lines: readonly string[] } | undefined;
}

const DRAW: Readonly<Record<PanelId, (input: PanelInput) => Drawn>> = {
  ingest: ingestPanel,
  fetch: fetchPanel,
  latency: latencyPanel,
  stages: stagesPanel,
  agents: agentsPanel,
  slabs: slabsPanel,
  device: devicePanel,
  topics: topicsPanel,
  cluster: clusterPanel,
  machine: machinePanel,
  events: eventsPanel,
};

/** Draws a frame. Pure: the same input gives the same frame. */
export function drawFrame(input: FrameInput): Frame {
  const { width, height, theme, state, nodes, reading, nowMs } = input;
  if (width < LEAST.width || height < LEAST.height) return tooSmall(width, height);
  const header = headerLine({ reading, state, theme, width, nodes, nowMs });
  const footer = footerLine(theme, state, nodes.length, width);
  if (reading === undefined) return { header, footer, panels: [], overlay: overlayOf(input) };
  const panels = layOut(state.page, width, height - 2, 1).map((place) => panelOf(input, reading, place));
  return { header, footer, panels, overlay: overlayOf(input) };
}

/** Rows of topics that the present page shows, for a page up or down. */
export function topicRows({ width, height, state }: Pick<FrameInput, 'width' | 'height' | 'state'>): number {
  const place = layOut(state.page, width, height - 2, 1).find(({ panel }) => panel === 'topics');
  return Math.max(1, (place?.height ?? 2) - 2);
}

/** Draws one panel with its ruled title. */
export function drawPanel(panel: PanelId, input: PanelInput): Drawn {
  const { title, body } = DRAW[panel](input);
  return { title: ruled(input.theme, title, input.width), body };
}

function panelOf(
  { theme, state, history, events, nowMs }: FrameInput,
  reading: Reading,
  place: Place,
): FramePanel {
  const height = Math.max(0, place.height - 1);
  const input = { reading, history, events, state, theme, width: place.width, height, nowMs };
  return { place, ...drawPanel(place.panel, input) };
}

/** A title with a rule behind it to the end of its line. */
function ruled(theme: Theme, title: string, width: number): string {
  const text = cutPainted(title, width);
  const left = width - widthOf(text) - 1;
  return left <= 0 ? text : `${text} ${paint(theme, 'faint', glyphs(theme).rule.repeat(left))}`;
}

function overlayOf({
  state,
  theme,
  reading,
  width,
  height,
  history,
  events,
  nowMs,
}: FrameInput): Frame['overlay'] {
  switch (state.overlay) {
    case 'none':
      return undefined;
    case 'help':
      return { title: 'keys', lines: helpLines(theme, state) };
    case 'health':
      return { title: 'health', lines: healthLines(theme, reading, Math.min(width - 6, 90)) };
    case 'topic':
      if (reading === undefined) return undefined;
      return {
        title: 'topic',
        lines: topicDetail({
          reading,
          history,
          events,
          state,
          theme,
          width: width - 6,
          height: height - 6,
          nowMs,
        }),
      };
  }
}

function tooSmall(width: number, height: number): Frame {
  const text = `too small: ${width}x${height}, ${LEAST.width}x${LEAST.height} needed`;
  return { header: padEnd(text.slice(0, width), width), footer: '', panels: [], overlay: undefined };
}
