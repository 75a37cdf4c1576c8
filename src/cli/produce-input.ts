import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type Producer, RecordTooLargeError, RecordType } from '../client/index.js';
import { ExitCode, LanceError } from '../errors.js';

/** How input becomes records (cli.md, `lance produce`). */
export const PRODUCE_FORMATS = ['lines', 'json', 'blob'] as const;
export type ProduceFormat = (typeof PRODUCE_FORMATS)[number];

const READ_BYTES = 1024 * 1024;
/** What a node stores at most (lwp.md, "Payloads that are no TLV"); longer input is refused before it is gathered. */
const MAX_RECORD = 16 * 1024 * 1024 - 4096;
const NEWLINE = 0x0a;

/** The file, or stdin when none is named or it is `-`. Throws LanceError, exit code 2, for one that cannot be read. */
export async function openInput(path: string | undefined): Promise<Readable> {
  if (path === undefined || path === '-') return process.stdin;
  try {
    const file = await open(path);
    if ((await file.stat()).isDirectory()) {
      await file.close();
      throw Object.assign(new Error(), { code: 'EISDIR' });
    }
    return createReadStream('', { fd: file, highWaterMark: READ_BYTES });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      ENOENT: 'it is not there',
      EACCES: 'not allowed',
      EISDIR: 'it is a directory',
    };
    throw new LanceError(`${path} cannot be read: ${reasons[code ?? ''] ?? code}.`, {
      code: 'FILE_UNREADABLE',
      hint: 'Name a file, or leave --file out and pipe the records in.',
      exitCode: ExitCode.usage,
      cause: error,
    });
  }
}

/** Sends every record of `input`, with `key` on each when one is given. Acknowledgements are the caller's to await. */
export async function feed(
  input: Readable,
  producer: Producer,
  format: ProduceFormat,
  key?: string,
): Promise<void> {
  if (format === 'blob') {
    const blob = await readBlob(input);
    void producer.send({ value: blob, key });
    return;
  }
  let number = 0;
  const put = (source: Buffer, start: number, end: number): void => {
    number += 1;
    if (format === 'json' && !isDocument(source, start, end, number)) return;
    if (key !== undefined) void producer.send({ value: source.subarray(start, end), key });
    else void producer.sendSlice(source, start, end, format === 'json' ? RecordType.json : RecordType.raw);
  };
  for await (const chunk of splitLines(input)) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      put(chunk, start, end);
      start = end + 1;
    }
    // Only the last piece of the input has no final line end.
    if (start < chunk.length) put(chunk, start, chunk.length);
    await producer.ready();
  }
}

/** The input in pieces of whole lines, each ending with its line end; only the very last may lack it. */
async function* splitLines(input: Readable): AsyncGenerator<Buffer, void, undefined> {
  let begun: Buffer[] = [];
  let length = 0;
  for await (const piece of input as AsyncIterable<Buffer>) {
    const last = piece.lastIndexOf(NEWLINE);
    if (last >= 0) {
      const whole = piece.subarray(0, last + 1);
      yield length > 0 ? Buffer.concat([...begun, whole]) : whole;
      begun = [];
      length = 0;
    }
    begun.push(piece.subarray(last + 1));
    length += piece.length - last - 1;
    if (length > MAX_RECORD) throw new RecordTooLargeError(length, MAX_RECORD);
  }
  if (length > 0) yield Buffer.concat(begun);
}

async function readBlob(input: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of input as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    if (length > MAX_RECORD) throw new RecordTooLargeError(length, MAX_RECORD);
  }
  return Buffer.concat(pieces);
}

/** Whether a line holds a JSON document; false for a blank one. Throws LanceError, exit code 2, for anything else. */
function isDocument(source: Buffer, start: number, end: number, number: number): boolean {
  const text = source.toString('utf8', start, end);
  if (text.trim() === '') return false;
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    throw new LanceError(`Line ${number} is no JSON: ${error instanceof Error ? error.message : error}.`, {
      code: 'BAD_INPUT',
      hint: 'Write a document a line, or use --format lines. The lines before it were sent.',
      exitCode: ExitCode.usage,
    });
  }
}
