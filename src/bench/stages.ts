import { type Histogram, histogramOf, QUANTILES, type Snapshot } from '../counters/index.js';
import { NOTHING, type Quantiles, STAGES, type Stages } from './result.js';

/** Times that frames spent in each stage of the node between two looks at its counters; null where they cannot be read. */
export function stagesBetween(before: Snapshot | undefined, after: Snapshot | undefined): Stages | null {
  if (!before || !after) return null;
  return Object.fromEntries(STAGES.map((stage) => [stage, timeBetween(before, after, stage)])) as Stages;
}

/** The node's own time, from a whole frame to its write queued, of frames that found the device idle; null as above. */
export function ownBetween(before: Snapshot | undefined, after: Snapshot | undefined): Quantiles | null {
  return before && after ? timeBetween(before, after, 'own') : null;
}

function timeBetween(before: Snapshot, after: Snapshot, stage: string): Quantiles {
  const later = histogramOf(after, `stage_${stage}`);
  const earlier = histogramOf(before, `stage_${stage}`);
  // A node that does not time a stage has counted nothing in it.
  return later ? quantilesOf(earlier ? later.since(earlier) : later) : NOTHING;
}

function quantilesOf(histogram: Histogram): Quantiles {
  const { count } = histogram;
  const at = (q: number): number | null => (count > 0 ? histogram.quantile(q) : null);
  return {
    p50: at(QUANTILES.p50),
    p90: at(QUANTILES.p90),
    p99: at(QUANTILES.p99),
    p999: at(QUANTILES.p999),
    max: count > 0 ? histogram.max : null,
    count,
  };
}
