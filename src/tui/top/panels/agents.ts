import type { AgentReading, SlabReading } from '../../../sampling/index.js';
import { joinFitting, padEnd, padStart } from '../text.js';
import { glyphs, paint, type Theme } from '../theme.js';
import { number, percent, rate, size } from '../words.js';
import type { Drawn, PanelInput } from './panel.js';

/** Agents with their thread, core and share of busy duty cycles. */
export function agentsPanel(input: PanelInput): Drawn {
  const { reading, theme, width, height } = input;
  const engine = reading.threads.filter((thread) => thread.thread.startsWith('lance-'));
  const load = engine.reduce((sum, thread) => sum + thread.load, 0);
  const control = reading.threads.find((thread) => !thread.thread.startsWith('lance-'));
  const title = joinFitting(
    [
      paint(theme, 'strong', 'agents'),
      ...(engine.length > 0 ? [`engine ${percent(load)} of a core`] : []),
      ...(control ? [`control plane ${percent(control.load)}`] : []),
    ],
    width,
  );
  if (reading.agents.length === 0) return { title, body: { kind: 'text', lines: ['not known'] } };
  const full = width >= 56;
  const heading = full
    ? `${'agent'.padEnd(11)} core node  busy  ${'thread'.padEnd(15)}  cpu   cycles`
    : undefined;
  const rows = reading.agents.map((agent) => (full ? fullRow(input, agent) : shortRow(input, agent)));
  const lines = [
    ...(heading === undefined || height < rows.length + 1 ? [] : [paint(theme, 'faint', heading)]),
    ...rows,
  ];
  const room = height - lines.length;
  const queues = queueLines(input);
  const more =
    room > queues.length && queues.length > 0 ? ['', ...queues] : queues.slice(0, Math.max(0, room));
  return { title, body: { kind: 'text', lines: [...lines, ...more].slice(0, height) } };
}

function fullRow({ reading, theme, width }: PanelInput, agent: AgentReading): string {
  const thread = reading.threads.find((one) => one.thread === agent.thread);
  const bar = Math.min(20, width - 58);
  return [
    padEnd(agent.agent, 11),
    padStart(agent.cpu === null ? '-' : String(agent.cpu), 4),
    padStart(agent.node === null ? '-' : String(agent.node), 4),
    padStart(agent.busy === null ? '-' : percent(agent.busy), 5),
    padEnd(` ${agent.thread}`, 16),
    padStart(thread === undefined ? '-' : percent(thread.load), 4),
    padStart(rate(agent.cycles), 8),
    ...(bar >= 6 ? [` ${gauge(theme, agent.busy ?? 0, bar)}`] : []),
  ].join(' ');
}

function shortRow({ theme, width }: PanelInput, agent: AgentReading): string {
  const where = agent.cpu === null ? '' : `core ${agent.cpu}`;
  const node = agent.node === null ? '' : ` node ${agent.node}`;
  const bar = Math.max(0, Math.min(10, width - 34));
  const busy = agent.busy === null ? '-' : percent(agent.busy);
  return `${padEnd(agent.agent, 8)}${padEnd(where + node, 14)} ${gauge(theme, agent.busy ?? 0, bar)} ${padStart(busy, 4)} busy`;
}

function queueLines({ reading, width }: PanelInput): string[] {
  if (reading.queues.length === 0) return [];
  const waiting = reading.queues.map(({ queue, depth }) => `${queue} ${number(depth)}`);
  const lines: string[] = [];
  let line = 'queues ';
  for (const piece of waiting) {
    if (line.length + piece.length + 2 > width && line !== '') {
      lines.push(line.trimEnd());
      line = '       ';
    }
    line += `${piece}  `;
  }
  return [...lines, line.trimEnd()];
}

/** Memory pools: how many slabs of each class are lent out. */
export function slabsPanel({ reading, theme, width, height }: PanelInput): Drawn {
  const { slabs } = reading;
  const used = slabs.reduce((sum, slab) => sum + slab.used * slab.class, 0);
  const title = joinFitting([paint(theme, 'strong', 'slabs'), `${size(used)} lent out`], width);
  if (slabs.length === 0) return { title, body: { kind: 'text', lines: ['not known'] } };
  const bar = Math.max(6, Math.min(30, width - 34));
  // The fullest first where not all have room.
  const order = slabs.length > height ? [...slabs].sort((a, b) => share(b) - share(a)) : slabs;
  const lines = order.slice(0, height).map((slab) => {
    const name = `${padEnd(slab.pool, 9)} ${padStart(size(slab.class), 8)}`;
    return `${name} ${gauge(theme, share(slab), bar)} ${padStart(`${number(slab.used)}/${number(slab.total)}`, 11)}`;
  });
  return { title, body: { kind: 'text', lines } };
}

const share = (slab: SlabReading): number => (slab.total === 0 ? 0 : slab.used / slab.total);

/** A bar for a share of 1; what is full stands out. */
export function gauge(theme: Theme, value: number, width: number): string {
  const { full, empty } = glyphs(theme);
  if (width <= 0) return '';
  const filled = Math.min(width, Math.max(value > 0 ? 1 : 0, Math.round(value * width)));
  return `${paint(theme, 'second', full.repeat(filled))}${paint(theme, 'faint', empty.repeat(width - filled))}`;
}
