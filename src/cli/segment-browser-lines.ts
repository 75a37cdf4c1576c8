import { basename, dirname } from 'node:path';
import { roundedSize } from '../config/index.js';
import { RecordType } from '../protocol/index.js';
import { type BrowseRow, parseSegmentName, type SeenRecord, type SegmentBrowser } from '../segment/index.js';
import type { Line } from '../tui/segment/screen.js';
import {
  checksumText,
  hexDump,
  jsonLines,
  placeText,
  printable,
  timeText,
  typeName,
} from './segment-words.js';

/** A segment in the list of them. */
export interface SegmentLine {
  path: string;
  fileBytes: number;
}

/** What is on the screen: segments, the batches of one from a byte on, the records of one of these, or bare bytes. */
export type View =
  | { level: 'segments'; top: number; cursor: number }
  | {
      level: 'batches';
      at: number;
      before: number[];
      next: number | undefined;
      rows: BrowseRow[];
      cursor: number;
    }
  | {
      level: 'records';
      row: BrowseRow & { kind: 'batch' };
      skip: number;
      records: SeenRecord[];
      cursor: number;
    }
  | { level: 'bytes'; at: number; bytes: Buffer; cursor: number };

export const HEADINGS = {
  batches: '  BYTE        OFFSET        RECORDS              TIME',
  records: '  RECORD      OFFSET        TYPE             BYTES  VALUE',
  bytes: '  BYTE      HEXADECIMAL                                      TEXT',
} as const;

/** Bytes on a line of a dump. */
export const DUMP_LINE = 16;

/** The list of a view; `count` lines of it are on the screen. */
export function linesOf(view: View, segments: readonly SegmentLine[], count: number): Line[] {
  switch (view.level) {
    case 'segments':
      return segmentLines(segments, view.top, count);
    case 'batches':
      return view.rows.map((row) =>
        row.kind === 'damage'
          ? { text: `bytes ${row.at} to ${row.to}: ${row.why}`, damage: true }
          : plain(batchLine(row)),
      );
    case 'records':
      return view.records.map((record) => plain(recordLine(record)));
    case 'bytes':
      return dump(view.bytes, view.at).map(plain);
  }
}

function segmentLines(segments: readonly SegmentLine[], top: number, count: number): Line[] {
  const widths = segmentWidths(segments);
  return segments.slice(top, top + count).map((one) => plain(inColumns(segmentCells(one), widths)));
}

function plain(text: string): Line {
  return { text, damage: false };
}

function dump(bytes: Buffer, at: number): string[] {
  return bytes.length === 0
    ? []
    : hexDump(bytes, at, bytes.length)
        .split('\n')
        .map((line) => line.trimStart());
}

const SEGMENT_COLUMNS = ['TOPIC', 'OFFSET', 'RECORD', 'STATE', 'SIZE', 'FROM'] as const;

function segmentCells({ path, fileBytes }: SegmentLine): string[] {
  const name = parseSegmentName(path);
  const topic = basename(dirname(path));
  const size = roundedSize(fileBytes);
  if (!name) return [topic, '-', '-', '-', size, basename(path)];
  const state = name.endNs === undefined ? 'active' : 'sealed';
  const from = timeText(name.startNs).replace(/\.\d+Z$/, 'Z');
  return [topic, String(name.baseOffset), String(name.baseRecord), state, size, from];
}

/** As wide as the widest cell of all segments, so that nothing moves while one pages through them. */
function segmentWidths(segments: readonly SegmentLine[]): number[] {
  const rows = segments.map(segmentCells);
  return SEGMENT_COLUMNS.map((heading, column) =>
    rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), heading.length),
  );
}

function inColumns(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join('  ')
    .trimEnd();
}

/** The heading of the list of segments. */
export function segmentHeading(segments: readonly SegmentLine[]): string {
  return `  ${inColumns(SEGMENT_COLUMNS, segmentWidths(segments))}`;
}

function batchLine({ at, batch }: BrowseRow & { kind: 'batch' }): string {
  const last = batch.baseRecord + BigInt(batch.recordCount - 1);
  const records = `${batch.baseRecord}-${last}`;
  return `${String(at).padEnd(12)}${String(batch.baseOffset).padEnd(14)}${records.padEnd(21)}${timeText(batch.timestampNs)}`;
}

