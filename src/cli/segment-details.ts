import { setImmediate } from 'node:timers/promises';
import { parseTime } from '../client/index.js';
import { ExitCode, LanceError } from '../errors.js';
import {
  type Address,
  eachBatch,
  eachBlock,
  eachEntry,
  type Found,
  type Passed,
  parseSegmentName,
  type SeenRecord,
  SegmentBrowser,
  segmentsFrom,
  siblingOf,
} from '../segment/index.js';
import { type Json, stringify } from '../server/json.js';
import { batchDocument, blockDocument, entryDocument, recordJson } from './segment-documents.js';
import { batchText, blockText, entryText, hexDump, recordText } from './segment-words.js';

/** Where a command's data goes, and what it says to a person. */
export interface Output {
  readonly print: (text: string) => void;
  readonly say: (text: string) => void;
}

/** What `inspect` lists besides its summary. */
export interface Details {
  batches: boolean;
  records: boolean;
  index: boolean;
  at: Address | undefined;
  limit: number | undefined;
  json: boolean;
}

/** Reads `offset:N`, `record:N`, `time:T`, `key:HEX` or `byte:N`. Throws LanceError with exit code 2 for anything else. */
export function parseAddress(text: string, now = Date.now()): Address {
  const [, kind = '', value = ''] = /^(offset|record|time|key|byte):(.+)$/.exec(text.trim()) ?? [];
  const number =
    kind === 'time'
      ? parseTime(value, now)
      : kind === 'key'
        ? /^[0-9a-f]{1,32}$/i.test(value)
          ? BigInt(`0x${value.padEnd(32, '0')}`)
          : undefined
        : /^\d{1,20}$/.test(value)
          ? BigInt(value)
          : undefined;
  if (number !== undefined) return { kind: kind as Address['kind'], value: number };
  throw new LanceError(`"${text}" is no address.`, {
    code: 'BAD_ADDRESS',
    hint: 'Write offset:N, record:N, time:T (2026-01-31T12:00:00Z, 15m ago, or s, ms, ns since 1970), key:HEX, or byte:N of one file.',
    exitCode: ExitCode.usage,
  });
}

/** Segments that are listed, in path order: those found, those of indexes that were named, and kept pieces that were. */
export function listedSegments(files: readonly Found[]): string[] {
  const paths = files.flatMap(({ kind, path, named }) => {
    if (kind === 'segment' || (kind === 'kept' && named)) return [path];
    return kind === 'index' && named ? [siblingOf(path, 'lnc')] : [];
  });
  return [...new Set(paths)];
}

/** Journal chunks that are listed: those that were named, or found where no segment was. */
function listedChunks(files: readonly Found[]): string[] {
  const chunks = files.filter(({ kind }) => kind === 'journal');
  const segments = files.some(({ kind }) => kind === 'segment');
  return chunks.filter(({ named }) => named || !segments).map(({ path }) => path);
}

/**
 * Lists what is asked for, of one file after the other; true when damage was met. Throws LanceError when there is nothing at or
 * after the address.
 */
export async function listDetails(files: readonly Found[], details: Details, out: Output): Promise<boolean> {
  return new Listing(details, out).run(listedSegments(files), listedChunks(files));
}

const LINES_A_TURN = 256;

class Listing {
  private left: number;
  private found = 0;
  private damaged = false;
  private brokeOff = '';
  private segments: readonly string[] = [];
  private path = '';

  constructor(
    private readonly details: Details,
    private readonly out: Output,
  ) {
    const { at, batches, records, limit } = details;
    this.left = limit ?? (at !== undefined && !batches && !records ? 1 : Number.POSITIVE_INFINITY);
  }

  async run(segments: readonly string[], chunks: readonly string[]): Promise<boolean> {
    const { at, index } = this.details;
    this.segments = segments;
    if (at?.kind === 'byte') await this.oneFile([...segments, ...chunks], at);
    for (const path of at === undefined ? segments : segmentsFrom(segments, at)) {
      if (this.left <= 0) break;
      this.path = path;
      if (index) await this.entries(path);
      if (this.wantsRecords || this.details.batches) await this.batches(path);
    }
    if (at === undefined || at.kind === 'byte') for (const path of chunks) await this.blocks(path, at);
    if (at !== undefined && this.found === 0) throw this.nothing(at);
    return this.damaged;
  }

  private get wantsRecords(): boolean {
    const { at, batches, records, index } = this.details;
    return records || (at !== undefined && !batches && !index);
  }

