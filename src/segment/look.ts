import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { CountersError, readCounters } from '../counters/index.js';
import { inspectChunk } from '../engine/index.js';
import { type Collected, dataDirOf, type Found } from './collect.js';
import { errorCode, SegmentError } from './errors.js';
import { checkIndex } from './index-file.js';
import { keptPosition, parseSegmentName, siblingOf } from './names.js';
import { withFile } from './open.js';
import { ProblemList } from './problems.js';
import type { FileReport } from './report.js';
import { type Owner, scanSegment } from './scan.js';
import {
  type Metadata,
  readMetadata,
  readNode,
  readOffsets,
  readQuarantine,
  readStart,
} from './small-files.js';

/** Most bytes of a file that is read whole. */
const SMALL_FILE = 64 * 1024 * 1024;

/** What looking at files is told. */
export interface LookOptions {
  /** Told how far a segment is read. */
  onProgress?: ((path: string, bytes: number, fileBytes: number) => void) | undefined;
  /** Whether a node runs on a data directory. */
  isRunning: (dataDir: string) => boolean;
}

/**
 * Reads the files in path order. Indexes beside a segment that is read too are part of its report. Several are read at once,
 * but one by one beside a node, which needs the processor more.
 */
export async function* lookAt(
  { files, dataDirs }: Collected,
  options: LookOptions,
): AsyncGenerator<FileReport, void, undefined> {
  const segments = new Set(files.filter(({ kind }) => kind === 'segment').map(({ path }) => path));
  const owners = new Map<string, Owner | undefined>();
  const atOnce = dataDirs.some((dir) => options.isRunning(dir))
    ? 1
    : Math.min(availableParallelism(), MOST_AT_ONCE);
  const looks: Promise<FileReport | undefined>[] = [];
  for (const found of files) {
    if (found.kind === 'index' && !found.named && segments.has(siblingOf(found.path, 'lnc'))) continue;
    if (looks.length === atOnce) yield* reported(await looks.shift());
    const look = lookAtOne(found, owners, dataDirs, options);
    // A failure is thrown in its turn, when its report would have come.
    look.catch(() => undefined);
    looks.push(look);
  }
  for (const look of looks) yield* reported(await look);
}

/** Files looked at together; libuv has four threads. */
const MOST_AT_ONCE = 4;

function reported(report: FileReport | undefined): FileReport[] {
  return report ? [report] : [];
}

async function lookAtOne(
  found: Found,
  owners: Map<string, Owner | undefined>,
  dataDirs: readonly string[],
  options: LookOptions,
): Promise<FileReport | undefined> {
  const { path, kind } = found;
  const dataDir = dataDirs.find((dir) => dir !== '' && isBelow(path, dir)) ?? dataDirOf(path);
  const topicDir =
    existsSync(join(dirname(path), 'metadata.json')) || basename(dirname(dirname(path))) === 'segments'
      ? dirname(path)
      : undefined;
  const report: FileReport = {
    path,
    kind,
    fileBytes: 0,
    problems: new ProblemList(),
    dataDir,
    topicDir: kind === 'node' ? undefined : topicDir,
  };
  const running = dataDir !== undefined && options.isRunning(dataDir);
  try {
    await READERS[kind](report, { owners, options, running });
  } catch (error) {
    // A node that runs seals, removes and replaces files while others look: then it is gone, or was renamed.
    const gone = error instanceof SegmentError && error.code === 'NOT_FOUND';
    if (gone && running && !found.named) return undefined;
    if (!(error instanceof SegmentError) && errorCode(error) !== undefined) {
      report.problems.add('read', 0, `the device could not read it: ${(error as Error).message}`);
      return report;
    }
    throw error;
  }
  return report;
}

interface Around {
  owners: Map<string, Owner | undefined>;
  options: LookOptions;
  /** A node writes here. */
  running: boolean;
}

type Reader = (report: FileReport, around: Around) => Promise<void>;

