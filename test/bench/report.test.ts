import { describe, expect, it } from 'vitest';
import { logScale } from '../../src/bench/report/axes.js';
import { renderPage } from '../../src/bench/report/page.js';
import { drawResult } from '../../src/tui/bench/result.js';
import { result, run, times } from './support.js';

const full = result([run(3e8, 110_000)], {
  notes: ['A note with <angle brackets> & such.'],
  steps: [1_000, 2_000, 4_000].map((rate) => ({ rate, latency: times(rate), shortfall: 0 })),
  knee: 4_000,
});

describe('the page', () => {
  const page = renderPage(full);

  it('is one file: nothing is loaded and no script runs', () => {
    expect(page).not.toMatch(/<script|<link|src=|href=|@import|url\((?!#)/);
    // Each chart for a wide page and for a narrow one.
    expect(page.match(/<svg/g)).toHaveLength(8);
  });

  it('shows no markup that came with the data', () => {
    expect(page).not.toContain('<angle');
    expect(page).toContain('&#60;angle');
    expect(page).toContain('A CPU &#60;of some&#62; make');
  });

  it('of a floor alone has no empty charts', () => {
    expect(renderPage(result([], { scenario: 'floor', stages: null }))).not.toContain('<svg');
  });

  it('says what a number is of, and nothing that was not set', () => {
    const config = { seconds: 3, rate: 5_000, recordSize: 300, batchBytes: 65_536, ladder: undefined };
    const text = renderPage(result([run(3e8, 110_000)], { config })).replaceAll('&nbsp;', ' ');
    for (const shown of ['3 s', '5,000 records/s', '300 B', '64 KiB', '16.0 GiB', '0.10, 0.20, 0.30'])
      expect(text).toContain(shown);
    expect(text).toContain('256 KiB blocks, 4 under way, each flushed');
    expect(text).not.toMatch(/undefined|memoryBytes|17179869184/);
  });

  it('names what a consumer was timed at, and draws no line of another pass beside it', () => {
    const [cold, tail] = [run(3e9, 400_000), { ...run(3e7, 90_000), ack: times(80_000) }];
    const consumed = { ...result([cold], { scenario: 'consume' }), consume: { cold, tail } };
    const text = renderPage(consumed);
    for (const shown of ['a fetch, cold', 'publish to deliver, tail', 'acknowledgement, tail'])
      expect(text).toContain(shown);
    expect(text).not.toContain('from when it was sent');
  });

  it('shades the warm-up, which no figure counts', () => {
    const one = run(3e8, 110_000);
    const warmed = one.timeline.map((moment, index) => ({
      ...moment,
      phase: index === 0 ? ('warmup' as const) : moment.phase,
    }));
    const config = { rate: 'max', warmupSeconds: 0.25 };
    expect(renderPage(result([{ ...one, timeline: warmed }], { config }))).toContain('warm-up, not counted');
    expect(renderPage(result([one], { config }))).not.toContain('warm-up, not counted');
  });
});

/** A label of a chart as a box, as wide as a broad face makes it. */
interface Label {
  text: string;
  left: number;
  right: number;
  y: number;
}
const LETTER = 7.3;
const LINE = 13;
/** What keeps two labels on one line from reading as one. */
const GAP = 4;

function labelsOf(svg: string): Label[] {
  return [...svg.matchAll(/<text([^>]*)>([^<]+)</g)].map(([, attributes = '', text = '']) => {
    const [, x, y] = /translate\(([-\d.]+) ([-\d.]+)\)/.exec(attributes) ?? [];
    const below = / y="([-\d.]+)"/.exec(attributes)?.[1] ?? 0;
    const width = text.length * LETTER;
    const before = attributes.includes('"end"') ? width : attributes.includes('"middle"') ? width / 2 : 0;
    const left = Number(x) - before;
    return { text, left, right: left + width, y: Number(y) + Number(below) };
  });
}

describe('the charts', () => {
  const nines = (most: number, p50: number): [number, number][] =>
    Array.from({ length: most * 3 }, (_, index) => [1 - 10 ** -(index / 3), p50 * 1.3 ** index]);
  const pages = [300, 9_990, 110_000, 4_700_000, 950_000_000].map((p50, index) => {
    const one = run(10 ** (5 + index), p50);
    const curve = nines(index + 3, p50);
    const steps = Array.from({ length: 2 + 3 * index }, (_, step) => ({
      rate: Math.round(1_000 * 2 ** (step / 2)),
      latency: times(p50 * (step + 1)),
      shortfall: 0,
    }));
    return renderPage(
      result([{ ...one, curve, serviceCurve: curve }], { steps, knee: steps[0]?.rate ?? null }),
    );
  });

  it('have no label over another and none that is cut', () => {
    const drawn = pages.flatMap((page) => page.match(/<svg.*?<\/svg>/gs) ?? []);
    expect(drawn).toHaveLength(pages.length * 8);
    for (const svg of drawn) {
      const width = Number(/viewBox="0 0 (\d+)/.exec(svg)?.[1]);
      const labels = labelsOf(svg);
      expect(labels.length).toBe(svg.match(/<text/g)?.length);
      expect(labels.length).toBeGreaterThan(5);
      for (const [index, one] of labels.entries()) {
        expect(one.left, `"${one.text}" begins left of the chart`).toBeGreaterThanOrEqual(0);
        expect(one.right, `"${one.text}" ends right of the chart`).toBeLessThanOrEqual(width);
        for (const other of labels.slice(index + 1)) {
          const apart =
            one.right + GAP <= other.left ||
            other.right + GAP <= one.left ||
            Math.abs(one.y - other.y) >= LINE;
          expect(apart, `"${one.text}" stands over "${other.text}"`).toBe(true);
        }
      }
    }
  });

  it('show round numbers with units', () => {
    for (const { text } of pages.flatMap(labelsOf)) {
      if (/^[\d.,]/.test(text)) expect(text).toMatch(/^[\d,]{1,6}(\.\d{1,5})?( (ns|us|ms|s)|%|k|M)?$/);
    }
  });

  it('take their colours from the page, which knows whether it is dark', () => {
    const drawn =
      pages
        .join('')
        .match(/<svg.*?<\/svg>/gs)
        ?.join('') ?? '';
    const visible = drawn.replaceAll(/<clipPath.*?<\/clipPath>/gs, '');
    const colours = new Set([...visible.matchAll(/(?:fill|stroke)="([^"]*)"/g)].map(([, colour]) => colour));
    colours.delete('none');
    expect([...colours].filter((colour) => !colour?.startsWith('var(--'))).toEqual([]);
  });
});

describe('a logarithmic axis', () => {
  it.each([
    [[1_100, 4_900], 9, [1_000, 1_200, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000]],
    [[1_100, 4_900], 7, [1_000, 2_000, 5_000]],
    [[1_000, 2_000], 9, [1_000, 1_200, 1_500, 2_000]],
    [[80, 30_000_000], 9, [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]],
    [[1, 1e9], 5, [1, 100, 10_000, 1_000_000, 100_000_000]],
    [[500], 9, [500, 600]],
    [[], 9, [1, 2, 5, 10]],
  ])('around %j with room for %d labels has %j', (values, most, ticks) => {
    const scale = logScale(values, most);
    expect(scale.ticks).toEqual(ticks);
    for (const value of values) {
      expect(value).toBeGreaterThanOrEqual(scale.min);
      expect(value).toBeLessThanOrEqual(scale.max);
    }
  });
});

describe('the table', () => {
  it.each([60, 80, 120])('fits %d columns and holds no escape sequence', (columns) => {
    for (const shown of [full, result([], { scenario: 'floor', stages: null })]) {
      const text = drawResult(shown, { columns, colour: false });
      expect(text).not.toContain('\u001b');
      for (const line of text.split('\n')) expect([...line].length).toBeLessThanOrEqual(columns);
    }
  });

  it('puts the result beside its floor and says which floor it was', () => {
    expect(drawResult(full, { columns: 80, colour: false })).toContain(
      '0.93 of the floor (the pipeline is the lower)',
    );
    expect(drawResult(full, { columns: 80, colour: false })).toContain(
      '1.16 of a bare pipeline that appends to a growing file',
    );
  });
});
