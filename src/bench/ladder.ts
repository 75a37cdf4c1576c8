import type { Observer } from './observer.js';
import { type LoadRequest, load } from './produce.js';
import type { BenchResult } from './result.js';

/** Where the walk begins and what it never exceeds, requests a second. */
const FIRST_RATE = 1_000;
const LAST_RATE = 4_000_000;
/** At the knee p99 has grown to so many times that of the lowest rate. */
const KNEE_FACTOR = 5;
/** Steps between the last good rate and the first bad one. */
const REFINING = 2;

/** A rate with what it gave. */
export type Step = NonNullable<BenchResult['steps']>[number];

/** Whether a step lies beyond the knee: the rate is not reached, or waiting has taken over. */
export function beyondKnee(step: Step, first: Step): boolean {
  if (step.shortfall > 0) return true;
  return (step.latency.p99 ?? Number.POSITIVE_INFINITY) > KNEE_FACTOR * (first.latency.p99 ?? 0);
}

/**
 * Doubles the rate until the knee is passed, then looks for it between the last two rates. Each step lasts as long as the options
 * say. Returns the steps by rate, and the highest rate before the knee (null if even the first is beyond it).
 */
export async function climb(
  request: LoadRequest,
  observer: Observer,
  signal: AbortSignal,
): Promise<{ steps: Step[]; knee: number | null }> {
  const seconds = (request.options.durationMs + request.options.warmupMs) / 1000;
  const measure = async (rate: number): Promise<Step> => {
    observer.part(`ladder: ${rate.toLocaleString('en-US')}/s`, seconds);
    const { latency, shortfall } = await load(
      { ...request, options: { ...request.options, rate } },
      observer,
      signal,
    );
    return { rate, latency, shortfall };
  };
  return walk(measure, () => signal.aborted);
}

/** The walk itself: `measure` gives a rate's step. */
export async function walk(
  measure: (rate: number) => Promise<Step>,
  stopped: () => boolean,
): Promise<{ steps: Step[]; knee: number | null }> {
  const steps: Step[] = [];
  let good: number | null = null;
  let bad: number | null = null;
  const take = async (rate: number): Promise<void> => {
    const step = await measure(rate);
    steps.push(step);
    if (beyondKnee(step, steps[0] ?? step)) bad = Math.min(bad ?? rate, rate);
    else good = Math.max(good ?? rate, rate);
  };
  for (let rate = FIRST_RATE; rate <= LAST_RATE && bad === null && !stopped(); rate *= 2) await take(rate);
  for (let i = 0; i < REFINING && good !== null && bad !== null && !stopped(); i += 1) {
    // Between the two on a scale of ratios, as the walk went.
    await take(Math.round(Math.sqrt(good * bad)));
  }
  return { steps: steps.sort((a, b) => a.rate - b.rate), knee: good };
}
