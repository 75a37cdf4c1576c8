import { describe, expect, it } from 'vitest';
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
    expect(page.match(/<svg/g)).toHaveLength(4);
  });

  it('shows no markup that came with the data', () => {
    expect(page).not.toContain('<angle');
    expect(page).toContain('&#60;angle');
    expect(page).toContain('A CPU &#60;of some&#62; make');
  });

  it('of a floor alone has no empty charts', () => {
    expect(renderPage(result([], { scenario: 'floor', stages: null }))).not.toContain('<svg');
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
