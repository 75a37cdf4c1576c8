import { dirname } from 'node:path';
import { formatSize, roundedSize } from '../config/index.js';
import { ExitCode } from '../errors.js';
import { collect, type FileReport, type Inspection, inspectPaths, reportDocument } from '../segment/index.js';
import { type Json, stringify } from '../server/json.js';
import { Progress } from './progress.js';
import { type Details, listDetails } from './segment-details.js';
import { table } from './table.js';

/** Where a command's data goes. */
export interface Output {
  readonly print: (text: string) => void;
}

/** Runs `inspect` or `verify` and returns the exit code: 3 when something does not hold. */
export async function runInspect(
  paths: readonly string[],
  json: boolean,
  out: Output,
  details?: Details,
): Promise<number> {
  if (details?.at) {
    // An address is found by headers: nobody waits for the whole directory to be read.
    const damaged = await listDetails(segmentsOf(paths), details, out);
    return damaged ? ExitCode.found : ExitCode.done;
  }
  const progress = new Progress();
  const inspection = await inspectPaths(paths, {
    onProgress: (path, bytes, fileBytes) =>
      progress.show(`${path} ${Math.floor((bytes / Math.max(fileBytes, 1)) * 100)}%`),
  });
  progress.clear();
  const { reports } = inspection;
  if (json) for (const report of reports) out.print(documentLine(report));
  else out.print(inWords(inspection));
  if (details) await listDetails(segmentsOf(paths), details, out);
  return problemsOf(reports) > 0 ? ExitCode.found : ExitCode.done;
}

/** A report on one line; numbers beyond 2^53 digit by digit. */
export function documentLine(report: FileReport): string {
  return stringify(reportDocument(report) as { [key: string]: Json });
}

function segmentsOf(paths: readonly string[]): string[] {
  return collect(paths)
    .files.filter(({ kind }) => kind === 'segment')
    .map(({ path }) => path);
}

function problemsOf(reports: readonly FileReport[]): number {
  return reports.reduce((sum, { problems }) => sum + problems.list.length, 0);
}

/** One file in full, several by topic. */
function inWords(inspection: Inspection): string {
  const { reports, running } = inspection;
  const [only] = reports;
  const beside = [...running].map(
    ([dataDir, pid]) => `A node runs on ${dataDir} (process ${pid}): this is a look at what moves.`,
  );
  const body = reports.length === 1 && only ? [fileText(only)] : summary(reports);
  return [...beside, ...body, ...problemText(reports)].join('\n');
}

const TYPES: Record<number, string> = {
  1: 'raw',
  2: 'JSON',
  3: 'MessagePack',
  4: 'Protobuf',
  5: 'Avro',
  16: 'KeyValue',
  17: 'Timestamped',
  18: 'KeyTimestamped',
  255: 'Null',
};

/** What a record type is called. */
export function typeName(type: number): string {
  return TYPES[type] ?? (type >= 0x80 && type < 0xff ? 'application' : 'unknown');
}

/** A time of a key, readable. */
export function timeText(ns: bigint): string {
  const ms = ns / 1_000_000n;
  if (ms > 8_640_000_000_000_000n) return `${ns} ns`;
  const rest = (ns % 1_000_000_000n).toString().padStart(9, '0');
  return `${new Date(Number(ms)).toISOString().slice(0, 19)}.${rest}Z`;
}

