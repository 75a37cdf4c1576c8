import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchError } from './errors.js';
import { type MeasuredFloor, measureFloor, medianFloor, medianQuantiles } from './floor.js';
import { arrivalTimes, idealGroupCommit, quantilesOf } from './group-commit.js';
import { describeMachine } from './machine.js';
import { type NodeUnderTest, nodeAt, startNode } from './node-under-test.js';
import type { Observer } from './observer.js';
import { type BenchOptions, checkOptions, configDocument } from './options.js';
import { ratioOf } from './ratio.js';
import { type BenchResult, type Floor, type Run, STAGES, type Stages } from './result.js';
import { median } from './statistics.js';
import { time } from './units.js';
import { openWorkspace, type Workspace } from './workspace.js';

/** Longest that floors take beside a scenario, and shortest that tells anything, seconds. */
const FLOOR_SECONDS = { least: 2, most: 20 };
/** Requests that an ideal group commit is replayed for, at most. */
const REPLAYED = 1_000_000;
/** Space to be left on the disk: what a node keeps free by default, and the floor's file. */
export const RESERVE_BYTES = 1.5 * 2 ** 30;
/** What a log takes on the disk for a byte in it, batches and what is reserved counted. */
export const LOG_OVERHEAD = 1.1;
/** More than any device here writes, bytes a second: whether a log of the whole run would fit. */
const FASTEST_BYTES = 3e9;

/** A bench under way: a folder, a node, who watches and who may end it. */
export interface Session {
  workspace: Workspace;
  options: BenchOptions;
  observer: Observer;
  signal: AbortSignal;
  notes: string[];
  note(text: string): void;
}

/** Opens the folder, does the work, and removes the folder however that ended. */
export async function inSession<T>(
  options: BenchOptions,
  observer: Observer,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  checkOptions(options);
  const workspace = openWorkspace(options.dataDir);
  const notes: string[] = [];
  const note = (text: string): void => {
    if (notes.includes(text)) return;
    notes.push(text);
    observer.note(text);
  };
  try {
    return await work({ workspace, options, observer, signal, notes, note });
  } finally {
    workspace.remove();
  }
}

/**
 * Starts the node, or finds the one that `--endpoint` names, and stops it in the end; what a node of ours stored is removed with
 * it. Work that puts another node in its place says so through `replace`.
 */
