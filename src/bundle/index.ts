import { readFileSync, statSync } from 'node:fs';
import { arch, cpus, hostname, release, totalmem, type } from 'node:os';
import { basename, join } from 'node:path';
import { type Examined, formatAddress, inForce } from '../config/index.js';
import { ExitCode, LanceError } from '../errors.js';
import { writeArchive } from './archive.js';
import { json, readNodeFiles } from './data-directory.js';
import { redact } from './redact.js';

export { redact } from './redact.js';

/** What a bundle is made from. */
export interface BundleRequest {
  /** Where the archive goes; it must not be there yet. */
  output: string;
  dataDir: string;
  /** Where the node answers; undefined where the data directory and the configuration tell. */
  admin?: string | undefined;
  examined: Examined;
  version: string;
  /** The topology document of this machine. */
  topology: () => unknown;
}

/** What was written. */
export interface Bundle {
  path: string;
  bytes: number;
  node: 'running' | 'hangs' | 'gone' | 'unknown';
  /** Names in the archive. */
  files: string[];
  /** What could not be had, one sentence each. */
  problems: string[];
}

/** What the admin endpoint is asked, and how long, ms. */
const QUESTIONS = ['healthz', 'readyz', 'v1/topics', 'metrics'];
const PATIENCE_MS = 3_000;

/**
 * Writes one archive about a node for somebody who is not there: configuration without secrets, counters, topology,
 * segments by name and size, last logs, versions. What cannot be had is noted in it. No record is read. Throws LanceError
 * when there is neither a data directory nor a node, or the archive cannot be written.
 */
export async function writeBundle(request: BundleRequest): Promise<Bundle> {
  const { output, dataDir, examined, version } = request;
  const found = readNodeFiles(dataDir);
  const { files, problems } = found;
  const admin = request.admin ?? adminOf(dataDir) ?? formatAddress(examined.config.admin.bind);
  const answers = await ask(admin, problems);
  if (answers.size === 0 && found.state === 'unknown' && !files.has('node.json')) {
    throw new LanceError(
      `There is no node here: ${dataDir} is no data directory, and the admin endpoint does not answer.`,
      {
        code: 'NO_NODE',
        hint: 'Name the directory with --data-dir, or the configuration file with -c.',
      },
    );
  }
  for (const [name, text] of answers) files.set(`admin/${name.replace('/', '-')}`, text);
  const { file, problems: misconfigured, notActive } = examined;
  files.set('config.json', json({ file, values: inForce(examined), problems: misconfigured, notActive }));
  try {
    files.set('topology.json', json(request.topology()));
  } catch (error) {
    problems.push(`topology: ${error instanceof Error ? error.message : String(error)}`);
  }
  files.set('bundle.json', json({ ...versions(version), dataDir, node: found.state, problems }));
  const clean = new Map([...files].map(([name, text]) => [name, redact(text)]));
  try {
    await writeArchive(output, basename(output).replace(/\.tar\.gz$|\.tgz$/, ''), clean);
  } catch (error) {
    throw unwritable(output, error);
  }
  return {
    path: output,
    bytes: statSync(output).size,
    node: found.state,
    files: [...clean.keys()].sort(),
    problems,
  };
}

/** Where the node said that it answers: it may have been started with another configuration, or with any free port. */
function adminOf(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, 'admin.address'), 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/** What the admin endpoint says, where it answers at all. */
async function ask(admin: string, problems: string[]): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  for (const question of QUESTIONS) {
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const response = await fetch(`http://${admin}/${question}`, { signal });
      answers.set(question, await response.text());
    } catch {
      problems.push(`the admin endpoint ${admin} does not answer /${question}`);
      break;
    }
  }
  return answers;
}

function versions(lance: string) {
  return {
    at: new Date().toISOString(),
    lance,
    node: process.version,
    system: { type: type(), release: release(), arch: arch(), hostname: hostname() },
    cpus: cpus().length,
    memoryBytes: totalmem(),
  };
}

function unwritable(path: string, error: unknown): LanceError {
  const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
  const why = error instanceof Error ? error.message : String(error);
  return new LanceError(exists ? `${path} is there already.` : `${path} cannot be written: ${why}.`, {
    code: exists ? 'FILE_EXISTS' : 'FILE_UNWRITABLE',
    hint: 'Name another file with --output.',
    exitCode: ExitCode.failed,
    cause: error,
  });
}