function fileText(report: FileReport): string {
  const { path, fileBytes, note, segment } = report;
  const rows: [string, string][] = [['size', sizeText(fileBytes)]];
  if (segment) {
    const { scan, index, name } = segment;
    const { first, last } = scan;
    rows.push(['state', name?.endNs === undefined ? 'active' : 'sealed']);
    if (first && last) {
      const [end, endRecord] = [
        last.baseOffset + BigInt(last.payloadLength),
        last.baseRecord + BigInt(last.recordCount),
      ];
      const types = [...scan.types].sort(([a], [b]) => a - b);
      rows.push(
        ['topic', `id ${first.topic}, epoch ${first.epoch}`],
        ['batches', `${scan.batches}, up to byte ${scan.end}`],
        [
          'records',
          `${first.baseRecord} to ${endRecord - 1n} (${scan.records}, ${sizeText(scan.recordBytes)})`,
        ],
        ['offsets', `${first.baseOffset} to ${end}`],
        ['times', `${timeText(first.timestampNs)} to ${timeText(last.timestampNs)}`],
        [
          'types',
          types
            .map(([type, n]) => `${type.toString(16).padStart(2, '0')} ${typeName(type)}: ${n}`)
            .join(', '),
        ],
      );
    } else rows.push(['batches', 'none']);
    rows.push(['index', `${index.entries} entries, ${index.valid} of them valid`]);
  }
  const { journal, start, offsets, document } = report;
  if (journal) {
    rows.push(
      ['generation', String(journal.generation ?? 'none')],
      [
        'blocks',
        `${journal.blocks}, sequence ${journal.firstSequence ?? '-'} to ${journal.lastSequence ?? '-'}`,
      ],
      [
        'entries',
        `${journal.batches} batches, ${journal.tails} tails, ${journal.watermarks} watermarks, ${journal.commits} commits`,
      ],
    );
  }
  if (start) {
    rows.push(['goes on', `generation ${start.nextGeneration}, sequence ${start.nextSequence}`]);
    for (const { topic, offset } of start.durable)
      rows.push([`topic ${topic}`, `durable to offset ${offset}`]);
  }
  for (const { topic, consumer, offset } of offsets ?? [])
    rows.push([`topic ${topic}`, `consumer ${consumer} at offset ${offset}`]);
  if (document !== undefined) rows.push(['content', JSON.stringify(document)]);
  if (note) rows.push(['note', note]);
  return `${path}\n${rows.map(([name, value]) => `  ${name.padEnd(10)}  ${value}`).join('\n')}`;
}

function sizeText(bytes: number): string {
  return bytes < 1024 ? formatSize(bytes) : `${roundedSize(bytes)} (${bytes} bytes)`;
}

function summary(reports: readonly FileReport[]): string[] {
  const topics = new Map<string, FileReport[]>();
  for (const report of reports) {
    if (!report.segment && report.kind !== 'metadata') continue;
    const folder = dirname(report.path);
    topics.set(folder, [...(topics.get(folder) ?? []), report]);
  }
  const rows = [...topics].map(([folder, files]) => topicRow(folder, files));
  const headings = ['DIRECTORY', 'ID', 'SEGMENTS', 'SIZE', 'BATCHES', 'RECORDS', 'FIRST', 'END', 'PROBLEMS'];
  const others = reports.filter(({ segment, kind }) => !segment && kind !== 'metadata');
  const kinds = [...new Set(others.map(({ kind }) => kind))].map((kind) => {
    const files = others.filter((one) => one.kind === kind);
    return `${files.length} ${kind} (${roundedSize(files.reduce((sum, { fileBytes }) => sum + fileBytes, 0))})`;
  });
  return [
    ...(rows.length > 0 ? [table(headings, rows)] : []),
    ...(kinds.length > 0 ? [`Other files: ${kinds.join(', ')}`] : []),
    ...reports.flatMap(({ path, note, segment }) => (note && segment ? [`Note: ${path}: ${note}`] : [])),
  ];
}

function topicRow(folder: string, files: readonly FileReport[]): (string | number)[] {
  const segments = files.flatMap(({ segment }) => segment ?? []);
  const sum = (of: (scan: (typeof segments)[number]['scan']) => number) =>
    segments.reduce((total, { scan }) => total + of(scan), 0);
  const first = segments.find(({ scan }) => scan.first)?.scan.first;
  const last = segments.findLast(({ scan }) => scan.last)?.scan.last;
  const id = (files.find(({ kind }) => kind === 'metadata')?.document as { id?: number } | undefined)?.id;
  return [
    folder,
    String(id ?? first?.topic ?? '-'),
    segments.length,
    roundedSize(files.reduce((total, { fileBytes }) => total + fileBytes, 0)),
    sum((scan) => scan.batches),
    sum((scan) => scan.records),
    String(first?.baseOffset ?? '-'),
    String(last ? last.baseOffset + BigInt(last.payloadLength) : '-'),
    problemsOf(files),
  ];
}

const SHOWN = 50;

function problemText(reports: readonly FileReport[]): string[] {
  const lines = reports.flatMap(({ path, problems }) =>
    problems.all().map(({ kind, at, detail }) => `${path}: byte ${at}: ${kind}: ${detail}`),
  );
  if (lines.length === 0) return ['No problems.'];
  const more = lines.length > SHOWN ? [`... and ${lines.length - SHOWN} more: see them all with --json`] : [];
  return [
    lines.length === 1 ? 'One problem:' : `${lines.length} problems:`,
    ...lines.slice(0, SHOWN).map((line) => `  ${line}`),
    ...more,
  ];
}
