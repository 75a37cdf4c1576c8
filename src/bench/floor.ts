import { HEADER_BYTES, RECORD_HEADER_BYTES } from '../protocol/index.js';
import { listening, play } from './child.js';
import { processCpu } from './cpu.js';
import type { Observer } from './observer.js';
import type { BenchOptions } from './options.js';
import { scheduleOf } from './produce.js';
import { bareRead, bestRead, READ_SECONDS } from './read-floor.js';
import { type Floor, NOTHING, type Quantiles } from './result.js';
import { median } from './statistics.js';

const MiB = 2 ** 20;
const GiB = 2 ** 30;
/** Ways to write that suit a pipeline with little in flight, where the device's own best would wait too long. */
const PIPELINE_POLICIES = ['262144:8:1048576', '262144:4:each'];
/** How the bare pipeline writes under a schedule: one small write at a time with all that is there, as a group commit does. */
const SCHEDULED_POLICIES = { durable: '16384:1:each', written: '16384:1:never' };
/** Shortest that tells a p99.9 of a scheduled load, seconds. */
const SCHEDULED_SECONDS = 2;

/** Shortest for a pipeline that appends: some flushes of the interval below, seconds. */
const APPENDING_SECONDS = 4;
/** How often what is only written is flushed behind the acks, as a node does by default (`io.flush_interval`), seconds. */
const FLUSH_INTERVAL = 1;

/** The floors of one measurement, with the times that an ideal group commit is replayed over. */
export interface MeasuredFloor extends Floor {
  times: { sync: readonly number[]; write: readonly number[]; roundTrip: readonly number[] };
}

/** Where, how long and with whose load floors are measured. */
export interface FloorRequest {
  dir: string;
  /** Seconds for all of it. */
  seconds: number;
  /** Bytes free where `dir` is. */
  free: number;
  options: BenchOptions;
  /** Also the bare read pipeline. */
  reading: boolean;
  /** Also the bare pipeline that appends. */
  appending: boolean;
  /** The policies that an earlier measurement found best: no grid then. */
  known?: Floor['policies'] | undefined;
}

/** How the bare pipeline receives. */
interface Receiver {
  mode: 'discard' | 'write' | 'grow';
  policy?: string;
  flushSeconds?: number;
}

/**
 * Measures what this machine does without a node: disk, loopback, and the bare pipeline under the same load. With an aborted
 * signal the rest is left out and what was not measured is null or 0.
 */
