import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { discardKey, type Finding } from '../engine/index.js';
import { siblingOf } from './names.js';
import { ProblemList } from './problems.js';
import { problemKind, recover } from './rehearsal.js';
import type { FileReport } from './report.js';

/** What a start of the node would do with a data directory. */
export interface StartForecast {
  dataDir: string;
  findings: Finding[];
  /** What would stop it. */
  refusal: { message: string; hint: string } | undefined;
}

/**
 * Lays what a start of the node would say over the reports of a data directory that no node runs on: recovery sees all
 * files together and the journal, so it knows whether an end is torn, damaged, or merely not brought into its segment yet.
 * What it says of a file that has no report is added as one where all of the directory was asked for (`whole`).
 */
export async function foresee(
  dataDir: string,
  reports: FileReport[],
  whole: boolean,
): Promise<StartForecast> {
  const own = reports.filter((report) => report.dataDir === dataDir);
  const outcome = await recover(dataDir, true);
  if (!outcome) return { dataDir, findings: [], refusal: undefined };
  const refusal = outcome.error;
  if (!refusal) {
    for (const report of own) acquit(report);
    for (const finding of outcome.findings) {
      const made = blame(dataDir, finding, own);
      if (made && whole) reports.push(made);
    }
  }
  // That files are no data explains whatever else is wrong with them.
  const explains =
    own.every(({ problems }) => problems.list.length === 0) || discardKey(dataDir) !== undefined;
  if (refusal && whole && explains) {
    const node = own.find(({ kind }) => kind === 'node') ?? own[0];
    node?.problems.add('refused', 0, `a start refuses this directory: ${refusal.message}`);
  }
  return { dataDir, findings: outcome.findings, refusal };
}

/** A torn end, or none at all, is a problem only if recovery says so: else the journal has the rest. */
function acquit(report: FileReport): void {
  const torn = report.problems.list.findIndex(({ kind }) => kind === 'torn' || kind === 'empty');
  if (torn < 0) return;
  const [problem] = report.problems.list.splice(torn, 1);
  report.note = `the journal has what is missing behind byte ${problem?.at}; the next start brings it into the segment`;
}

function blame(dataDir: string, finding: Finding, reports: FileReport[]): FileReport | undefined {
  const kind = problemKind(finding);
  if (kind === undefined) return undefined;
  const path = join(dataDir, finding.path);
  const at = finding.at === undefined || finding.at === null ? 0 : Number(finding.at);
  const report =
    reports.find((one) => join(one.path) === path) ??
    reports.find((one) => one.kind === 'segment' && siblingOf(join(one.path), 'idx') === path);
  if (report) {
    const known = report.problems.list.some(
      (one) => one.kind === kind && (one.at === at || kind === 'index'),
    );
    if (!known) report.problems.add(kind, at, future(finding.detail));
    delete report.note;
    return undefined;
  }
  const made: FileReport = {
    path,
    kind: 'kept',
    fileBytes: 0,
    problems: new ProblemList(),
    dataDir,
    topicDir: undefined,
  };
  made.problems.add(kind, at, future(finding.detail));
  return made;
}

/** Recovery says what it did; here it is what a start would do. */
function future(detail: string): string {
  return `by the next start: ${detail}`;
}

/** Topic directories without metadata.json, and a data directory without node.json: files that should be there. */
export function missingFiles(dataDir: string): string[] {
  const segments = join(dataDir, 'segments');
  const missing = existsSync(join(dataDir, 'node.json')) ? [] : [join(dataDir, 'node.json')];
  if (!existsSync(segments)) return missing;
  const topics = readdirSync(segments, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && !entry.name.includes('~'),
  );
  const without = topics
    .map((entry) => join(segments, entry.name, 'metadata.json'))
    .filter((path) => !existsSync(path));
  return [...missing, ...without];
}
