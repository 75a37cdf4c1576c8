import type { BenchOptions } from './options.js';
import {
  COMPARED,
  type Compared,
  type Floor,
  type Quantiles,
  type Ratio,
  type Throughput,
} from './result.js';

/** The floor of a throughput: the lower of what the device and the bare pipeline reach at this durability. */
export function throughputFloor(
  floor: Floor,
  durability: BenchOptions['durability'],
): { bytes: number; which: Ratio['throughputFloor'] } {
  const device = durability === 'durable' ? floor.durableBytes : floor.writtenBytes;
  const pipeline = durability === 'durable' ? floor.pipelineDurableBytes : floor.pipelineWrittenBytes;
  return pipeline !== null && pipeline < device
    ? { bytes: pipeline, which: 'pipeline' }
    : { bytes: device, which: 'device' };
}

/**
 * A result beside its floor. Evenly spaced requests are held against a round trip and one write of the device, quantile by
 * quantile; Poisson arrivals meet each other, so they are held against an ideal group commit.
 */
export function ratioOf(
  {
    throughput,
    latency,
    bytesPerNodeSecond,
  }: { throughput: Throughput; latency: Quantiles; bytesPerNodeSecond?: number | null | undefined },
  floor: Floor,
  { durability, discard, arrivals, rate }: Pick<BenchOptions, 'durability' | 'discard' | 'arrivals' | 'rate'>,
): Ratio {
  const { bytes, which } = discard
    ? { bytes: floor.pipelineDiscardBytes ?? 0, which: 'pipeline' as const }
    : throughputFloor(floor, durability);
  const perCpuSecond = floor.pipelinePerCpuSecond[discard ? 'discard' : durability];
  const grouped = rate !== 'max' && arrivals === 'poisson' ? floor.groupCommit : undefined;
  const single = durability === 'durable' ? floor.dsync4k : floor.write4k;
  const at = (q: Compared): number | null => {
    const least = grouped ? grouped[q] : sum(floor.roundTrip[q], single[q]);
    const time = latency[q];
    return least && time !== null ? time / least : null;
  };
  const [p50, p99, p999] = COMPARED.map(at) as [number | null, number | null, number | null];
  const bare = floor.pipelineLatency;
  const timesBare = (q: Compared): number | null =>
    bare?.[q] && latency[q] !== null ? latency[q] / bare[q] : null;
  return {
    throughput: bytes > 0 ? throughput.bytes / bytes : null,
    throughputFloor: which,
    ...(floor.pipelineAppendBytes ? { append: throughput.bytes / floor.pipelineAppendBytes } : {}),
    perCpuSecond: bytesPerNodeSecond && perCpuSecond ? bytesPerNodeSecond / perCpuSecond : null,
    p50,
    p99,
    p999,
    latencyFloor: grouped
      ? 'groupCommit'
      : durability === 'durable'
        ? 'roundTrip+dsync4k'
        : 'roundTrip+write4k',
    ...(bare ? { pipeline: { p50: timesBare('p50'), p99: timesBare('p99'), p999: timesBare('p999') } } : {}),
  };
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}
