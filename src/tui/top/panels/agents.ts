import type { AgentReading, Reading, SlabReading, ThreadReading } from '../../../sampling/index.js';
import { joinFitting, padEnd, padStart } from '../text.js';
import { glyphs, paint, type Theme } from '../theme.js';
import { number, percent, rate, size } from '../words.js';
import type { Drawn, PanelInput } from './panel.js';

/** Whose slabs a pool's are. */
const POOLS: Readonly<Record<string, readonly string[]>> = {
  network: ['frames'],
  ingest: ['topics'],
  io: ['responses', 'reads'],
};

interface Column {
  readonly heading: string;
  readonly width: number;
  readonly cell: (agent: AgentReading, reading: Reading) => string;
}

const or = (value: number | null | undefined, words: (value: number) => string): string =>
  value === null || value === undefined ? '-' : words(value);

/** In the order of their importance: the last ones go where there is no room. */
const COLUMNS: readonly Column[] = [
  { heading: 'core', width: 4, cell: (agent) => or(agent.cpu, String) },
  { heading: 'node', width: 4, cell: (agent) => or(agent.node, String) },
  { heading: 'util', width: 4, cell: (agent) => or(agent.utilisation ?? agent.busy, percent) },
  { heading: 'queue', width: 5, cell: (agent) => number(agent.queued) },
  { heading: 'slabs', width: 5, cell: (agent, reading) => or(slabUse(agent, reading), percent) },
  { heading: 'busy', width: 4, cell: (agent) => or(agent.busy, percent) },
  {
    heading: 'asleep',
    width: 6,
    cell: (agent, reading) => or(threadOf(agent, reading)?.parked, percent),
  },
  { heading: 'cycles', width: 7, cell: (agent) => rate(agent.cycles) },
  { heading: 'thread', width: 14, cell: (agent) => agent.thread },
  { heading: 'cpu', width: 4, cell: (agent, reading) => or(threadOf(agent, reading)?.load, percent) },
];

/** Agents with core, node, utilisation, what waits for them and how much of their memory is lent out. */
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
  const lines =
    height > reading.agents.length
      ? tableOf(input)
      : reading.agents.slice(0, height).map((agent) => shortRow(input, agent));
  const room = height - lines.length;
  const queues = queueLines(input);
  const more =
    room > queues.length && queues.length > 0 ? ['', ...queues] : queues.slice(0, Math.max(0, room));
  return { title, body: { kind: 'text', lines: [...lines, ...more].slice(0, height) } };
}

const AGENT_WIDTH = 8;

function tableOf({ reading, theme, width }: PanelInput): string[] {
  const columns: Column[] = [];
  let left = width - AGENT_WIDTH;
  for (const column of COLUMNS) {
    left -= column.width + 1;
    if (left < 0) {
      left += column.width + 1;
      break;
    }
    columns.push(column);
  }
  const bar = Math.min(20, left - 1);
  const heading = columns.map((column) => ` ${padStart(column.heading, column.width)}`).join('');
  const rows = reading.agents.map((agent) => {
    const cells = columns.map((column) => ` ${padStart(column.cell(agent, reading), column.width)}`).join('');
    const shown = bar >= 6 ? ` ${gauge(theme, agent.utilisation ?? agent.busy ?? 0, bar)}` : '';
    return `${padEnd(agent.agent, AGENT_WIDTH)}${cells}${shown}`;
  });
  return [paint(theme, 'faint', `${padEnd('agent', AGENT_WIDTH)}${heading}`), ...rows];
}

function threadOf({ thread }: AgentReading, { threads }: Reading): ThreadReading | undefined {
  return threads.find((one) => one.thread === thread);
}

/** Share of the bytes of an agent's pools that is lent out. */
function slabUse({ agent }: AgentReading, { slabs }: Reading): number | null {
  const own = slabs.filter((slab) => POOLS[agent]?.includes(slab.pool));
  const total = own.reduce((sum, slab) => sum + slab.total * slab.class, 0);
  return total === 0 ? null : own.reduce((sum, slab) => sum + slab.used * slab.class, 0) / total;
}

/** Where there is no room for a heading. */
function shortRow({ theme, width }: PanelInput, agent: AgentReading): string {
  const used = agent.utilisation ?? agent.busy;
  const where = agent.cpu === null ? '' : `core ${agent.cpu}`;
  const bar = Math.max(0, Math.min(10, width - 36));
  const drawn = bar > 0 ? ` ${gauge(theme, used ?? 0, bar)}` : '';
  return `${padEnd(agent.agent, AGENT_WIDTH)}${padEnd(where, 8)}${drawn} ${padStart(or(used, percent), 4)} util  queue ${number(agent.queued)}`;
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
