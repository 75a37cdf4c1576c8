import { rmSync } from 'node:fs';
import { Admin, type TopicDescription } from '../client/index.js';
import { RECORD_HEADER_BYTES } from '../protocol/index.js';
import { play } from './child.js';
import { machineCpu, processCpu, residentBytes } from './cpu.js';
import { BenchError } from './errors.js';
import { type NodeUnderTest, nodeAt, startNode } from './node-under-test.js';
import type { Observer } from './observer.js';
import type { BenchOptions } from './options.js';
import { momentOf, spins } from './produce.js';
import { readLog } from './read-floor.js';
import type { BenchResult, Curve, Moment, Quantiles, Run, Throughput } from './result.js';
import {
  assemble,
  begin,
  checkRuns,
  Floors,
  inSession,
  LOG_OVERHEAD,
  RESERVE_BYTES,
  type Session,
  settle,
} from './session.js';
import { median } from './statistics.js';
import { type BenchTopics, createTopics, ranges } from './topics.js';

/** How a log is read: all of it from the disk, again at once, or its end as it grows. */
export const CONSUME_MODES = ['cold', 'warm', 'tail'] as const;
export type ConsumeMode = (typeof CONSUME_MODES)[number];

/** `consume` in a result, by mode. */
type Passes = Partial<Record<ConsumeMode, Run & { ack?: Quantiles }>>;

/** What `consume` takes beyond the rest. */
export interface ConsumeOptions extends BenchOptions {
  modes: readonly ConsumeMode[];
  /** Bytes that each topic is filled with before it is read. */
  logBytes: number;
}

/**
 * `lance bench consume`: fills topics, starts the node anew (a node that it started itself), and reads them cold, warm and at their
 * end. The throughput is that of the first catch-up, the latency that from publishing to delivery where `tail` runs. Where it starts the
 * node itself, the floor of a cold read is the bare pipeline over a log like the one that is read: filled beside it, as cold, by the same
 * node. Throws BenchError.
 */
export function benchConsume(
  options: ConsumeOptions,
  observer: Observer,
  signal: AbortSignal,
): Promise<BenchResult & { consume: Passes }> {
  return inSession(options, observer, signal, async (session) => {
    const began = begin();
    const floors = new Floors(session, { reading: true });
    const runs: Run[] = [];
    /** What the bare pipeline read of the logs beside, and how the runs stood to that, each to its own. */
    const beside: { bytes: number; share: number }[] = [];
    let passes: Passes = {};
    for (let number = 0; number < options.repeat && !signal.aborted; number += 1) {
      const once = await readOnce(session, options, number);
      passes = once.passes;
      const first = passes.cold ?? passes.warm ?? passes.tail;
      if (!first) break;
      if (once.logBytes !== null) {
        beside.push({ bytes: once.logBytes, share: first.throughput.bytes / once.logBytes });
      }
      const last = passes.tail ?? first;
      const { latency, service, curve, serviceCurve } = last;
      runs.push({ ...first, latency, service, curve, serviceCurve });
      await settle(signal);
      await floors.measure();
    }
    const measured = floors.result();
    const pipelineLogBytes = median(beside.map(({ bytes }) => bytes));
    const floor = measured && pipelineLogBytes !== undefined ? { ...measured, pipelineLogBytes } : measured;
    const result = assemble(session, 'consume', began, runs, floor);
    const least = floor?.pipelineReadBytes ?? 0;
    const device = floor?.readBytes ?? 0;
    // A second of CPU that reads is no second of a pipeline that writes.
    if (result.ratio) result.ratio.perCpuSecond = null;
    // Run by run: a disk reads one of two logs of the same minutes like the other, and those of the next minute otherwise.
    const share = median(beside.map((one) => one.share));
    if (result.ratio && share !== undefined) {
      result.ratio.throughput = share;
      result.ratio.throughputFloor = 'pipeline';
    } else if (result.ratio && least > 0) {
      const bytes = Math.min(least, device);
      result.ratio.throughput = result.throughput.bytes / bytes;
      result.ratio.throughputFloor = bytes === device ? 'device' : 'pipeline';
    }
    const full = { ...result, config: { ...result.config, logBytes: options.logBytes }, consume: passes };
    checkRuns(full);
    return full;
  });
}

