import { dirname } from 'node:path';
import { formatSize, roundedSize } from '../config/index.js';
import { ExitCode } from '../errors.js';
import { collect, type FileReport, type Inspection, inspectPaths, reportDocument } from '../segment/index.js';
import { type Json, stringify } from '../server/json.js';
import { Progress } from './progress.js';
import { type Details, listDetails, type Output } from './segment-details.js';
import { checksumText, placeText, secondsText, timeText, typeName } from './segment-words.js';
import { table } from './table.js';

/** Runs `inspect` or `verify` and returns the exit code: 3 when something does not hold. */
export async function runInspect(
  paths: readonly string[],
  json: boolean,
  out: Output,
  details?: Details,
): Promise<number> {
  if (details?.at) {
    // An address is found by headers: nobody waits for the whole directory to be read.
    const damaged = await listDetails(collect(paths).files, details, out);
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
  if (details) await listDetails(collect(paths).files, details, out);
  return problemsOf(reports) > 0 ? ExitCode.found : ExitCode.done;
}

/** A report on one line; numbers beyond 2^53 digit by digit. */
export function documentLine(report: FileReport): string {
  return stringify(reportDocument(report) as { [key: string]: Json });
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

function fileText(report: FileReport): string {
  const { path, fileBytes, note, document } = report;
  const rows: Row[] = [
    ['size', sizeText(fileBytes)],
    ...segmentRows(report),
    ...journalRows(report),
    ...countersRows(report),
    ...(document === undefined ? [] : documentRows(document)),
    ...(note ? [['note', note] as const] : []),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return `${path}\n${rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')}`;
}

type Row = readonly [name: string, value: string];

function segmentRows({ segment, kind }: FileReport): Row[] {
  if (!segment) return [];
  const { scan, index, name } = segment;
  const { first, last } = scan;
  const rows: Row[] = [['state', name?.endNs === undefined ? 'active' : 'sealed']];
  if (first && last && kind === 'segment') {
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
      ['offsets', `${first.baseOffset} to ${end}; durable to ${scan.durable} by its headers`],
      ['times', `${timeText(first.timestampNs)} to ${timeText(last.timestampNs)}`],
      ['first key', placeText(first.nodeActorSequence)],
      ['chain', `from ${checksumText(first.previous)} to ${checksumText(last.checksum)}`],
      [
        'types',
        types.map(([type, n]) => `${type.toString(16).padStart(2, '0')} ${typeName(type)}: ${n}`).join(', '),
      ],
    );
  } else if (kind === 'segment') rows.push(['batches', 'none']);
  return [...rows, ['index', `${index.entries} entries, ${index.valid} of them valid`]];
}

function journalRows({ journal, start, offsets }: FileReport): Row[] {
  const rows: Row[] = [];
  if (journal) {
    rows.push(
      ['generation', String(journal.generation ?? 'none')],
      [
        'blocks',
        `${journal.blocks}, sequence ${journal.firstSequence ?? '-'} to ${journal.lastSequence ?? '-'}, up to byte ${journal.end}`,
      ],
      [
        'entries',
        `${journal.batches} batches, ${journal.tails} tails, ${journal.watermarks} watermarks, ${journal.commits} commits`,
      ],
    );
  }
  if (start) {
    rows.push(['goes on', `generation ${start.nextGeneration}, sequence ${start.nextSequence}`]);
    for (const { topic, epoch, offset } of start.durable)
      rows.push([`topic ${topic}`, `epoch ${epoch}: durable to offset ${offset}`]);
  }
  for (const { topic, epoch, consumer, offset, committedAt } of offsets ?? [])
    rows.push([
      `topic ${topic}`,
      `epoch ${epoch}: consumer ${consumer} at offset ${offset}, ${secondsText(committedAt)}`,
    ]);
  return rows;
}

function countersRows({ counters }: FileReport): Row[] {
  if (!counters) return [];
  const { pid, startNs, heartbeatNs, samples } = counters;
  return [
    ['process', `${pid}, from ${timeText(startNs)} to ${timeText(heartbeatNs)}`],
    ...samples.map((sample): Row => {
      const labels = Object.entries(sample.labels).map(([key, value]) => `${key}=${value}`);
      const name = labels.length > 0 ? `${sample.name}{${labels.join(',')}}` : sample.name;
      if (sample.kind !== 'histogram') return [name, `${sample.value} (${sample.unit})`];
      const { count, max } = sample.histogram;
      const quantile = (at: number) => sample.histogram.quantile(at);
      return [
        name,
        `${count} values, p50 ${quantile(0.5)}, p99 ${quantile(0.99)}, max ${max} (${sample.unit})`,
      ];
    }),
  ];
}

/** The fields of a JSON file, one a line. */
function documentRows(document: unknown): Row[] {
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    return [['content', JSON.stringify(document)]];
  return Object.entries(document).map(([key, value]): Row => [key, JSON.stringify(value)]);
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
