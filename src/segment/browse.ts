import { type BatchSeen, type LogFile, openLogFile } from '../engine/index.js';
import { unreadable } from './errors.js';
import { indexedStart } from './index-file.js';
import { type Address, recordsOf, type SeenRecord, wholeBatches } from './records.js';
import { WINDOW_BYTES } from './scan.js';

/** A row of a segment as it is browsed: a whole batch, or bytes that are none. */
export type BrowseRow =
  | { kind: 'batch'; at: number; batch: BatchSeen }
  | { kind: 'damage'; at: number; to: number; why: string; around: Around };

/** Bytes of the file around a place in it. */
export interface Around {
  /** Byte position of the first. */
  at: number;
  bytes: Buffer;
}

/** Rows from a position on, and where the next page begins; undefined at the end. */
export interface BrowsePage {
  rows: BrowseRow[];
  next: number | undefined;
}

const BYTES_BEFORE = 32;
const BYTES_SHOWN = 256;
const LINE = 16;

/** A segment that somebody pages through; only the page at hand is in memory. */
export class SegmentBrowser {
  private constructor(
    readonly path: string,
    private readonly file: LogFile,
  ) {}

  /** Throws SegmentError where the system refuses the file. */
  static open(path: string): SegmentBrowser {
    const file = openLogFile(path);
    if ('message' in file) throw unreadable(path, file);
    return new SegmentBrowser(path, file);
  }

  close(): void {
    this.file.close();
  }

  /** `count` rows from byte `at` on, each batch checked. */
  async page(at: number, count: number): Promise<BrowsePage> {
    const rows: BrowseRow[] = [];
    let from: number | undefined = at;
    while (from !== undefined && rows.length < count) {
      const { first, end, stop } = await this.file.follow(from, {}, 1);
      if (first) {
        rows.push({ kind: 'batch', at: from, batch: first });
        from = end;
        continue;
      }
      if (stop.kind === 'end') return { rows, next: undefined };
      if (stop.kind === 'fill' && (await this.file.firstNonzero(from)) === null)
        return { rows, next: undefined };
      const next = await this.file.findHeader(from + (stop.batch?.length ?? 1));
      const to: number = next?.position ?? this.file.size();
      rows.push({
        kind: 'damage',
        at: from,
        to,
        why: stop.detail,
        around: this.around(from),
      });
      from = next?.position;
    }
    return { rows, next: from };
  }

  /** What stands at a byte: the batch that holds it, or damage; undefined behind the last batch. */
  async rowAt(byte: number): Promise<BrowseRow | undefined> {
    const address: Address = { kind: 'byte', value: BigInt(byte) };
    let next: number | undefined = await indexedStart(this.path, this.file, address);
    while (next !== undefined) {
      const page: BrowsePage = await this.page(next, ROWS_AT_ONCE);
      const row = page.rows.find((one) => byte < endOf(one));
      if (row) return row;
      next = page.next;
    }
    return undefined;
  }

  /** The bytes around a place: two lines of a dump before it, the rest behind. */
  around(byte: number): Around {
    const at = Math.max(0, Math.floor(byte / LINE) * LINE - BYTES_BEFORE);
    return { at, bytes: this.file.read(at, BYTES_SHOWN) };
  }

  /** `count` records of a batch from number `skip` on. */
  records(batch: BatchSeen, skip: number, count: number): SeenRecord[] {
    const page: SeenRecord[] = [];
    let number = 0;
    for (const record of recordsOf(this.file, batch)) {
      if (number >= skip + count) break;
      if (number >= skip) page.push(record);
      number += 1;
    }
    return page;
  }

  /** The batch that an address is in or before, and the number of the record in it; undefined past the end. */
  async find(address: Address): Promise<{ batch: BatchSeen; number: number } | undefined> {
    const start = await indexedStart(this.path, this.file, address);
    for await (const batch of wholeBatches(this.file, { sealed: true, from: address, start })) {
      const [record] = recordsOf(this.file, batch, address);
      if (record) return { batch, number: Number(record.record - batch.baseRecord) };
    }
    return undefined;
  }

  /**
   * The next record beyond `after` whose key or value holds the text; undefined when there is none. Throws the signal's
   * reason once it is aborted; `progress` is told how far it is.
   */
  async search(
    text: string,
    after: bigint,
    signal?: AbortSignal,
    progress?: (bytes: number) => void,
  ): Promise<{ batch: BatchSeen; number: number } | undefined> {
    const from: Address = { kind: 'record', value: after };
    const start = await indexedStart(this.path, this.file, from);
    for await (const batch of wholeBatches(this.file, { sealed: true, from, start })) {
      signal?.throwIfAborted();
      progress?.(batch.position);
      const found = this.holds(batch, text) ? this.recordWith(batch, text, from) : undefined;
      if (found) return found;
    }
    return undefined;
  }

  /** Whether the text stands anywhere in a batch: much faster than looking at its records one by one. */
  private holds(batch: BatchSeen, text: string): boolean {
    return this.file
      .read(batch.position + batch.length - batch.payloadLength, batch.payloadLength)
      .includes(text);
  }

  private recordWith(
    batch: BatchSeen,
    text: string,
    from: Address,
  ): { batch: BatchSeen; number: number } | undefined {
    for (const { value, key, record } of recordsOf(this.file, batch, from))
      if (value.includes(text) || key?.includes(text))
        return { batch, number: Number(record - batch.baseRecord) };
    return undefined;
  }

  /** Where the next bytes stand, from byte `at` on, that are no whole batch, and the last batch before them. */
  async nextDamage(
    at: number,
    signal?: AbortSignal,
  ): Promise<{ at: number; before: number | undefined } | undefined> {
    let from = at;
    let before: number | undefined;
    for (;;) {
      signal?.throwIfAborted();
      const { end, stop, last } = await this.file.follow(from, {}, WINDOW_BYTES);
      before = last?.position ?? before;
      if (stop.kind === 'end') return undefined;
      if (stop.kind === 'fill' && (await this.file.firstNonzero(end)) === null) return undefined;
      if (stop.kind !== 'budget' && !(last && (stop.kind === 'chain' || stop.kind === 'foreign')))
        return { at: end, before };
      from = end;
    }
  }

  /** Bytes of the file; fewer at its end. */
  bytes(at: number, length: number): Buffer {
    return this.file.read(at, length);
  }

  /** Bytes in the file now. */
  size(): number {
    return this.file.size();
  }
}

const ROWS_AT_ONCE = 256;

function endOf(row: BrowseRow): number {
  return row.kind === 'damage' ? row.to : row.batch.position + row.batch.length;
}
