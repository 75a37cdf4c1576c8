import type { CoreLoad, IrqReading } from '../../../sampling/index.js';
import { clean, cut, joinFitting, padEnd, padStart, widthOf } from '../text.js';
import { paint } from '../theme.js';
import { percent, rate } from '../words.js';
import { gauge } from './agents.js';
import type { Drawn, PanelInput } from './panel.js';

/** From this share of steal on it is shown. */
const SHOWN = 0.005;

/** Load of each core and the interrupts that fire most. */
export function machinePanel(input: PanelInput): Drawn {
  const { reading, theme, width, height } = input;
  const { machine } = reading;
  const name = paint(theme, 'strong', 'machine');
  if (machine === null) {
    return { title: name, body: { kind: 'text', lines: ['not known'] } };
  }
  const { cores, irqs } = machine;
  const busy = cores.reduce((sum, core) => sum + core.busy, 0);
  const steal = machine.stolen ?? 0;
  const total = irqs.reduce((sum, irq) => sum + irq.rate, 0);
  const title = joinFitting(
    [
      name,
      `${busy.toFixed(1)} of ${cores.length} cores busy`,
      ...(steal >= SHOWN ? [`steal ${percent(steal)}`] : []),
      `${rate(total)} interrupts`,
    ],
    width,
  );
  const coreRows = coreLines(input, cores);
  const firing = [...irqs].filter((irq) => irq.rate > 0).sort((a, b) => b.rate - a.rate);
  const irqRows = firing.map((irq) => irqLine(input, irq));
  const whole = input.state.page === 'machine';
  const forIrqs = Math.min(irqRows.length, Math.max(1, Math.floor(height / 3)));
  const coresShown = whole ? coreRows : coreRows.slice(0, Math.max(1, height - forIrqs));
  const left = coreRows.length - coresShown.length;
  if (left > 0) coresShown[coresShown.length - 1] = `and ${left + 1} more rows of cores (key 8)`;
  const lines = [...coresShown, ...(whole && irqRows.length > 0 ? [''] : []), ...irqRows];
  const from = whole ? Math.min(input.state.scroll, Math.max(0, lines.length - height)) : 0;
  return { title, body: { kind: 'text', lines: lines.slice(from, from + height) } };
}

function coreLines({ theme, width, reading }: PanelInput, cores: readonly CoreLoad[]): string[] {
  const each = width >= 100 ? 48 : width >= 60 ? Math.floor(width / 2) - 1 : width;
  const perRow = Math.max(1, Math.floor((width + 1) / (each + 1)));
  const bar = Math.max(4, each - 26);
  const busyWith = (cpu: number): string =>
    reading.agents
      .filter((agent) => agent.cpu === cpu)
      .map((agent) => agent.agent)
      .join(',');
  const cells = cores.map(({ cpu, busy, system, irq, steal }) => {
    const who = busyWith(cpu);
    const what = who === '' ? `sys ${percent(system + irq)}` : who;
    const stolen = steal >= SHOWN ? `${paint(theme, 'warning', `st ${percent(steal)}`)} ` : '';
    const more = `${stolen}${cut(theme, what, 16 - widthOf(stolen))}`;
    const text = `${padStart(String(cpu), 3)} ${gauge(theme, busy, bar)} ${padStart(percent(busy), 4)} ${padEnd(more, 16)}`;
    return text;
  });
  const rows: string[] = [];
  for (let i = 0; i < cells.length; i += perRow) rows.push(cells.slice(i, i + perRow).join(' '));
  return rows;
}

function irqLine({ theme, width }: PanelInput, { irq, name, rate: perSecond, cpu }: IrqReading): string {
  const where = cpu === null ? '' : `  cpu ${cpu}`;
  return cut(
    theme,
    `irq ${padStart(String(irq), 4)} ${padStart(rate(perSecond), 8)}${where}  ${clean(theme, name)}`,
    width,
  );
}
