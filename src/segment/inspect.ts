import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compareSegments } from './between.js';
import { type Collected, collect, isDataDir } from './collect.js';
import { confirmProblems } from './confirm.js';
import { foresee, missingFiles, type StartForecast } from './data-directory.js';
import { type LookOptions, lookAt } from './look.js';
import { ProblemList } from './problems.js';
import type { FileReport } from './report.js';
import { lockHolder } from './running.js';

/** What was found in all the paths. */
export interface Inspection {
  /** In path order. */
  reports: FileReport[];
  /** Data directories on which a node runs, with its process id. */
  running: Map<string, number>;
  /** What a start would say of the others. */
  forecasts: StartForecast[];
}

/** What `inspectPaths` is told. */
export interface InspectOptions {
  onProgress?: LookOptions['onProgress'];
}

/**
 * Looks at files and whole directories and says everything that does not hold; changes nothing, takes no lock, and may be
 * used beside a running node. Throws SegmentError for a path that is no LANCE file by its name, or cannot be read.
 */
export async function inspectPaths(
  paths: readonly string[],
  { onProgress }: InspectOptions = {},
): Promise<Inspection> {
  const collected = collect(paths);
  const running = new Map<string, number>();
  for (const dataDir of collected.dataDirs) {
    const holder = lockHolder(dataDir);
    if (holder !== undefined) running.set(dataDir, holder);
  }
  const reports: FileReport[] = [];
  const isRunning = (dataDir: string) => running.has(dataDir);
  for await (const report of lookAt(collected, { onProgress, isRunning })) reports.push(report);
  for (const dataDir of collected.dataDirs) reports.push(...absent(dataDir, paths, collected));
  compareSegments(reports);
  await confirmProblems(reports, isRunning);
  sameIds(reports);
  const forecasts: StartForecast[] = [];
  for (const dataDir of collected.dataDirs) {
    // A node that stopped or started meanwhile: what was read is neither, and is left as it was seen.
    if (!running.has(dataDir) && lockHolder(dataDir) === undefined && existsSync(join(dataDir, 'segments')))
      forecasts.push(await foresee(dataDir, reports, whole(dataDir, paths)));
  }
  reports.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return { reports, running, forecasts };
}

/** Whether all of a data directory was asked for. */
function whole(dataDir: string, paths: readonly string[]): boolean {
  return paths.some((path) => join(path, '.') === join(dataDir, '.') && isDataDir(path));
}

/** Reports of files that should be there; only where the whole directory was asked for. */
function absent(dataDir: string, paths: readonly string[], collected: Collected): FileReport[] {
  if (!whole(dataDir, paths)) return [];
  const seen = new Set(collected.files.map(({ path }) => path));
  return missingFiles(dataDir)
    .filter((path) => !seen.has(path))
    .map((path) => {
      const isNode = path.endsWith('node.json');
      const problems = new ProblemList();
      const detail = isNode
        ? 'the file is missing: a start makes a new one, with another cluster id'
        : 'the file is missing: a start takes id and epoch from the first batch, retention and durability are lost';
      problems.add('missing', 0, detail);
      return {
        path,
        kind: isNode ? 'node' : 'metadata',
        fileBytes: 0,
        problems,
        dataDir,
        topicDir: undefined,
      } as const;
    });
}

/** Two topics with one id: a node refuses to start. */
function sameIds(reports: readonly FileReport[]): void {
  const seen = new Map<string, string>();
  for (const { kind, document, path, problems, dataDir } of reports) {
    const id = (document as { id?: unknown } | undefined)?.id;
    if (kind !== 'metadata' || typeof id !== 'number' || dataDir === undefined) continue;
    const other = seen.get(`${dataDir} ${id}`);
    if (other === undefined) seen.set(`${dataDir} ${id}`, path);
    else problems.add('duplicate', 0, `topic id ${id} is ${other}'s already; a node refuses to start`);
  }
}