const READERS: Record<FileReport['kind'], Reader> = {
  segment: readSegment,
  index: readIndex,
  journal: readJournal,
  spare: readSpare,
  kept: readKept,
  start: (report) =>
    small(report, (bytes) => {
      const start = readStart(bytes, report.problems);
      if (start) report.start = start;
    }),
  offsets: (report) =>
    small(report, (bytes) => {
      report.offsets = readOffsets(bytes, report.problems);
    }),
  metadata: (report) =>
    small(report, (bytes) => {
      report.document = readMetadata(report.path, bytes.toString(), report.problems).document;
    }),
  node: (report) =>
    small(report, (bytes) => {
      report.document = readNode(bytes.toString(), report.problems).document;
    }),
  quarantine: (report) =>
    small(report, (bytes) => {
      report.document = readQuarantine(bytes.toString(), report.problems).document;
    }),
  counters: (report) => small(report, (bytes) => readCounts(report, bytes)),
};

function readCounts(report: FileReport, bytes: Buffer): void {
  report.note = 'a copy of the live counters, written every few seconds: `lance top --data-dir` shows them';
  try {
    report.counters = readCounters(bytes);
  } catch (error) {
    if (!(error instanceof CountersError)) throw error;
    const newer = error.code === 'COUNTERS_VERSION' && bytes.readUInt32LE(4) > 1;
    report.problems.add(newer ? 'newer' : 'format', newer ? 4 : 0, error.message.replace(/\.$/, ''));
  }
}

async function small(report: FileReport, read: (bytes: Buffer) => void): Promise<void> {
  await withFile(report.path, async (file) => {
    report.fileBytes = file.size();
    if (report.fileBytes > SMALL_FILE) {
      report.problems.add('format', 0, `${report.fileBytes} bytes are more than such a file can have`);
      return;
    }
    read(file.read(0, report.fileBytes));
  });
}

/** A segment may be read a few times beside a running node: what is being written at this moment is whole a moment later. */
const LOOKS_AT_A_MOVING_END = 5;
const LOOK_AGAIN_MS = 40;

async function readSegment(report: FileReport, { owners, options, running }: Around): Promise<void> {
  const { path, topicDir } = report;
  const name = parseSegmentName(path);
  await withFile(path, async (file) => {
    const onProgress = (bytes: number) => options.onProgress?.(path, bytes, report.fileBytes);
    report.fileBytes = file.size();
    const owner = await ownerOf(topicDir, owners);
    let scan = await scanSegment(file, { name, owner, onProgress });
    const growing = running && name?.endNs === undefined;
    for (let look = 1; growing && look < LOOKS_AT_A_MOVING_END && scan.problems.list.length > 0; look++) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS * look));
      scan = await scanSegment(file, { name, owner, onProgress });
    }
    report.fileBytes = scan.fileBytes;
    for (const { kind, at, detail } of scan.problems.list)
      if (kind !== 'empty' || !growing) report.problems.add(kind, at, detail);
    const { torn } = scan;
    if (torn && growing) {
      report.note = `the node is writing it: bytes ${torn.at} to ${torn.to} are not a whole batch yet, or stand in the journal`;
    } else if (torn) {
      report.problems.add('torn', torn.at, tornWords(torn, scan.fileBytes));
    }
    const inDirectory = report.dataDir !== undefined;
    const index = await checkIndex(
      path,
      file,
      {
        end: scan.end,
        // A running node writes an active segment's index now and then.
        required: topicDir !== undefined && !growing,
        growing: name?.endNs === undefined && (running || inDirectory),
      },
      report.problems,
    );
    report.segment = { name, scan, index };
  });
}

function tornWords(
  torn: { why: string; at: number; to: number; batches: number },
  fileBytes: number,
): string {
  const beyond = torn.batches > 0 ? `, ${torn.batches} whole batches among them` : '';
  const bytes = Math.max(torn.to, Math.min(torn.at + 1, fileBytes)) - torn.at;
  return `${torn.why}; ${bytes} bytes are beyond the last batch${beyond}, and nothing proves that any of them was acknowledged as durable: a start or \`repair\` cuts here`;
}

