import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareSegments } from './between.js';
import { collect } from './collect.js';
import { lookAt } from './look.js';
import { parseSegmentName, siblingOf } from './names.js';
import type { Problem } from './problems.js';
import type { FileReport } from './report.js';

/** A seal renames three files with flushes in between: by then it is through, ms. */
const SEAL_MS = 500;

/**
 * Beside a running node a look takes time, and files are renamed, made and removed in it: a segment without its index, or a
 * gap where one was removed, may be nothing but that. What was found in such a topic's segments counts only if a second
 * look at its directory finds it too; damage stays where it is. Takes the other problems out of the reports.
 */
export async function confirmProblems(
  reports: readonly FileReport[],
  isRunning: (dataDir: string) => boolean,
): Promise<void> {
  const doubtful = reports.filter(
    ({ kind, problems, dataDir, topicDir }) =>
      (kind === 'segment' || kind === 'index') &&
      problems.list.length > 0 &&
      topicDir !== undefined &&
      dataDir !== undefined &&
      isRunning(dataDir),
  );
  if (doubtful.length === 0) return;
  await sleep(SEAL_MS);
  const folders = new Set(doubtful.map(({ topicDir }) => topicDir as string).filter(existsSync));
  const seen: FileReport[] = [];
  for await (const report of lookAt(collect([...folders]), { isRunning })) seen.push(report);
  compareSegments(seen);
  const confirmed = new Set(seen.flatMap((report) => report.problems.list.map((one) => keyOf(report, one))));
  for (const report of doubtful) {
    const { list } = report.problems;
    list.splice(0, list.length, ...list.filter((one) => confirmed.has(keyOf(report, one))));
  }
}

/** A problem by topic, segment and place: sealing changes the file's name. */
function keyOf({ kind, path, topicDir }: FileReport, problem: Problem): string {
  const offset = parseSegmentName(siblingOf(path, 'lnc'))?.baseOffset ?? path;
  return [topicDir, kind, offset, problem.kind, problem.at].join(' ');
}