/** One log filled and read; `logBytes` is what the bare pipeline read a second of the log beside it, null where it read none. */
async function readOnce(
  session: Session,
  options: ConsumeOptions,
  number: number,
): Promise<{ passes: Passes; logBytes: number | null }> {
  const { workspace, observer, signal } = session;
  const dir = `${workspace.path}/node`;
  const open = (): Promise<NodeUnderTest> =>
    options.endpoint ? nodeAt(options.endpoint) : startNode(dir, options);
  const passes: Passes = {};
  // An empty directory for each: what the one before left is removed now, not while something is measured.
  if (!options.endpoint) rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  const beside = wantsLogBeside(session, options);
  let bare: (() => Promise<number | null>) | undefined;
  let logBytes: number | null = null;
  observer.part('starting a node', 1);
  let node = await open();
  try {
    const all = await createTopics(node.endpoint, {
      count: options.topics + (beside ? 1 : 0),
      durability: options.durability,
    });
    const ids = all.ids.slice(0, options.topics);
    const topics = { ...all, ids, range: ranges(ids) };
    try {
      await fill(session, { ...options, topics: all.ids.length }, node, all);
      if (beside) bare = await pipelineOver(session, node, dir, all);
      if (!options.endpoint && !signal.aborted) {
        // What the node still has in memory is forgotten; it reads past the page cache.
        observer.part('starting the node anew', 2);
        await node.stop();
        // First in every other run, since whoever comes second may find the disk otherwise; and where more is read, which would come between.
        if (bare && (number % 2 === 1 || options.modes.length > 1)) {
          logBytes = await bare();
          // Once: what was read is no longer cold.
          bare = undefined;
        }
        node = await open();
      }
      for (const mode of options.modes) {
        if (signal.aborted) break;
        observer.part(`consume: ${mode}`, options.durationMs / 1000);
        passes[mode] =
          mode === 'tail'
            ? await tail(session, options, node, topics)
            : await catchUp(session, options, node, topics);
      }
    } finally {
      if (options.endpoint) await all.remove();
    }
  } finally {
    await node.stop();
  }
  logBytes ??= bare ? await bare() : null;
  return { passes, logBytes };
}

/** Whether another log is filled for the floor: beside a cold read of a node of ours, where there is room for it. */
function wantsLogBeside(session: Session, options: ConsumeOptions): boolean {
  const { floor, endpoint, modes, logBytes, recordSize, topics } = options;
  if (!floor || endpoint || !modes.includes('cold')) return false;
  const perByte = LOG_OVERHEAD + RECORD_HEADER_BYTES / recordSize;
  const fits = logBytes * (topics + 1) * perByte + RESERVE_BYTES < session.workspace.free();
  if (!fits) {
    session.note(
      'The disk has no room for a log beside: the floor of the cold read is the file of the floors.',
    );
  }
  return fits;
}

/** The bare pipeline over the last of these topics, which nobody has read; null, with a note, where it cannot read it. */
async function pipelineOver(
  { observer, signal, note }: Session,
  node: NodeUnderTest,
  dir: string,
  { ids, names }: BenchTopics,
): Promise<() => Promise<number | null>> {
  const { bytes } = await describe(node.endpoint, ids.at(-1) ?? 0);
  return async () => {
    observer.part('floor: bare pipeline over a log', 1);
    try {
      return await readLog(`${dir}/segments/${names.at(-1)}`, bytes, signal);
    } catch (error) {
      // What was measured of the node counts without it, too.
      if (!(error instanceof BenchError)) throw error;
      if (!signal.aborted) {
        note(
          'The log beside could not be read as one: the floor of the cold read is the file of the floors.',
        );
      }
      return null;
    }
  };
}

async function fill(
  session: Session,
  options: ConsumeOptions,
  node: NodeUnderTest,
  topics: BenchTopics,
): Promise<void> {
  if (options.modes.every((mode) => mode === 'tail')) return;
  session.observer.part('filling the log', 5);
  await fillLog(session, options, node, topics, options.logBytes);
}