  private async print(document: Record<string, unknown>, text: () => string): Promise<void> {
    this.out.print(this.details.json ? stringify(document as { [key: string]: Json }) : text());
    this.found += 1;
    this.left -= 1;
    // Ctrl-C and a reader who closed the pipe are seen between two turns of the event loop.
    if (this.found % LINES_A_TURN === 0) await setImmediate();
  }

  private async entries(path: string): Promise<void> {
    for await (const entry of eachEntry(path)) {
      if (this.left <= 0) return;
      await this.print({ path, ...entryDocument(entry) }, () => entryText(path, entry));
    }
  }

  private async batches(path: string): Promise<void> {
    const { at, batches } = this.details;
    const sealed = parseSegmentName(path)?.endNs !== undefined;
    const passed = (gap: Passed) => this.passed(path, gap, sealed);
    for await (const { batch, records } of eachBatch(path, at, passed)) {
      if (this.left <= 0) return;
      if (batches) await this.print({ path, ...batchDocument(batch) }, () => batchText(path, batch));
      if (!this.wantsRecords) continue;
      for (const record of records()) {
        if (this.left <= 0) return;
        if (this.found === 0) this.tellHole(record);
        await this.print({ path, position: record.position, ...recordJson(record) }, () =>
          recordText(record, at !== undefined),
        );
      }
    }
  }

  /** What was asked for is not there: below the first kept offset that is as it should be, anywhere else it is damage. */
  private tellHole({ offset, record, batch }: SeenRecord): void {
    const { at } = this.details;
    const beyond = at?.kind === 'offset' ? offset > at.value : at?.kind === 'record' && record > at.value;
    if (!beyond) return;
    const kept = batch.position === 0 && this.segments[0] === this.path;
    if (!kept) this.damaged = true;
    const why = kept ? 'lies below the first one that is kept' : 'is in no record that can be read here';
    this.out.say(`${at?.kind} ${at?.value} ${why}; the first one behind it follows`);
  }

  /** What is no whole batch is said, so that nobody takes a list with a hole for a whole one. */
  private passed(path: string, { from, to, why }: Passed, sealed: boolean): void {
    if (sealed) this.damaged = true;
    const what = sealed
      ? `bytes ${from} to ${to ?? 'the end'} are passed over`
      : `the list ends at byte ${from}; verify tells whether that is damage`;
    this.brokeOff = `${path}: ${what}: ${why}`;
    this.out.say(this.brokeOff);
  }

  private async blocks(path: string, at: Address | undefined): Promise<void> {
    const { batches, records } = this.details;
    if (!batches && !records && at === undefined) return;
    for await (const one of eachBlock(path, Number(at?.value ?? 0n))) {
      if (this.left <= 0) return;
      if (batches || !records) await this.print({ path, ...blockDocument(one) }, () => blockText(path, one));
      if (!records) continue;
      for (const record of one.entries.flatMap((entry) => [...(entry.records?.() ?? [])])) {
        if (this.left <= 0) return;
        const topic = record.batch.topic;
        await this.print({ path, topic, position: record.position, ...recordJson(record) }, () =>
          recordText(record, at !== undefined),
        );
      }
    }
  }

  /** A byte is in one file; where it is in no whole batch, what stands there is shown first. */
  private async oneFile(paths: readonly string[], { value }: Address): Promise<void> {
    const [path] = paths;
    if (path === undefined) return;
    if (paths.length > 1)
      throw new LanceError(`There are ${paths.length} files, and a byte is in one of them.`, {
        code: 'BAD_ADDRESS',
        hint: `Name it, such as ${path}.`,
        exitCode: ExitCode.usage,
      });
    if (!path.includes('.lnc')) return;
    const browser = SegmentBrowser.open(path);
    try {
      const row = await browser.rowAt(Number(value));
      if (row?.kind !== 'damage') return;
      this.damaged = true;
      const around = browser.around(Number(value));
      const document = { path, from: row.at, to: row.to, why: row.why, at: around.at };
      await this.print({ ...document, hex: around.bytes.toString('hex') }, () =>
        [
          `${path}: byte ${value} is in no whole batch: bytes ${row.at} to ${row.to}: ${row.why}`,
          hexDump(around.bytes, around.at),
        ].join('\n'),
      );
    } finally {
      browser.close();
    }
  }

  private nothing({ kind, value }: Address): LanceError {
    const readable = this.brokeOff === '' ? '' : ' that can be read';
    return new LanceError(`There is nothing${readable} at or after ${kind} ${value}.`, {
      code: 'OUT_OF_RANGE',
      hint:
        this.brokeOff === ''
          ? 'See what there is with `lance segment inspect` without --at.'
          : `${this.brokeOff}. See the rest with \`lance segment inspect --tui\`.`,
    });
  }
}
