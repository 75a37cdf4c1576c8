import { type BatchSeen, type LogFile, openLogFile } from '../engine/index.js';
import { unreadable } from './errors.js';
import { type Address, recordsOf, type SeenRecord, wholeBatches } from './records.js';

/** A row of a segment as it is browsed: a whole batch, or bytes that are none. */
export type BrowseRow =
  | { kind: 'batch'; at: number; batch: BatchSeen }
  | { kind: 'damage'; at: number; to: number; why: string; bytes: Buffer };

/** Rows from a position on, and where the next page begins; undefined at the end. */
export interface BrowsePage {
  rows: BrowseRow[];
  next: number | undefined;
}

const DAMAGE_SHOWN = 64;
const RECORDS_SEARCHED = 2_000_000;

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
        bytes: this.file.read(from, DAMAGE_SHOWN),
      });
      from = next?.position;
    }
    return { rows, next: from };
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
    for await (const batch of wholeBatches(this.file, { sealed: true, from: address })) {
      const [record] = recordsOf(this.file, batch, address);
      if (record) return { batch, number: Number(record.record - batch.baseRecord) };
    }
    return undefined;
  }

  /** The next record beyond `after` whose key or value holds the text; undefined when none does among the next two million. */
  async search(text: string, after: bigint): Promise<{ batch: BatchSeen; number: number } | undefined> {
    let looked = 0;
    const from: Address = { kind: 'record', value: after };
    for await (const batch of wholeBatches(this.file, { sealed: true, from })) {
      for (const record of recordsOf(this.file, batch, from)) {
        if (record.value.includes(text) || record.key?.includes(text))
          return { batch, number: Number(record.record - batch.baseRecord) };
        looked += 1;
        if (looked >= RECORDS_SEARCHED) return undefined;
      }
    }
    return undefined;
  }
}
