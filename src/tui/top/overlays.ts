import type { Reading } from '../../sampling/index.js';
import { wrap } from './panels/cluster.js';
import type { TopState } from './state.js';
import { clean } from './text.js';
import { paint, type Theme } from './theme.js';

/** What the keys do, in as many lines as a terminal of 20 rows shows. */
export function helpLines(theme: Theme, { replay }: TopState): string[] {
  const key = (keys: string, what: string): string => `${paint(theme, 'strong', keys.padEnd(12))}${what}`;
  return [
    key('1 .. 9', 'overview, traffic, latency, agents, device, topics,'),
    `${' '.repeat(12)}replication, machine, events; tab: the next one`,
    key('n N', 'next and previous node, where there are several'),
    key('space p', 'pause the screen, not the node; again: go on'),
    key('w', 'how far charts reach: 1 min, 5 min, 15 min, 1 h'),
    key('u', 'charts in bytes or in records'),
    key('f', 'five frames a second, or one'),
    key('s r', 'topics by in, out, size, end, lag, name; reverse'),
    key('/', 'show topics whose name holds a text; esc clears it'),
    key('up down', 'choose a topic; enter: all about it'),
    key('h', 'everything that is wrong, in full'),
    key('C-l C-z', 'draw anew; into the background'),
    ...(replay ? [key('left right', 'one reading back, forth; + -: speed; home end')] : []),
    key('q C-c', 'quit'),
    '',
    'device: until written and flushed. lag: of the slowest consumer.',
  ];
}

/** The whole of what is wrong. */
export function healthLines(theme: Theme, reading: Reading | undefined, width: number): string[] {
  if (reading === undefined) return ['Nothing has been read yet.'];
  const { health, node, network } = reading;
  const about = [
    `node     ${node.nodeId ?? '?'}   cluster ${node.clusterId ?? '?'}   lance ${node.version ?? '?'}`,
    `process  ${node.pid ?? '?'}   ${node.presence}`,
    `data     ${clean(theme, node.dataDir ?? '?')}`,
  ];
  const errors = network.errors.map(
    ({ code, total, rate }) =>
      `error ${code}: ${total} answers since the start${rate > 0 ? ', some of them just now' : ''}`,
  );
  const reasons =
    health.reasons.length === 0
      ? ['Nothing is wrong.']
      : health.reasons.flatMap((reason) => {
          const [first = '', ...rest] = wrap(clean(theme, reason), width - 2);
          return [`- ${first}`, ...rest.map((line) => `  ${line}`)];
        });
  return [
    paint(theme, 'strong', health.level.toUpperCase()),
    ...reasons,
    '',
    ...about,
    ...(errors.length > 0 ? [''] : []),
    ...errors,
  ];
}
