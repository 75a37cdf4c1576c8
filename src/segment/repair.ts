import { existsSync } from 'node:fs';
import { lockDirectory, rebuildIndex } from '../engine/index.js';
import { collect, isDataDir } from './collect.js';
import { cutTail, keptName, moveAside } from './cut.js';
import { SegmentError, unreadable } from './errors.js';
import { type Inspection, inspectPaths } from './inspect.js';
import type { Problem } from './problems.js';
import { INDEX_EVERY_BYTES, recover } from './rehearsal.js';
import type { FileReport } from './report.js';
import { lockHolder } from './running.js';

/** One thing that a repair does. */
export interface RepairStep {
  path: string;
  /**
   * `recover`: what a start of the node does with the directory; `cut`: a torn end; `index`: written anew; `aside`: a copy of
   * the counters that cannot be read gets another name, and a node writes it anew.
   */
  action: 'recover' | 'cut' | 'index' | 'aside';
  /** Byte position, where there is one. */
  at: number;
  detail: string;
}

/** What a repair would do, and what it leaves alone because it is damage. */
export interface RepairPlan {
  steps: RepairStep[];
  /** Problems that are neither torn nor derived. */
  left: (Problem & { path: string })[];
}

const REPAIRABLE = new Set(['torn', 'index', 'empty']);

/**
 * What can be repaired below `path`: torn ends and derived files, never damage. Changes nothing. Throws SegmentError, also
 * when a node holds the LOCK.
 */
export async function planRepair(path: string): Promise<RepairPlan> {
  refuseWhileRunning(path);
  const inspection = await inspectPaths([path]);
  const steps = isDataDir(path) ? await recoverySteps(path, inspection) : [];
  const problems = inspection.reports.flatMap((report) =>
    report.problems.all().map((one) => ({ report, one })),
  );
  for (const { report } of new Map(
    problems.filter(({ one }) => one.kind === 'index').map((item) => [item.report.path, item]),
  ).values()) {
    const covered = steps.some(
      (step) => step.action === 'recover' && step.path.startsWith(report.path.replace(/lnc$/, '')),
    );
    if (report.kind === 'segment' && report.segment?.scan.first && !covered)
      steps.push({
        path: report.path,
        action: 'index',
        at: 0,
        detail: 'both indexes are written anew from the segment',
      });
  }
  if (!isDataDir(path)) {
    for (const { report, one } of problems) {
      if (one.kind !== 'torn' || report.kind !== 'segment') continue;
      const detail = `bytes from here on are kept in ${keptName(report.path, one.at)}, then zeroed: ${one.detail}`;
      steps.push({ path: report.path, action: 'cut', at: one.at, detail });
    }
  }
  for (const { path: counters, kind, problems: found } of inspection.reports) {
    const [why] = found.list;
    if (kind === 'counters' && why && why.kind !== 'read')
      steps.push({
        path: counters,
        action: 'aside',
        at: why.at,
        detail: `${why.detail}; kept as ${counters}.~damaged`,
      });
  }
  const left = problems
    .filter(
      ({ one, report }) => !REPAIRABLE.has(one.kind) && !steps.some((step) => covers(step, report, one)),
    )
    .map(({ report, one }) => ({ path: report.path, ...one }));
  return { steps: steps.sort((a, b) => ORDER[a.action] - ORDER[b.action]), left };
}

const ORDER = { recover: 0, cut: 1, index: 2, aside: 3 };

function covers({ action, path, at }: RepairStep, report: FileReport, problem: Problem): boolean {
  return (action === 'recover' || action === 'aside') && path === report.path && at === problem.at;
}

/** Findings of a rehearsed start, those of damage aside, which changes nothing but that the topic is closed to writes. */
async function recoverySteps(dataDir: string, { forecasts }: Inspection): Promise<RepairStep[]> {
  for (const { refusal } of forecasts) if (refusal) throw refused(refusal);
  return forecasts.flatMap(({ findings }) =>
    findings
      .filter(({ code }) => code !== 'damage')
      .map(({ path, at, detail }) => ({
        path: `${dataDir.replace(/\/$/, '')}/${path}`,
        action: 'recover' as const,
        at: at === undefined || at === null ? 0 : Number(at),
        detail,
      })),
  );
}

/** Carries the plan out, under the LOCK where there is one. Everything is flushed before it returns. */
export async function carryOut(path: string, { steps }: RepairPlan): Promise<void> {
  for (const dataDir of collect([path]).dataDirs) takeLock(dataDir);
  if (steps.some(({ action }) => action === 'recover')) {
    const outcome = await recover(path, false);
    if (outcome?.error) throw refused(outcome.error);
  }
  for (const { action, path: segment, at } of steps) {
    if (action === 'cut') await cutTail(segment, at);
    // Recovery may have given it its final name, with an index.
    else if (action === 'index' && existsSync(segment)) await writeIndex(segment);
    else if (action === 'aside') await moveAside(segment);
  }
}

async function writeIndex(segment: string): Promise<void> {
  const { error } = await rebuildIndex(segment, INDEX_EVERY_BYTES);
  if (error) throw refused(error);
}

function refused({ message, hint }: { message: string; hint: string }): SegmentError {
  return new SegmentError(`It cannot be repaired: ${message}.`, { code: 'NOT_REPAIRABLE', hint });
}

function refuseWhileRunning(path: string): void {
  for (const dataDir of collect([path]).dataDirs) {
    const holder = lockHolder(dataDir);
    if (holder !== undefined) throw inUse(dataDir, holder);
  }
}

function takeLock(dataDir: string): void {
  const lock = lockDirectory(dataDir);
  if (lock.kind === 'held') throw inUse(dataDir, lock.pid);
  if (lock.kind === 'failed') throw unreadable(`${dataDir}/LOCK`, new Error(lock.message));
}

function inUse(dataDir: string, pid: number | undefined): SegmentError {
  return new SegmentError(`A node runs on ${dataDir}${pid === undefined ? '' : ` (process ${pid})`}.`, {
    code: 'DATA_DIR_IN_USE',
    hint: 'Stop it first: a repair changes files under its hands. A start repairs torn ends by itself; `lance segment verify` works beside it.',
  });
}
