import type { BatchSeen, LogFile, Stretch, WantedBatch } from '../engine/index.js';
import type { SegmentName } from './names.js';
import { ProblemList } from './problems.js';

/** Bytes that are read and checked between two looks at the clock. */
export const WINDOW_BYTES = 32 * 1024 * 1024;

/** Whose batches a segment should have. */
export interface Owner {
  topic: number;
  epoch: number;
}

/** What batches that were read add up to. */
export interface Totals {
  batches: number;
  records: number;
  recordBytes: number;
  first: BatchSeen | undefined;
  last: BatchSeen | undefined;
  /** Records by type. */
  types: Map<number, number>;
  /** The highest durable offset that a header tells. */
  durable: bigint;
}

/** Where the batches of a segment that is still written end, and something follows. */
export interface TornEnd {
  at: number;
  /** What is wrong there. */
  why: string;
  /** Behind the last byte that is not zero. */
  to: number;
  /** Whole batches beyond that nothing proves to have been durable. */
  batches: number;
}

/** A segment, read from end to end. */
export interface Scan extends Totals {
  fileBytes: number;
  /** Behind the last batch. */
  end: number;
  problems: ProblemList;
  /** Only of a segment that is not sealed. */
  torn: TornEnd | undefined;
  /** Where damage was passed over, byte from to byte to. */
  gaps: { from: number; to: number }[];
}

/** What a scan is told. */
export interface ScanOptions {
  /** Undefined for a file whose name tells nothing. */
  name: SegmentName | undefined;
  /** By the topic's metadata.json. */
  owner?: Owner | undefined;
  /** Byte position of the first batch; 0 unless the file is a piece of a segment. */
  onProgress?: ((bytes: number) => void) | undefined;
}

/** No batches. */
export function noTotals(): Totals {
  return {
    batches: 0,
    records: 0,
    recordBytes: 0,
    first: undefined,
    last: undefined,
    types: new Map(),
    durable: 0n,
  };
}

/** What the batch behind this one must continue. */
export function wantedAfter(batch: BatchSeen): WantedBatch {
  return {
    topic: batch.topic,
    epoch: batch.epoch,
    offset: batch.baseOffset + BigInt(batch.payloadLength),
    record: batch.baseRecord + BigInt(batch.recordCount),
    timestampNs: batch.timestampNs,
    nodeActorSequence: lastSequence(batch),
    chain: batch.checksum,
  };
}

/** `node_actor_sequence` of a batch's last record. */
export function lastSequence(batch: BatchSeen): bigint {
  return batch.nodeActorSequence + BigInt(batch.recordCount - 1);
}

/** Reads a segment from end to end and checks every batch in it, in constant memory (formats.md, "Segment"). */
export async function scanSegment(file: LogFile, options: ScanOptions): Promise<Scan> {
  return new Scanner(file, options).run();
}

class Scanner {
  private readonly scan: Scan;
  private at = 0;
  private wanted: WantedBatch;

  constructor(
    private readonly file: LogFile,
    private readonly options: ScanOptions,
  ) {
    const { name, owner } = options;
    this.scan = {
      ...noTotals(),
      fileBytes: file.size(),
      end: 0,
      problems: new ProblemList(),
      torn: undefined,
      gaps: [],
    };
    this.wanted = {
      ...owner,
      ...(name && { offset: name.baseOffset, record: name.baseRecord }),
      ...(name?.baseOffset === 0n && name.baseRecord === 0n && { chain: 0 }),
    };
  }

  private get sealed(): boolean {
    return this.options.name?.endNs !== undefined;
  }

  async run(): Promise<Scan> {
    const { scan } = this;
    for (;;) {
      const stretch = await this.file.follow(this.at, this.wanted, WINDOW_BYTES);
      this.take(stretch);
      this.options.onProgress?.(this.at);
      const { kind, detail, batch } = stretch.stop;
      if (kind === 'budget') continue;
      if (kind === 'end') break;
      if (kind === 'fill' && (await this.file.firstNonzero(this.at)) === null) {
        if (this.sealed && scan.fileBytes > this.at)
          this.problem('fill', 'a sealed segment ends with its last batch, this one with zeros');
        break;
      }
      const goesOn = this.sealed
        ? await this.pass(kind, detail, batch)
        : await this.judge(kind, detail, batch);
      if (!goesOn) break;
    }
    this.checkName();
    return scan;
  }

  private problem(kind: string, detail: string, at = this.at): void {
    this.scan.problems.add(kind, at, detail);
  }

  private take(stretch: Stretch): void {
    add(this.scan, stretch);
    for (const { kind, position, detail } of stretch.odd) this.problem(kind, detail, position);
    this.at = stretch.end;
    if (stretch.last) {
      this.wanted = wantedAfter(stretch.last);
      this.scan.end = stretch.end;
    }
  }

  /** Says what is wrong and goes on behind it; false when there is nothing more. */
  private async pass(kind: string, detail: string, batch: BatchSeen | undefined): Promise<boolean> {
    const from = this.at;
    const whole = kind === 'foreign' || kind === 'chain';
    if (whole) {
      this.problem(kind, `${detail}${missing(this.wanted, batch)}`);
      this.wanted = {};
      return true;
    }
    const next = await this.resync(batch);
    this.problem(
      kind === 'cut' ? 'end' : kind === 'fill' ? 'header' : kind,
      `${detail}${missing(this.wanted, next)}`,
    );
    if (!next) return false;
    this.scan.gaps.push({ from, to: next.position });
    this.at = next.position;
    this.wanted = { topic: next.topic, epoch: next.epoch };
    return true;
  }

