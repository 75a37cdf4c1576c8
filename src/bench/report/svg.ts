import { BarChart, LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, MarkAreaComponent, MarkLineComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { escapeHtml } from './html.js';

use([LineChart, BarChart, ScatterChart, GridComponent, MarkAreaComponent, MarkLineComponent, SVGRenderer]);

/** Colours of the page (style.ts), which knows whether it is light or dark. */
export const INK = {
  quiet: 'var(--quiet)',
  line: 'var(--line)',
  floor: 'var(--floor)',
  first: 'var(--first)',
  second: 'var(--second)',
  third: 'var(--third)',
} as const;

/** A chart's legend: names, colours and how they are drawn. */
export type Legend = readonly { name: string; colour: string; mark: 'line' | 'dashes' | 'box' | 'dot' }[];

export type Room = 'wide' | 'narrow';
/** Drawn twice, and the page shows the one that fits: letters that shrink with a page cannot be read. */
const WIDTHS: Readonly<Record<Room, number>> = { wide: 860, narrow: 460 };

/** A chart as SVG text with a legend of HTML: no script runs where the page is read. */
export function figure(
  { label, height, legend }: { label: string; height: number; legend: Legend },
  optionFor: (room: Room) => EChartsCoreOption,
): string {
  const names = legend.map(
    ({ name, colour, mark }) =>
      `<li><i class="${mark}" style="--ink: ${colour}"></i>${escapeHtml(name)}</li>`,
  );
  const drawn = (['wide', 'narrow'] as const).map((room) => draw(optionFor(room), { label, height, room }));
  return `<figure><ul class="legend">${names.join('')}</ul>\n${drawn.join('\n')}</figure>`;
}

function draw(
  option: EChartsCoreOption,
  { label, height, room }: { label: string; height: number; room: Room },
): string {
  const width = WIDTHS[room];
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'system-ui, sans-serif', color: INK.quiet },
    color: [INK.first, INK.second, INK.third],
    grid: { left: 64, right: 24, top: 32, bottom: 46 },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // Nothing answers to a pointer here; and the size is the page's to give.
  return svg
    .replace(/<style.*?<\/style>/s, '')
    .replace(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
    .replace(/width="\d+" height="\d+"/, `class="${room}" role="img" aria-label="${escapeHtml(label)}"`);
}

const axisLine = { lineStyle: { color: INK.quiet } };

/** What all axes have. */
export const axis = {
  axisLine,
  axisTick: axisLine,
  axisLabel: { color: INK.quiet, hideOverlap: true },
  splitLine: { lineStyle: { color: INK.line } },
  nameTextStyle: { color: INK.quiet },
};

/** The name of a vertical axis, over its labels. */
export function above(side: 'left' | 'right', colour: string = INK.quiet): object {
  const padding = side === 'left' ? [0, 8, 0, 0] : [0, 0, 0, 8];
  return { align: side === 'left' ? 'right' : 'left', color: colour, padding };
}

/** The name of a horizontal axis, below its labels. */
export const below = { nameLocation: 'middle', nameGap: 30 } as const;
