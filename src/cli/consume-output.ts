import { isUtf8 } from 'node:buffer';
import type { Writable } from 'node:stream';
import type { ConsumedRecord, Consumer } from '../client/index.js';
import { contentOf, RECORD_HEADER_BYTES, RecordType } from '../protocol/index.js';

/** How records are written (cli.md, `lance consume`). */
export const CONSUME_FORMATS = ['lines', 'json', 'raw'] as const;
export type ConsumeFormat = (typeof CONSUME_FORMATS)[number];

/** What is written and when it is committed. */
export interface ConsumeRequest {
  format: ConsumeFormat;
  /** Stop after so many records. */
  count: number | undefined;
  commit: boolean;
}

const COMMIT_EVERY_MS = 1_000;
const NEWLINE = 0x0a;

/** Writes a consumer's records to `output` until it ends; what was written is committed once a second and at the end. */
export async function pour(
  consumer: Consumer,
  output: Writable,
  { format, count, commit }: ConsumeRequest,
): Promise<void> {
  let left = count ?? Number.POSITIVE_INFINITY;
  let committed = performance.now();
  let written: number | undefined;
  if (left === 0) return;
  const pieces = format === 'json' ? jsonPieces(consumer) : valuePieces(consumer, format);
  for await (const piece of pieces) {
    const { bytes, records, nextOffset } = piece(left);
    await writeAll(output, bytes);
    written = nextOffset;
    left -= records;
    if (left <= 0) break;
    if (commit && performance.now() - committed >= COMMIT_EVERY_MS) {
      await consumer.commit(written);
      committed = performance.now();
    }
  }
  if (commit && written !== undefined) await consumer.commit(written);
}

interface Written {
  bytes: Buffer;
  records: number;
  nextOffset: number;
}

/** Output of one fetch, for at most so many records of it. */
type Piece = (most: number) => Written;

async function* valuePieces(
  consumer: Consumer,
  format: 'lines' | 'raw',
): AsyncGenerator<Piece, void, undefined> {
  for await (const { offset, data } of consumer.bytes())
    yield (most) => valuesOf(data, offset, most, format === 'lines');
}

/** The records' values one behind the other, each with a line end if wanted. Never longer than what they came in. */
function valuesOf(data: Buffer, offset: number, most: number, lines: boolean): Written {
  const bytes = Buffer.allocUnsafe(data.length);
  let end = 0;
  let at = 0;
  let records = 0;
  while (at < data.length && records < most) {
    const type = data.readUInt8(at);
    const start = at + RECORD_HEADER_BYTES;
    at = start + data.readUInt32LE(at + 1);
    if (type >= RecordType.keyValue && type <= RecordType.keyTimestamped) {
      end += contentOf(type, data.subarray(start, at)).value.copy(bytes, end);
    } else {
      end += data.copy(bytes, end, start, at);
    }
    if (lines) bytes[end++] = NEWLINE;
    records += 1;
  }
  return { bytes: bytes.subarray(0, end), records, nextOffset: offset + at };
}

async function* jsonPieces(consumer: Consumer): AsyncGenerator<Piece, void, undefined> {
  for await (const batch of consumer.batches()) {
    yield (most) => {
      const records = batch.slice(0, most);
      const text = records.map((record) => `${JSON.stringify(recordDocument(record))}\n`).join('');
      return {
        bytes: Buffer.from(text),
        records: records.length,
        nextOffset: records.at(-1)?.nextOffset ?? 0,
      };
    };
  }
}

/** The JSON of a record (cli.md), with its key and the application's time where it has them. */
export function recordDocument(record: ConsumedRecord): Record<string, unknown> {
  const { record: index, offset, sortKey, timestampNs, type, value, key, producerTimestampNs } = record;
  const [text, encoding] = textOf(value);
  const [keyText, keyEncoding] = key ? textOf(key) : [];
  return {
    record: index,
    offset,
    sortKey,
    timestampNs: timestampNs.toString(),
    type,
    value: text,
    encoding,
    ...(keyText === undefined ? {} : { key: keyText, keyEncoding }),
    ...(producerTimestampNs === undefined ? {} : { producerTimestampNs: producerTimestampNs.toString() }),
  };
}

function textOf(bytes: Buffer): [text: string, encoding: 'utf8' | 'base64'] {
  return isUtf8(bytes) ? [bytes.toString('utf8'), 'utf8'] : [bytes.toString('base64'), 'base64'];
}

/** Writes bytes and waits until the stream took them. */
export function writeAll(output: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
