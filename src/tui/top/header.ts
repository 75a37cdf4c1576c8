import type { Reading } from '../../sampling/index.js';
import type { TopState } from './state.js';
import { clean, ends, joinFitting, widthOf } from './text.js';
import { paint, type Theme } from './theme.js';
import { clock, number, uptime } from './words.js';

const WORDS = { ok: 'OK', warning: 'WARNING', failing: 'FAILING' } as const;
const TONES = { ok: 'good', warning: 'warning', failing: 'failing' } as const;

/** What the top line is made of. */
export interface HeaderInput {
  readonly reading: Reading | undefined;
  readonly state: TopState;
  readonly theme: Theme;
  readonly width: number;
  /** Of all nodes, in their order. */
  readonly nodes: readonly string[];
  readonly nowMs: number;
}

/** Health in one line: what it is, why, whose. */
export function headerLine({ reading, state, theme, width, nodes, nowMs }: HeaderInput): string {
  if (reading === undefined) {
    return ends(`LANCE  looking at ${clean(theme, nodes[state.node] ?? '')} ...`, clock(nowMs), width);
  }
  const { health, node, network } = reading;
  const right = joinFitting([...marks(theme, state), clock(nowMs)], width);
  const which = nodes.length > 1 ? ` (${state.node + 1} of ${nodes.length})` : '';
  const who = paint(theme, 'strong', `node ${node.nodeId ?? '?'}${which}`);
  const badge = paint(theme, TONES[health.level], ` ${WORDS[health.level]} `);
  const reasons = health.reasons.map((reason) => clean(theme, reason));
  if (health.level !== 'ok') {
    const [first = '', ...more] = reasons;
    const rest = more.length > 0 ? ` (+${more.length}: h)` : '';
    const room = width - widthOf(`${who} ${badge} `) - widthOf(right) - rest.length - 2;
    const shown =
      first.length > room ? `${first.slice(0, Math.max(0, room - 1))}${theme.unicode ? '…' : '~'}` : first;
    return ends(`${who} ${badge} ${paint(theme, 'strong', shown)}${rest}`, right, width);
  }
  const up = node.startedAt === null ? [] : [`up ${uptime(reading.sampledAt - node.startedAt)}`];
  const facts = [
    ...up,
    `${number(network.connections)} connections`,
    `${number(network.inflightFrames)} in flight`,
    clean(theme, node.source),
  ];
  const room = width - widthOf(`${who} ${badge}  `) - widthOf(right) - 2;
  return ends(`${who} ${badge}  ${joinFitting(facts, room)}`, right, width);
}

function marks(theme: Theme, { paused, fast, replay, windowSeconds }: TopState): string[] {
  return [
    ...(replay ? [paint(theme, 'strong', `REPLAY ${replay.at + 1}/${replay.count} x${replay.speed}`)] : []),
    ...(paused ? [paint(theme, 'warning', ' PAUSED ')] : []),
    ...(fast ? ['5/s'] : []),
    `last ${uptime(windowSeconds)}`,
  ];
}

/** The keys that matter on this page. */
export function footerLine(theme: Theme, state: TopState, nodes: number, width: number): string {
  const key = (keys: string, what: string): string => `${paint(theme, 'strong', keys)} ${what}`;
  if (state.filtering) return joinFitting([key('enter', 'keep filter'), key('esc', 'clear')], width);
  if (state.overlay === 'topic') {
    return joinFitting([key('up/down', 'other topic'), key('enter', 'close'), key('q', 'close')], width);
  }
  if (state.overlay !== 'none') return joinFitting([key('any key', 'close')], width);
  const keys = [
    key('q', 'quit'),
    key('?', 'help'),
    key('1-9', 'pages'),
    ...(nodes > 1 ? [key('n', 'next node')] : []),
    key('space', state.paused ? 'go on' : 'pause'),
    key('w', 'window'),
    ...(state.replay ? [key('left/right', 'step'), key('+/-', 'speed')] : []),
    key('s', 'sort'),
    key('/', 'filter'),
    key('enter', 'topic'),
    key('u', state.unit === 'bytes' ? 'records' : 'bytes'),
    key('h', 'health'),
    key('f', state.fast ? '1/s' : '5/s'),
  ];
  return joinFitting(keys, width);
}
