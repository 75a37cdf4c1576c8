import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ExitCode, LanceError } from '../errors.js';
import { mannWhitney, median } from './statistics.js';

const Quantile = z.number().nullable();
const Document = z.object({
  scenario: z.string(),
  runs: z
    .array(
      z.object({
        throughput: z.object({ records: z.number(), bytes: z.number() }),
        latency: z.object({ p50: Quantile, p99: Quantile, p999: Quantile }),
      }),
    )
    .min(1),
});

/** What is compared of two results. */
export type Comparable = z.infer<typeof Document>;

/** A difference is believed at this two-sided p-value of the Mann-Whitney U test. */
export const SIGNIFICANT = 0.05;

/** One figure of both results: medians over the runs, `change` of B against A as a share. */
export interface Difference {
  figure: 'throughput' | 'p50' | 'p99' | 'p999';
  a: number;
  b: number;
  change: number;
  p: number;
  verdict: 'better' | 'worse' | 'within noise';
}

/** Two results side by side. */
export interface Comparison {
  scenario: string;
  test: 'Mann-Whitney U';
  runs: [a: number, b: number];
  differences: Difference[];
  notes: string[];
}

/** Reads a result of `lance bench ... --json`. Throws LanceError, exit code 2, for a file that is none. */
export function readResult(path: string): Comparable {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw unusable(path, `it cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  try {
    return Document.parse(JSON.parse(text));
  } catch (cause) {
    throw unusable(path, 'it is no JSON of `lance bench ingest`, `latency` or `consume`', cause);
  }
}

function unusable(path: string, reason: string, cause: unknown): LanceError {
  return new LanceError(`${path} cannot be compared: ${reason}.`, {
    code: 'RESULT_UNUSABLE',
    hint: 'Make one with `lance bench ingest --repeat 5 --json > FILE`.',
    exitCode: ExitCode.usage,
    cause,
  });
}

/** Says of each figure whether B is better than A, worse, or within noise. Throws LanceError for two scenarios. */
export function compare(a: Comparable, b: Comparable): Comparison {
  if (a.scenario !== b.scenario) {
    throw new LanceError(`A is of \`${a.scenario}\` and B of \`${b.scenario}\`.`, {
      code: 'SCENARIOS_DIFFER',
      hint: 'Compare two results of one scenario.',
      exitCode: ExitCode.usage,
    });
  }
  const latencies = (['p50', 'p99', 'p999'] as const).map((q) => {
    const of = (runs: Comparable['runs']): number[] =>
      runs.map(({ latency }) => latency[q]).filter((v) => v !== null);
    return difference(q, of(a.runs), of(b.runs), -1);
  });
  const bytes = (runs: Comparable['runs']): number[] => runs.map(({ throughput }) => throughput.bytes);
  const runs: [number, number] = [a.runs.length, b.runs.length];
  // The surest that so few runs can ever be: all of one below all of the other.
  const surest = mannWhitney(
    runs.flatMap((n, side) => (side === 0 ? Array.from({ length: n }, (_, i) => i) : [])),
    Array.from({ length: runs[1] }, (_, i) => runs[0] + i),
  );
  return {
    scenario: a.scenario,
    test: 'Mann-Whitney U',
    runs,
    differences: [difference('throughput', bytes(a.runs), bytes(b.runs), 1), ...latencies],
    notes:
      surest > SIGNIFICANT
        ? [
            `${runs[0]} and ${runs[1]} runs cannot tell a difference from noise: repeat each at least 4 times (--repeat).`,
          ]
        : [],
  };
}

function difference(figure: Difference['figure'], a: number[], b: number[], better: 1 | -1): Difference {
  const [before, after] = [median(a) ?? 0, median(b) ?? 0];
  const p = mannWhitney(a, b);
  const change = before === 0 ? 0 : after / before - 1;
  const verdict = p > SIGNIFICANT || change === 0 ? 'within noise' : change * better > 0 ? 'better' : 'worse';
  return { figure, a: before, b: after, change, p, verdict };
}
