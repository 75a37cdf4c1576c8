import type { BenchResult, Curve, Quantiles } from '../result.js';
import { rate, time } from '../units.js';
import { latencyCurves } from './charts.js';
import { table } from './html.js';

/** What a bench timed, by what it is: a consumer's times are of other things than a producer's. */
interface Timed {
  name: string;
  latency: Quantiles;
  curve: Curve;
}

const PASSES: Readonly<Record<string, string>> = {
  cold: 'a fetch, cold',
  warm: 'a fetch, warm',
  tail: 'publish to deliver, tail',
};

function timed(result: BenchResult): Timed[] {
  const { scenario, config, runs, latency, service } = result;
  const { consume } = result as { consume?: Record<string, Omit<Timed, 'name'>> };
  if (scenario === 'floor') return [];
  if (consume) {
    return Object.entries(consume).map(([mode, pass]) => ({ ...pass, name: PASSES[mode] ?? mode }));
  }
  const { curve = [], serviceCurve = [] } = runs[0] ?? {};
  // In a closed loop a frame is due when it is sent.
  if (config.rate === 'max') return [{ name: 'acknowledgement', latency, curve }];
  return [
    { name: 'response, from when it was due', latency, curve },
    { name: 'service, from when it was sent', latency: service, curve: serviceCurve },
  ];
}

/** Curves of what was timed, or nothing where too little was. */
export function latencyChart(result: BenchResult): string {
  const curves = timed(result).filter(({ curve }) => curve.length >= 2);
  return curves.length === 0 ? '' : latencyCurves(curves);
}

/** Every distribution of the result. */
export function latencyTable(result: BenchResult): string {
  const { stages, floor, steps } = result;
  const { consume } = result as { consume?: Record<string, { ack?: Quantiles }> };
  const ack = consume?.tail?.ack;
  const rows: [string, Quantiles][] = [
    ...timed(result).map(({ name, latency }): [string, Quantiles] => [name, latency]),
    ...(ack ? ([['acknowledgement, tail', ack]] as [string, Quantiles][]) : []),
    ...Object.entries(stages ?? {}).map(([name, q]): [string, Quantiles] => [
      `stage ${name.replace('_', ' to ')}`,
      q,
    ]),
    ...(steps ?? []).map((step): [string, Quantiles] => [`at ${rate(step.rate)}`, step.latency]),
    ...(floor
      ? ([
          ['floor: round trip', floor.roundTrip],
          ['floor: durable 4 KiB write', floor.dsync4k],
          ['floor: unsynced 4 KiB write', floor.write4k],
          ...(floor.groupCommit ? [['floor: ideal group commit', floor.groupCommit]] : []),
          ...(floor.pipelineLatency ? [['bare pipeline on this schedule', floor.pipelineLatency]] : []),
        ] as [string, Quantiles][])
      : []),
  ];
  return table(
    ['', 'p50', 'p90', 'p99', 'p99.9', 'max', 'count'],
    rows.map(([name, q]) => [
      name,
      ...[q.p50, q.p90, q.p99, q.p999, q.max].map(time),
      q.count.toLocaleString('en-US'),
    ]),
  );
}