export async function measureFloor(
  request: FloorRequest,
  observer: Observer,
  signal: AbortSignal,
): Promise<MeasuredFloor> {
  const { dir, seconds, free, options, known } = request;
  const fileBytes = Math.floor(Math.min(seconds >= 10 ? GiB : 256 * MiB, free / 4) / MiB) * MiB;
  observer.part('floor: disk', seconds * 0.5);
  const disk = await play(
    'disk',
    {
      dir,
      seconds: seconds * 0.45,
      'file-bytes': Math.max(64 * MiB, fileBytes),
      'durable-policy': known?.durable,
      'written-policy': known?.written,
    },
    { signal },
  ).result;
  observer.part('floor: loopback', seconds * 0.1);
  const network = await play(
    'network',
    {
      'frame-bytes': HEADER_BYTES + RECORD_HEADER_BYTES + Math.min(options.recordSize, MiB - 64),
      seconds: seconds * 0.1,
    },
    { signal },
  ).result;
  const bestOf = (name: 'durable' | 'written'): string =>
    (disk[name] as { policy: string }[])[0]?.policy ?? known?.[name] ?? PIPELINE_POLICIES[0] ?? '';
  const policies = { durable: bestOf('durable'), written: bestOf('written') };
  const file = Number(disk.fileBytes);

  observer.part('floor: bare pipeline', seconds * 0.4);
  const durable = known ? [known.pipelineDurable] : [...new Set([policies.durable, ...PIPELINE_POLICIES])];
  // A node that stores nothing stands beside the pipeline that discards, and beside no other.
  const pipelines = options.discard ? 1 : durable.length + 2 + (request.reading ? 2 : 0);
  const each = (seconds * 0.4) / pipelines;
  const pipeline = (receiver: Receiver): Promise<PipelineFigure | undefined> =>
    barePipeline(receiver, { dir, file, seconds: each, options }, signal);
  const discard = await pipeline({ mode: 'discard' });
  const written = options.discard ? undefined : await pipeline({ mode: 'write', policy: policies.written });
  let best: (PipelineFigure & { policy: string }) | undefined;
  for (const policy of options.discard ? [] : durable) {
    const figure = await pipeline({ mode: 'write', policy });
    if (figure && (!best || figure.bytes > best.bytes)) best = { ...figure, policy };
  }
  const appending = request.appending
    ? await appendingPipeline(
        { dir, file: free / 4, seconds: Math.max(APPENDING_SECONDS, seconds * 0.3), options },
        options.durability === 'durable' ? (best?.policy ?? policies.durable) : policies.written,
        observer,
        signal,
      )
    : undefined;
  const scheduled = await scheduledPipeline(
    { dir, file, seconds: Math.max(SCHEDULED_SECONDS, seconds * 0.3), options },
    observer,
    signal,
  );
  const reading = request.reading
    ? {
        pipelineReadBytes: await bestRead(
          { dir, file, seconds: Math.max(READ_SECONDS, each), cold: true },
          signal,
        ),
        pipelineMemoryBytes: await bareRead(
          { dir, file, seconds: Math.max(READ_SECONDS, each), cold: false },
          signal,
        ),
      }
    : {};
  return {
    durableBytes: Number(disk.durableBytes),
    writtenBytes: Number(disk.writtenBytes),
    readBytes: Number(disk.readBytes),
    dsync4k: disk.dsync4k as Quantiles,
    write4k: disk.write4k as Quantiles,
    roundTrip: network.roundTrip as Quantiles,
    loopbackBytes: Number(network.loopbackBytes),
    pipelineDurableBytes: best?.bytes ?? null,
    pipelineWrittenBytes: written?.bytes ?? null,
    pipelineDiscardBytes: discard?.bytes ?? null,
    pipelinePerCpuSecond: {
      durable: best?.perCpuSecond ?? null,
      written: written?.perCpuSecond ?? null,
      discard: discard?.perCpuSecond ?? null,
    },
    ...(appending ? { pipelineAppendBytes: appending.bytes } : {}),
    ...(scheduled ? { pipelineLatency: scheduled } : {}),
    ...reading,
    policies: { ...policies, pipelineDurable: best?.policy ?? durable[0] ?? '' },
    times: {
      sync: disk.dsync4kTimes as number[],
      write: disk.write4kTimes as number[],
      roundTrip: network.roundTripTimes as number[],
    },
  };
}

interface PipelineFigure {
  /** Bytes of record values a second. */
  bytes: number;
  perCpuSecond: number | null;
}

interface Bare {
  dir: string;
  file: number;
  seconds: number;
  options: BenchOptions;
}

/** The generator and connections of the bench, as fast as acks come, against a receiver without an engine. */
async function barePipeline(
  receiver: Receiver,
  { seconds, options, ...place }: Bare,
  signal: AbortSignal,
): Promise<PipelineFigure | undefined> {
  return atReceiver(receiver, place, signal, async (endpoint, pid) => {
    let before: number | undefined;
    let after: number | undefined;
    const load = await play(
      'ingest',
      { endpoint, 'topic-ids': '1', ...scheduleOf({ ...options, rate: 'max' }), ...shareOf(seconds) },
      {
        signal,
        on: ({ event }) => {
          if (event === 'measuring') before = processCpu(pid);
          if (event === 'measured') after = processCpu(pid);
        },
      },
    ).result;
    const { bytes } = load.throughput as { bytes: number };
    const cpu = (after ?? 0) - (before ?? 0);
    return { bytes, perCpuSecond: cpu > 0 ? (bytes * Number(load.seconds)) / cpu : null };
  });
}

/**
 * The same as a log is written: into a new file, whose blocks are reserved a step ahead and never written before, and what is only
 * written flushed every second. Undefined beside a schedule, and where nothing is stored.
 */
async function appendingPipeline(
  bare: Bare,
  policy: string,
  observer: Observer,
  signal: AbortSignal,
): Promise<PipelineFigure | undefined> {
  const { options, seconds } = bare;
  if (options.rate !== 'max' || options.discard || signal.aborted) return undefined;
  observer.part('floor: bare pipeline, appending', seconds);
  const flushSeconds = options.durability === 'durable' ? 0 : FLUSH_INTERVAL;
  return barePipeline({ mode: 'grow', policy, flushSeconds }, bare, signal);
}