function recordLine({ record, offset, type, value, key }: SeenRecord): string {
  const text = printable(value.subarray(0, 200));
  const shown = key ? `[${printable(key)}] ${text}` : text;
  return `${String(record).padEnd(12)}${String(offset).padEnd(14)}${typeName(type).padEnd(14)} ${String(value.length).padStart(7)}  ${shown}`;
}

/** What stands below the list: about the line under the cursor, `count` lines at most. */
export function detailOf(
  view: View,
  segments: readonly SegmentLine[],
  browser: SegmentBrowser | undefined,
  { asText, count }: { asText: boolean; count: number },
): string[] {
  switch (view.level) {
    case 'segments':
      return segmentDetail(segments[view.top + view.cursor]);
    case 'batches':
      return rowDetail(view.rows[view.cursor], browser, count);
    case 'records':
      return recordDetail(view.records[view.cursor], asText, count);
    case 'bytes':
      return view.bytes.length === 0 ? ['the file ends before this byte'] : [];
  }
}

function segmentDetail(segment: SegmentLine | undefined): string[] {
  if (!segment) return ['there is no segment'];
  const name = parseSegmentName(segment.path);
  const times = name && [
    `from ${timeText(name.startNs)}`,
    name.endNs === undefined ? 'on: it is being written' : `to ${timeText(name.endNs)}`,
  ];
  return [
    segment.path,
    `${segment.fileBytes} bytes`,
    ...(times ? [times.join(' ')] : ['its name tells nothing']),
  ];
}

function rowDetail(row: BrowseRow | undefined, browser: SegmentBrowser | undefined, count: number): string[] {
  if (!row) return ['there is no batch'];
  if (row.kind === 'damage') {
    const { at, bytes } = row.around;
    // The line that the damage begins on is marked; before it stands what is still whole.
    return dump(bytes, at).map((line, n) => {
      const from = at + n * DUMP_LINE;
      return `${from <= row.at && row.at < from + DUMP_LINE ? '>' : ' '} ${line}`;
    });
  }
  const { batch } = row;
  const words = [
    `topic ${batch.topic} epoch ${batch.epoch}  ${placeText(batch.nodeActorSequence)}  ${batch.recordCount} records`,
    `header ${checksumText(batch.checksum)}  previous ${checksumText(batch.previous)}  payload ${checksumText(batch.payloadChecksum)} (${batch.payloadKind})  ${batch.payloadLength} bytes`,
    `durable to ${batch.durableOffset}  producer ${batch.producerId} sequence ${batch.producerSequence} ${timeText(batch.producerNs)}`,
    `term ${batch.term}  log index ${batch.logIndex}`,
  ];
  const left = Math.max(0, count - words.length) * DUMP_LINE;
  const header = browser && left > 0 ? browser.bytes(row.at, Math.min(left, batch.length)) : Buffer.alloc(0);
  return [...words, ...dump(header, row.at).map((line) => `  ${line}`)];
}

function recordDetail(record: SeenRecord | undefined, asText: boolean, count: number): string[] {
  if (!record) return ['there is no record'];
  const { key, value, type, producerTimestampNs } = record;
  const head = [
    `key ${record.sortKey}  ${timeText(record.timestampNs)}`,
    ...(key ? [`record key ${printable(key)} (${key.length} bytes)`] : []),
    ...(producerTimestampNs === undefined ? [] : [`the application's time ${timeText(producerTimestampNs)}`]),
  ];
  const rest = Math.max(0, count - head.length);
  if (!asText)
    return [...head, ...dump(value.subarray(0, rest * DUMP_LINE), record.valuePosition).map(indented)];
  const lines = type === RecordType.json ? jsonLines(value) : value.subarray(0, 4096).toString().split('\n');
  // What is in a record must not steer the terminal.
  return [...head, ...lines.slice(0, rest).map((line) => printable(Buffer.from(line)))];
}

function indented(line: string): string {
  return `  ${line}`;
}