  /** The next header that may stand there, behind what does not hold. */
  private async resync(batch: BatchSeen | undefined): Promise<BatchSeen | undefined> {
    const { topic, epoch } = {
      topic: this.wanted.topic ?? batch?.topic,
      epoch: this.wanted.epoch ?? batch?.epoch,
    };
    const own = batch && batch.topic === topic && batch.epoch === epoch ? batch.length : 1;
    let from = this.at + own;
    for (;;) {
      const next = await this.file.findHeader(from, topic, epoch);
      if (!next) return undefined;
      if (couldStand(next, this.at, this.wanted)) return next;
      from = next.position + 1;
    }
  }

  /**
   * The end of a segment that is still written: torn, or damage, as recovery tells them apart (design.md, section 8): a
   * later batch whose durable offset lies beyond the gap proves damage. True when the scan goes on behind damage.
   */
  private async judge(kind: string, detail: string, batch: BatchSeen | undefined): Promise<boolean> {
    const { wanted } = this;
    const gap = this.at;
    let at: number | undefined = (await this.resync(batch))?.position;
    let batches = 0;
    let durable = 0n;
    while (at !== undefined) {
      const beyond: Stretch = await this.file.follow(at, ownerOf(wanted, batch), WINDOW_BYTES);
      batches += beyond.batches;
      if (beyond.durable > durable) durable = beyond.durable;
      if (beyond.stop.kind === 'end' || beyond.stop.kind === 'read') break;
      const from: number = beyond.end === at ? at + 1 : beyond.end;
      const next: BatchSeen | null =
        beyond.stop.kind === 'budget' ? null : await this.file.findHeader(from, wanted.topic, wanted.epoch);
      at = beyond.stop.kind === 'budget' ? beyond.end : next?.position;
    }
    const reached = wanted.offset ?? 0n;
    if (kind === 'newer' || kind === 'read' || durable > reached) {
      return this.pass(kind, kind === 'newer' ? detail : `${detail}; offset ${durable} was durable`, batch);
    }
    const to = await endOfBytes(this.file, gap);
    this.scan.torn = { at: gap, why: detail, to, batches };
    return false;
  }

  private checkName(): void {
    const { name } = this.options;
    const { first, last, problems, torn } = this.scan;
    if (!name) {
      problems.add('name', 0, 'the name is not {base_offset}_{base_record}_{start_ns}[-{end_ns}].lnc');
      return;
    }
    if (!first || !last) {
      if (!torn && problems.list.length === 0)
        problems.add(
          this.sealed ? 'end' : 'empty',
          0,
          'there is no batch, although a segment gets its name with its first',
        );
      return;
    }
    if (first.position === 0 && first.timestampNs !== name.startNs)
      problems.add('name', 0, `the name starts at ${name.startNs}, the first record at ${first.timestampNs}`);
    if (name.endNs !== undefined && last.timestampNs !== name.endNs)
      problems.add(
        'name',
        last.position,
        `the name ends at ${name.endNs}, the last record at ${last.timestampNs}`,
      );
  }
}

/** Behind the last byte that is not zero; `from` where there is none. Holes of a sparse file are not read. */
export async function endOfBytes(file: LogFile, from: number): Promise<number> {
  const step = 1024 * 1024;
  let end = from;
  for (let at = await file.firstNonzero(from); at !== null; at = await file.firstNonzero(end)) {
    const bytes = file.read(at, step);
    if (bytes.length === 0) break;
    let last = bytes.length;
    while (last > 0 && bytes[last - 1] === 0) last -= 1;
    end = at + Math.max(last, 1);
  }
  return end;
}

function ownerOf(wanted: WantedBatch, batch: BatchSeen | undefined): WantedBatch {
  const topic = wanted.topic ?? batch?.topic;
  const epoch = wanted.epoch ?? batch?.epoch;
  return topic === undefined || epoch === undefined ? {} : { topic, epoch };
}

function add(totals: Totals, stretch: Stretch): void {
  totals.batches += stretch.batches;
  totals.records += stretch.records;
  totals.recordBytes += stretch.recordBytes;
  totals.first ??= stretch.first;
  totals.last = stretch.last ?? totals.last;
  if (stretch.durable > totals.durable) totals.durable = stretch.durable;
  for (const { kind, records } of stretch.types)
    totals.types.set(kind, (totals.types.get(kind) ?? 0) + records);
}

const HEADER_BYTES = 133n;

/**
 * Whether missing batches, of at least a record each, fill exactly what lies between: bytes in a record that look like a
 * batch (somebody stored a segment in a topic) do not.
 */
function couldStand(next: BatchSeen, from: number, { offset, record }: WantedBatch): boolean {
  if (offset === undefined || record === undefined) return true;
  const payload = next.baseOffset - offset;
  const records = next.baseRecord - record;
  const headers = BigInt(next.position - from) - payload;
  if (payload < 0n || records < 0n || headers < 0n) return false;
  return headers % HEADER_BYTES === 0n && headers / HEADER_BYTES <= records;
}

/** What lies between two places of a topic, in words. */
function missing({ offset, record }: WantedBatch, next: BatchSeen | undefined): string {
  if (offset === undefined || record === undefined) return '';
  if (!next) return `; from offset ${offset}, record ${record} on nothing is readable here`;
  if (next.baseOffset <= offset || next.baseRecord <= record) return '';
  const records = next.baseRecord - record;
  return `; offsets ${offset} to ${next.baseOffset} are not readable (${records} ${records === 1n ? 'record' : 'records'})`;
}
