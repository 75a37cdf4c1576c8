import type { Page } from './state.js';

/** A subject on the screen. */
export type PanelId =
  | 'ingest'
  | 'fetch'
  | 'latency'
  | 'stages'
  | 'agents'
  | 'slabs'
  | 'device'
  | 'topics'
  | 'cluster'
  | 'machine'
  | 'events';

/** Where a panel stands, its title line included. */
export interface Place {
  readonly panel: PanelId;
  readonly top: number;
  readonly left: number;
  readonly width: number;
  readonly height: number;
}

/** Less than this cannot be read at all. */
export const LEAST = { width: 40, height: 10 } as const;

/** A row of panels: its height is `least` and a share of what is left over; `drop` 0 stays, else the highest go first. */
interface Band {
  readonly cells: readonly { panel: PanelId; share: number }[];
  readonly least: number;
  readonly share: number;
  readonly most?: number;
  readonly drop: number;
}

/** Where the panels of a page stand on a body of this size. Pure arithmetic in whole cells: no gaps, no overlaps. */
export function layOut(page: Page, width: number, height: number, top: number): Place[] {
  const bands = bandsOf(page, width, height);
  const kept = fitting(bands, height);
  const heights = heightsOf(kept, height);
  const places: Place[] = [];
  let at = top;
  for (const [i, band] of kept.entries()) {
    places.push(...cellsOf(band, at, heights[i] ?? 0, width));
    at += heights[i] ?? 0;
  }
  return places;
}

const row = (
  panels: readonly (PanelId | readonly [PanelId, number])[],
  least: number,
  share: number,
  drop = 0,
  most?: number,
): Band => ({
  cells: panels.map((panel) =>
    typeof panel === 'string' ? { panel, share: 1 } : { panel: panel[0], share: panel[1] },
  ),
  least,
  share,
  drop,
  ...(most === undefined ? {} : { most }),
});

function bandsOf(page: Page, width: number, height: number): Band[] {
  const wide = width >= 110;
  switch (page) {
    case 'overview':
      return wide ? wideOverview(height) : narrowOverview();
    case 'traffic':
      return wide ? [row(['ingest', 'fetch'], 4, 1)] : [row(['ingest'], 4, 1), row(['fetch'], 4, 1)];
    case 'latency':
      return [row(['latency'], 5, 2), row(['stages'], 4, 0, 1, 8)];
    case 'agents':
      return wide
        ? [
            row(
              [
                ['agents', 3],
                ['slabs', 2],
              ],
              4,
              1,
            ),
          ]
        : [row(['agents'], 6, 1, 0, 14), row(['slabs'], 4, 1, 1)];
    case 'topics':
      return [row(['topics'], 4, 1)];
    case 'device':
      return [row(['device'], 4, 1)];
    case 'cluster':
      return [row(['cluster'], 4, 1)];
    case 'machine':
      return [row(['machine'], 4, 1)];
    case 'events':
      return [row(['events'], 4, 1)];
  }
}

function narrowOverview(): Band[] {
  return [
    row(['ingest', 'fetch'], 4, 3),
    row(['latency'], 4, 3, 1),
    row(['stages'], 3, 0, 2, 3),
    row(
      [
        ['agents', 1],
        ['device', 1],
      ],
      4,
      1,
      3,
      7,
    ),
    row(['topics'], 4, 3),
    row(['events'], 4, 2, 5),
    row(['cluster', 'machine'], 6, 2, 6, 10),
  ];
}

function wideOverview(height: number): Band[] {
  const tall = height >= 36;
  return [
    row(['ingest', 'fetch', ['latency', 1.3]], 6, 3),
    row(['stages', 'agents', 'device'], 5, 1, 1, 10),
    ...(tall
      ? [row([['topics', 2], 'slabs'], 5, 3), row([['events', 2], 'cluster', 'machine'], 5, 2, 2)]
      : [row([['topics', 2], 'machine'], 5, 3), row([['events', 2], 'cluster'], 4, 1, 2)]),
  ];
}

/** The bands that there is room for; those that are least wanted go first. */
function fitting(bands: readonly Band[], height: number): Band[] {
  let kept = [...bands];
  const needed = (): number => kept.reduce((sum, band) => sum + band.least, 0);
  while (needed() > height && kept.some((band) => band.drop > 0)) {
    const last = Math.max(...kept.map((band) => band.drop));
    kept = kept.filter((band) => band.drop !== last);
  }
  return kept;
}

function heightsOf(bands: readonly Band[], height: number): number[] {
  const heights = bands.map((band) => band.least);
  let left = height - heights.reduce((sum, one) => sum + one, 0);
  // Too low for all of them even so: the first ones get what there is.
  for (let i = bands.length - 1; i >= 0 && left < 0; i -= 1) {
    const give = Math.min(heights[i] ?? 0, -left);
    heights[i] = (heights[i] ?? 0) - give;
    left += give;
  }
  // Row by row to the band that has the least for its share, so that nothing is lost to rounding.
  while (left > 0) {
    let best = -1;
    let lowest = Number.POSITIVE_INFINITY;
    for (const [i, band] of bands.entries()) {
      const now = heights[i] ?? 0;
      if (band.share === 0 || now >= (band.most ?? Number.POSITIVE_INFINITY)) continue;
      const filled = (now - band.least + 1) / band.share;
      if (filled < lowest) [best, lowest] = [i, filled];
    }
    if (best < 0) best = 0;
    heights[best] = (heights[best] ?? 0) + 1;
    left -= 1;
  }
  return heights;
}

function cellsOf(band: Band, top: number, height: number, width: number): Place[] {
  const all = band.cells.reduce((sum, cell) => sum + cell.share, 0);
  const places: Place[] = [];
  let share = 0;
  for (const [i, { panel, share: own }] of band.cells.entries()) {
    const left = Math.round((share / all) * width);
    share += own;
    const right = Math.round((share / all) * width);
    // One blank column between neighbours.
    const gap = i < band.cells.length - 1 ? 1 : 0;
    if (height > 0) places.push({ panel, top, left, width: right - left - gap, height });
  }
  return places;
}
