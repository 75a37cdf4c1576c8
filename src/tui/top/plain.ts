import type { Reading } from '../../sampling/index.js';
import { drawPanel } from './frame.js';
import { headerLine } from './header.js';
import { History } from './history.js';
import type { PanelId } from './layout.js';
import type { Body } from './panels/panel.js';
import { firstState } from './state.js';
import { padEnd } from './text.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: attributes begin with ESC.
const SGR = /\u001b\[[0-9;]*m/g;

const PANELS: readonly PanelId[] = [
  'ingest',
  'fetch',
  'latency',
  'stages',
  'agents',
  'slabs',
  'device',
  'topics',
  'cluster',
  'machine',
  'events',
];
/** More topics than this are for `--json`. */
const MOST_ROWS = 40;

/** One sample as text without escape sequences, every panel below the other; charts of one point are left out. */
export function sampleText(reading: Reading, width: number, unicode: boolean): string {
  const theme = { colour: false, unicode };
  const state = { ...firstState(), page: 'events' as const };
  const nowMs = reading.sampledAt * 1000;
  const header = headerLine({ reading, state, theme, width, nodes: [reading.node.source], nowMs });
  const reasons = reading.health.reasons.map((reason) => `  ${reason}`);
  const history = new History();
  const blocks = PANELS.map((panel) => {
    const { title, body } = drawPanel(panel, {
      reading,
      history,
      events: reading.events,
      state,
      theme,
      width,
      height: panel === 'topics' ? Math.min(MOST_ROWS, reading.topics.length) + 1 : 12,
      nowMs,
    });
    return [title, ...bodyLines(body)].join('\n');
  });
  return [[header, ...reasons].join('\n'), ...blocks]
    .join('\n\n')
    .replace(SGR, '')
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

function bodyLines(body: Body): readonly string[] {
  switch (body.kind) {
    case 'chart':
      return [];
    case 'table':
      return [body.headers, ...body.rows].map((row) =>
        row.map((cell, i) => padEnd(cell, body.widths[i] ?? 0)).join(' '),
      );
    default:
      return body.lines.slice(0, body.lines.findLastIndex((line) => line.trim() !== '') + 1);
  }
}
