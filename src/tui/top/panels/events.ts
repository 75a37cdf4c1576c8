import type { TopEvent } from '../../../sampling/index.js';
import { clean, cut, joinFitting } from '../text.js';
import { paint, type Theme } from '../theme.js';
import { clock } from '../words.js';
import type { Drawn, PanelInput } from './panel.js';

/** What happened, newest at the bottom. */
export function eventsPanel({ events, theme, width, height, state, nowMs }: PanelInput): Drawn {
  const back = state.page === 'events' ? Math.min(state.scroll, Math.max(0, events.length - height)) : 0;
  const title = joinFitting(
    [paint(theme, 'strong', 'events'), String(events.length), ...(back > 0 ? [`${back} newer below`] : [])],
    width,
  );
  const end = events.length - back;
  const lines = events
    .slice(Math.max(0, end - height), end)
    .map((event) => lineOf(theme, event, width, nowMs));
  return {
    title,
    body: lines.length === 0 ? { kind: 'text', lines: ['nothing yet'] } : { kind: 'log', lines },
  };
}

const MARKS = { info: ' ', warning: '!', error: 'X' } as const;

function lineOf(theme: Theme, { atMs, level, text }: TopEvent, width: number, nowMs: number): string {
  const time = clock(atMs, nowMs);
  const words = cut(theme, `${MARKS[level]} ${clean(theme, text)}`, Math.max(0, width - time.length - 1));
  const tone = level === 'error' ? 'failing' : level === 'warning' ? 'strong' : 'plain';
  return `${paint(theme, 'faint', time)} ${paint(theme, tone, words)}`;
}