async function ownerOf(
  topicDir: string | undefined,
  owners: Map<string, Owner | undefined>,
): Promise<Owner | undefined> {
  if (topicDir === undefined) return undefined;
  if (!owners.has(topicDir)) owners.set(topicDir, toOwner(await metadataOf(topicDir)));
  return owners.get(topicDir);
}

function toOwner(metadata: Metadata | undefined): Owner | undefined {
  return metadata && { topic: metadata.id, epoch: metadata.epoch };
}

/** What a topic's metadata.json says; undefined where it is missing or wrong, which its own report tells. */
export async function metadataOf(topicDir: string): Promise<Metadata | undefined> {
  const path = join(topicDir, 'metadata.json');
  if (!existsSync(path)) return undefined;
  return withFile(path, async (file) => {
    const text = file.read(0, Math.min(file.size(), SMALL_FILE)).toString();
    return readMetadata(path, text, new ProblemList()).meaning;
  }).catch(() => undefined);
}

async function readIndex(report: FileReport, around: Around): Promise<void> {
  const { path } = report;
  const segment = siblingOf(path, 'lnc');
  await withFile(path, async (file) => {
    report.fileBytes = file.size();
  });
  if (!existsSync(segment)) {
    report.problems.add('index', 0, 'there is no segment of this name beside it; a start removes it');
    return;
  }
  const beside: FileReport = { ...report, path: segment, kind: 'segment', problems: new ProblemList() };
  await readSegment(beside, around);
  if (beside.segment) report.segment = beside.segment;
  for (const { kind, at, detail } of beside.problems.list)
    if (kind === 'index') report.problems.add(kind, at, detail);
}

async function readJournal(report: FileReport, { running }: Around): Promise<void> {
  const chunk = await inspectChunk(report.path);
  report.fileBytes = chunk.fileBytes;
  if (chunk.error) {
    const kind = chunk.error.code === 'newer-format' ? 'newer' : 'read';
    if (chunk.error.code === 'io') await withFile(report.path, async () => {});
    report.problems.add(kind, 0, chunk.error.message);
    return;
  }
  report.journal = chunk;
  if (!running && chunk.blocks === 0) {
    const dirty = await withFile(report.path, (file) => file.firstNonzero(0));
    if (dirty !== null || chunk.fileBytes === 0)
      report.problems.add(
        'format',
        dirty ?? 0,
        'there is no journal block, and it is not a fresh chunk of zeros either',
      );
  }
  // In a data directory recovery is asked instead, which sees all chunks and knows what is obsolete.
  if (running || report.dataDir !== undefined) return;
  for (const { kind, at, detail } of chunk.problems) report.problems.add(kind, at, detail);
}

async function readSpare(report: FileReport): Promise<void> {
  await withFile(report.path, async (file) => {
    report.fileBytes = file.size();
    const dirty = await file.firstNonzero(0);
    report.note =
      dirty === null
        ? 'prepared ahead, all zeros; every start makes it anew'
        : `a segment was about to get its name: byte ${dirty} is not zero; every start makes it anew`;
  });
}

async function readKept(report: FileReport): Promise<void> {
  const stood = keptPosition(report.path);
  await withFile(report.path, async (file) => {
    report.fileBytes = file.size();
    const first = await file.findHeader(0);
    const batches = first ? (await file.follow(first.position, {}, report.fileBytes)).batches : 0;
    const place = stood === undefined ? '' : `, from byte ${stood} on`;
    report.note = `kept by a recovery or a repair for a person${place}; ${batches} whole batches at its start`;
  });
}

function isBelow(path: string, dir: string): boolean {
  const prefix = dir.endsWith('/') ? dir : `${dir}/`;
  return path.startsWith(prefix) || join(path).startsWith(join(prefix));
}
