import { type BenchResult, NOTHING, type Quantiles, type Run } from '../../src/bench/result.js';

export const times = (p50: number): Quantiles => ({
  p50,
  p90: p50 * 2,
  p99: p50 * 3,
  p999: p50 * 5,
  max: p50 * 9,
  count: 1_000,
});

export const run = (bytes: number, p50: number): Run => ({
  seconds: 5,
  throughput: { records: bytes / 1024, bytes },
  latency: times(p50),
  service: times(p50),
  lateness: NOTHING,
  stages: null,
  errors: 0,
  firstError: null,
  shortfall: 0,
  unanswered: 0,
  cpu: { node: 2, generator: 1, other: 2.5, bytesPerNodeSecond: bytes / 2 },
  residentBytes: 160 * 2 ** 20,
  curve: [
    [0, p50 / 2],
    [0.5, p50],
    [0.9, p50 * 2],
    [1, p50 * 9],
  ],
  serviceCurve: [
    [0, p50 / 2],
    [1, p50 * 9],
  ],
  timeline: [0.25, 0.5, 0.75].map((at) => ({
    at,
    phase: 'measure',
    records: 100,
    bytes: bytes / 4,
    p50,
    p99: p50 * 3,
    p999: p50 * 5,
  })),
  broken: null,
  interrupted: false,
});

/** A result with so many runs, as `lance bench` prints it. */
export function result(runs: Run[], more: Partial<BenchResult> = {}): BenchResult {
  const [first] = runs;
  return {
    scenario: 'latency',
    at: '2026-11-23T09:00:00.000Z',
    command: 'lance bench latency --repeat 5',
    seconds: 5,
    config: { rate: 5000, durability: 'durable', recordSize: 300, connections: 1 },
    throughput: first?.throughput ?? { records: 0, bytes: 0 },
    latency: first?.latency ?? NOTHING,
    service: first?.service ?? NOTHING,
    stages: {
      receive_enqueue: times(300),
      enqueue_submit: times(4_000),
      submit_complete: times(90_000),
      complete_ack: times(1_500),
    },
    floor: {
      durableBytes: 6e8,
      writtenBytes: 1e9,
      readBytes: 2e9,
      dsync4k: times(90_000),
      write4k: times(40_000),
      roundTrip: times(6_000),
      loopbackBytes: 4e9,
      pipelineDurableBytes: 5e8,
      pipelineWrittenBytes: 9e8,
      pipelineDiscardBytes: 2e9,
      pipelinePerCpuSecond: { durable: 1e9, written: 2e9, discard: 3e9 },
      policies: { durable: '262144:4:each', written: '1048576:8:never', pipelineDurable: '262144:8:1048576' },
      groupCommit: times(100_000),
    },
    ratio: {
      throughput: 0.93,
      throughputFloor: 'pipeline',
      p50: 1.1,
      p99: 1.2,
      p999: 1.9,
      latencyFloor: 'roundTrip+dsync4k',
    },
    cpu: first?.cpu ?? null,
    errors: 0,
    shortfall: 0,
    machine: {
      cpu: 'A CPU <of some> make',
      cpus: 2,
      memoryBytes: 2 ** 34,
      kernel: '6.18.0',
      fileSystem: 'ext4',
      device: '/dev/vda',
      node: 'v20.20.0',
      lance: '0.1.0',
      commit: 'abc1234',
      loadAverage: [0.1, 0.2, 0.3],
    },
    runs,
    interrupted: false,
    notes: [],
    ...more,
  };
}