export async function withNode<T>(
  session: Session,
  work: (node: NodeUnderTest, replace: (node: NodeUnderTest) => NodeUnderTest) => Promise<T>,
): Promise<T> {
  const { options, observer, workspace } = session;
  if (options.discard) session.note('The node stored nothing: its engine was measured without its disk.');
  observer.part(options.endpoint ? 'connecting' : 'starting a node', 1);
  const dir = `${workspace.path}/node`;
  let node = options.endpoint ? await nodeAt(options.endpoint) : await startNode(dir, options);
  try {
    return await work(node, (next) => {
      node = next;
      return next;
    });
  } finally {
    await node.stop();
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * What each topic may keep, so that a run of any length fits the disk; 0 where the whole log surely does. What retention costs
 * is then part of the result, and said.
 */
export function topicLimit(session: Session): number {
  const { options, workspace } = session;
  if (options.endpoint) return 0;
  const room = workspace.free() - RESERVE_BYTES;
  const seconds = ((options.durationMs + options.warmupMs) / 1000) * options.repeat;
  if (seconds * FASTEST_BYTES < room) return 0;
  session.note(
    `The disk may be too small for the whole log: each topic keeps ${Math.round(room / 2 / options.topics / 2 ** 20)} MiB.`,
  );
  return Math.max(2 ** 20, Math.floor(room / 2 / options.topics));
}

/** Floors beside a scenario: a whole grid the first time, what was best in it later on. */
export class Floors {
  readonly all: MeasuredFloor[] = [];

  constructor(
    private readonly session: Session,
    /** What is measured beyond what every scenario is held against, and for how long the whole grid: by a run's length unless told. */
    private readonly wanted: { reading?: boolean; appending?: boolean; seconds?: number } = {},
  ) {}

  async measure(): Promise<void> {
    const { options, observer, signal, workspace } = this.session;
    if (!options.floor || signal.aborted) return;
    const { least, most } = FLOOR_SECONDS;
    const { reading = false, appending = false, seconds } = this.wanted;
    const whole = seconds ?? Math.min(most, Math.max(least, options.durationMs / 1000));
    const [first] = this.all;
    const floor = await measureFloor(
      {
        dir: workspace.path,
        seconds: first ? whole / 2 : whole,
        free: workspace.free(),
        options,
        reading,
        appending,
        known: first?.policies,
      },
      observer,
      signal,
    );
    // Half a measurement is none.
    if (!signal.aborted) this.all.push(floor);
  }

  /** Medians, with the ideal group commit of the options' arrivals replayed over the times of the first. */
  result(): Floor | null {
    const floor = medianFloor(this.all);
    const { rate, arrivals, durability, durationMs } = this.session.options;
    const [first] = this.all;
    if (!floor || !first || rate === 'max') return floor;
    const times = arrivalTimes(
      Math.min(REPLAYED, Math.max(1_000, (rate * durationMs) / 1000)),
      rate,
      arrivals,
    );
    const flushes = durability === 'durable' ? first.times.sync : first.times.write;
    return { ...floor, groupCommit: quantilesOf(idealGroupCommit(times, flushes, first.times.roundTrip)) };
  }
}

/** Throws when a run, one of the result's or of `more`, was cut short by what a person has to know as an error; `result` goes along. */
export function checkRuns(result: BenchResult, more: readonly Run[] = []): void {
  const runs = [...result.runs, ...more];
  const refused = runs.find(({ firstError }) => firstError?.code === 0x61);
  const broken = runs.find((run) => run.broken !== null);
  if (!refused && !broken) return;
  const error = refused
    ? new BenchError(`The node could not store what it was sent: ${refused.firstError?.message}.`, {
        code: 'DISK_FULL',
        hint: 'What was measured until then is shown. Make room, or name a larger file system with --data-dir.',
      })
    : new BenchError(`The run ended early: ${broken?.broken}.`, {
        code: 'RUN_BROKEN',
        hint: 'What was measured until then is shown. See the log of the node.',
      });
  error.data = { ...result };
  throw error;
}

/** What was measured, as medians over the runs and beside the floors. */
export function assemble(
  session: Session,
  scenario: string,
  began: { at: string; command: string },
  runs: Run[],
  floor: Floor | null,
): BenchResult {
  const { options, workspace, signal } = session;
  const of = (pick: (run: Run) => number | null): number =>
    median(runs.map(pick).filter((v) => v !== null)) ?? 0;
  const throughput = { records: of((r) => r.throughput.records), bytes: of((r) => r.throughput.bytes) };
  const latency = medianQuantiles(runs.map((run) => run.latency));
  const stages = runs.map((run) => run.stages).filter((one) => one !== null);
  const own = runs.map((run) => run.own).filter((one) => one !== null);
  remark(session, runs);
  const bytesPerNodeSecond = runs.some((r) => r.cpu.node === null)
    ? null
    : of((r) => r.cpu.bytesPerNodeSecond);
  return {
    scenario,
    ...began,
    seconds: of((run) => run.seconds),
    config: configDocument(options),
    throughput,
    latency,
    service: medianQuantiles(runs.map((run) => run.service)),
    stages:
      stages.length === 0
        ? null
        : (Object.fromEntries(
            STAGES.map((name) => [name, medianQuantiles(stages.map((one) => one[name]))]),
          ) as Stages),
    own: own.length === 0 ? null : medianQuantiles(own),
    floor,
    ratio:
      floor && runs.length > 0 ? ratioOf({ throughput, latency, bytesPerNodeSecond }, floor, options) : null,
    cpu:
      runs.length === 0
        ? null
        : {
            node: runs.some((run) => run.cpu.node === null) ? null : of((run) => run.cpu.node),
            generator: of((run) => run.cpu.generator),
            other: of((run) => run.cpu.other),
            stolen: of((run) => run.cpu.stolen),
            bytesPerNodeSecond,
          },
    errors: runs.reduce((sum, run) => sum + run.errors, 0),
    shortfall: of((run) => run.shortfall),
    machine: describeMachine(workspace.path),
    runs,
    interrupted: signal.aborted,
    notes: session.notes,
  };
}

/** A generator that is late by this share of the latency itself is part of the figure. */
const LATE_SHARE = 0.25;
/** A host that keeps this share of the CPUs' time for itself is part of the figure, too. */
const STOLEN_SHARE = 0.01;

function remark(session: Session, runs: readonly Run[]): void {
  const { options } = session;
  const measured = runs.reduce((sum, { seconds }) => sum + seconds, 0) * availableParallelism();
  const stolen = runs.reduce((sum, { cpu }) => sum + cpu.stolen, 0) / Math.max(measured, 1e-3);
  if (stolen > STOLEN_SHARE) {
    session.note(
      `The host of this virtual machine took its CPUs away for ${(stolen * 100).toFixed(1)} % of the measured time (steal): long latencies are the host's, too. Compare with the bare pipeline's.`,
    );
  }
  for (const { shortfall, seconds, firstError, lateness, latency } of runs) {
    if (shortfall > 0 && options.rate !== 'max' && seconds > 0) {
      const reached = Math.round(options.rate - shortfall).toLocaleString('en-US');
      session.note(
        `The rate of ${options.rate.toLocaleString('en-US')} records/s was not reached: ${reached} were acknowledged a second.`,
      );
    }
    if (firstError) session.note(`The node refused frames: ${firstError.message}.`);
    const ownShare = (lateness.p99 ?? 0) / Math.max(1, latency.p99 ?? 0);
    if (options.rate !== 'max' && shortfall === 0 && ownShare > LATE_SHARE) {
      session.note(
        `The generator itself was late (p99 ${time(lateness.p99)}): it shares its CPU with something.`,
      );
    }
  }
}

/** What a result says of its beginning. */
export function begin(): { at: string; command: string } {
  return { at: new Date().toISOString(), command: ['lance', ...process.argv.slice(2)].join(' ') };
}

/** Lets a device that was just written to settle. */
export async function settle(signal: AbortSignal): Promise<void> {
  await sleep(200, undefined, { signal }).catch(() => undefined);
}