/** The same under the run's own schedule: its ack latencies. Undefined where there is no schedule. */
async function scheduledPipeline(
  { seconds, options, ...place }: Bare,
  observer: Observer,
  signal: AbortSignal,
): Promise<Quantiles | undefined> {
  if (options.rate === 'max') return undefined;
  observer.part('floor: bare pipeline on schedule', seconds);
  const policy = SCHEDULED_POLICIES[options.durability];
  return atReceiver({ mode: 'write', policy }, place, signal, async (endpoint) => {
    const flags = { endpoint, 'topic-ids': '1', ...scheduleOf(options), ...shareOf(seconds) };
    return (await play('latency', flags, { signal }).result).latency as Quantiles;
  });
}

const shareOf = (seconds: number): { warmup: number; seconds: number } => ({
  warmup: seconds * 0.25,
  seconds: seconds * 0.75,
});

/** Does something with a receiver without an engine, and ends it. Undefined when it was aborted before. */
async function atReceiver<T>(
  { mode, policy, flushSeconds }: Receiver,
  { dir, file }: Pick<Bare, 'dir' | 'file'>,
  signal: AbortSignal,
  work: (endpoint: string, pid: number) => Promise<T>,
): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  const { playing, endpoint } = await listening('receive', {
    mode,
    ...(mode === 'discard'
      ? {}
      : { dir, policy, 'file-bytes': Math.floor(file), 'flush-seconds': flushSeconds }),
  });
  try {
    return await work(endpoint, playing.pid);
  } finally {
    playing.stop();
    await playing.result;
  }
}

/** File that a pipeline beside a single load writes over, bytes. */
const PIPELINE_FILE = 256 * MiB;

/** The bare pipeline under one load, written by a policy that was found before; bytes a second, null when it was aborted. */
export async function pipelineFloor(
  { dir, seconds, options, policy }: { dir: string; seconds: number; options: BenchOptions; policy: string },
  signal: AbortSignal,
): Promise<number | null> {
  const figure = await barePipeline(
    { mode: 'write', policy },
    { dir, file: PIPELINE_FILE, seconds, options },
    signal,
  );
  return figure?.bytes ?? null;
}

/** Medians of several measurements, figure by figure; policies are those of the first. */
export function medianFloor(floors: readonly MeasuredFloor[]): Floor | null {
  const [first] = floors;
  if (!first) return null;
  const number = (pick: (floor: Floor) => number | null | undefined): number | null =>
    median(floors.map(pick).filter((value) => typeof value === 'number')) ?? null;
  const quantiles = (pick: (floor: Floor) => Quantiles): Quantiles => medianQuantiles(floors.map(pick));
  const { times: _, ...floor } = first;
  return {
    ...floor,
    durableBytes: number((f) => f.durableBytes) ?? 0,
    writtenBytes: number((f) => f.writtenBytes) ?? 0,
    readBytes: number((f) => f.readBytes) ?? 0,
    dsync4k: quantiles((f) => f.dsync4k),
    write4k: quantiles((f) => f.write4k),
    roundTrip: quantiles((f) => f.roundTrip),
    loopbackBytes: number((f) => f.loopbackBytes) ?? 0,
    pipelineDurableBytes: number((f) => f.pipelineDurableBytes),
    pipelineWrittenBytes: number((f) => f.pipelineWrittenBytes),
    pipelineDiscardBytes: number((f) => f.pipelineDiscardBytes),
    pipelinePerCpuSecond: {
      durable: number((f) => f.pipelinePerCpuSecond.durable),
      written: number((f) => f.pipelinePerCpuSecond.written),
      discard: number((f) => f.pipelinePerCpuSecond.discard),
    },
    ...(first.pipelineAppendBytes === undefined
      ? {}
      : { pipelineAppendBytes: number((f) => f.pipelineAppendBytes) }),
    ...(first.pipelineLatency ? { pipelineLatency: quantiles((f) => f.pipelineLatency ?? NOTHING) } : {}),
    ...(first.pipelineReadBytes === undefined
      ? {}
      : {
          pipelineReadBytes: number((f) => f.pipelineReadBytes),
          pipelineMemoryBytes: number((f) => f.pipelineMemoryBytes),
        }),
  };
}

/** Each quantile's median; `count` is the median, too. */
export function medianQuantiles(all: readonly Quantiles[]): Quantiles {
  if (all.length === 0) return NOTHING;
  const of = (name: keyof Quantiles): number | null =>
    median(all.map((one) => one[name]).filter((value) => value !== null)) ?? null;
  return {
    p50: of('p50'),
    p90: of('p90'),
    p99: of('p99'),
    p999: of('p999'),
    max: of('max'),
    count: Math.round(of('count') ?? 0),
  };
}