/** Fills each topic with so many bytes, as fast as the node takes them. */
export async function fillLog(
  { observer, signal }: Pick<Session, 'observer' | 'signal'>,
  { recordSize, batchBytes, topics: count }: BenchOptions,
  node: NodeUnderTest,
  topics: BenchTopics,
  bytes: number,
): Promise<void> {
  const told = await play(
    'ingest',
    {
      endpoint: node.endpoint,
      'topic-ids': topics.range,
      connections: 4,
      'record-size': recordSize,
      'batch-bytes': batchBytes,
      warmup: 0,
      seconds: 3_600,
      'max-bytes': bytes * count,
    },
    { signal },
  ).result;
  const first = told.firstError as { code: number; message: string } | null;
  if (first) observer.note(`Filling ended early: ${first.message}.`);
}

async function describe(endpoint: string, topic: number): Promise<TopicDescription> {
  const admin = await Admin.open({ endpoint, clientName: 'lance-bench' });
  try {
    return await admin.describeTopic(topic);
  } finally {
    admin.close();
  }
}

async function catchUp(
  { observer, signal }: Session,
  options: ConsumeOptions,
  node: NodeUnderTest,
  topics: BenchTopics,
): Promise<Run> {
  const found = await Promise.all(topics.ids.map((id) => describe(node.endpoint, id)));
  const { run } = await read(
    'catch-up',
    {
      endpoint: node.endpoint,
      'topic-ids': topics.range,
      connections: options.connections,
      to: Math.min(...found.map(({ endOffset }) => endOffset)),
      seconds: options.durationMs / 1000,
    },
    node,
    observer,
    signal,
  );
  return run;
}

async function tail(
  { observer, signal }: Session,
  options: ConsumeOptions,
  node: NodeUnderTest,
  topics: BenchTopics,
): Promise<Run & { ack: Quantiles }> {
  const [topic = 0] = topics.ids;
  const run = await read(
    'tail',
    {
      endpoint: node.endpoint,
      'topic-ids': topic,
      from: (await describe(node.endpoint, topic)).endOffset,
      connections: options.connections,
      'record-size': options.recordSize,
      rate: options.rate === 'max' ? 5_000 : options.rate,
      arrivals: options.arrivals,
      spin: spins(options) ? 1 : 0,
      warmup: options.warmupMs / 1000,
      seconds: options.durationMs / 1000,
    },
    node,
    observer,
    signal,
  );
  return { ...run.run, ack: run.told.ack as Quantiles };
}

/** Runs a native reader and makes a run of what it tells. */
async function read(
  scenario: string,
  flags: Record<string, string | number>,
  node: NodeUnderTest,
  observer: Observer,
  signal: AbortSignal,
): Promise<{ run: Run; told: Record<string, unknown> }> {
  const timeline: Moment[] = [];
  const look = () => ({
    node: node.pid === undefined ? undefined : processCpu(node.pid),
    machine: machineCpu(),
  });
  const ends: ReturnType<typeof look>[] = [];
  const told = await play(scenario, flags, {
    signal,
    on: (event) => {
      if (event.event === 'measuring' || event.event === 'measured') ends.push(look());
      if (event.event !== 'progress') return;
      const moment = momentOf(event);
      timeline.push(moment);
      observer.moment(moment);
    },
  }).result;
  const [before, after] = ends;
  const used =
    before?.node === undefined || after?.node === undefined ? null : Math.max(0, after.node - before.node);
  const generator = Number(told.cpuSeconds);
  const throughput = told.throughput as Throughput;
  const seconds = Number(told.seconds);
  const run: Run = {
    seconds,
    throughput,
    latency: told.latency as Quantiles,
    service: told.latency as Quantiles,
    lateness: { p50: null, p90: null, p99: null, p999: null, max: null, count: 0 },
    stages: null,
    own: null,
    errors: Number(told.errors),
    firstError: null,
    shortfall: 0,
    unanswered: Number(told.undelivered ?? 0),
    cpu: {
      node: used,
      generator,
      other: before && after ? Math.max(0, after.machine.busy - before.machine.busy - generator) : 0,
      stolen: before && after ? after.machine.stolen - before.machine.stolen : 0,
      bytesPerNodeSecond: used ? (throughput.bytes * seconds) / used : null,
    },
    residentBytes: residentBytes(node.pid),
    curve: told.curve as Curve,
    serviceCurve: told.curve as Curve,
    timeline,
    broken: (told.broken as string | null | undefined) ?? null,
    interrupted: told.interrupted === true,
  };
  return { run, told };
}
