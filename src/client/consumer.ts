import { setTimeout as sleep } from 'node:timers/promises';
import {
  Command,
  contentOf,
  FetchAnswer,
  FetchWaitRequest,
  formatSortKey,
  walkBatches,
  walkRecords,
} from '../protocol/index.js';
import { Admin } from './admin.js';
import { Connection } from './connection.js';
import { ConnectionLostError, LwpError, UnreachableError } from './errors.js';
import { type ConnectionOptions, DEFAULT_TIMEOUT } from './options.js';
import { resolveStart, type Start } from './start.js';

/** What a Consumer reads and from where. */
export interface ConsumerOptions extends ConnectionOptions {
  /** The topic's name, or its id. */
  topic: string | number;
  /** Where to start; `earliest` unless told, or where `consumer` left off. */
  from?: Start | undefined;
  /** Under which number offsets are committed, 64 bits. */
  consumer?: bigint | undefined;
  /** Wait for more at the end (unless told `false`: stop at the end as it is when reading starts). */
  follow?: boolean | undefined;
  /** Most bytes asked for at once; a little less than 1 MiB unless told, so that the answer fits a buffer of that size. */
  maxBytes?: number | undefined;
  /** Ends the reading. */
  signal?: AbortSignal | undefined;
}

/** A record as it was read. */
export interface ConsumedRecord {
  /** Index in the topic: 0, 1, 2, ... */
  record: number;
  /** Byte position in the topic's record stream. */
  offset: number;
  /** Where the next one begins: what to commit when this one is done with. */
  nextOffset: number;
  /** 32 hex digits, timestamp first. */
  sortKey: string;
  /** When the node received it, nanoseconds since 1970. */
  timestampNs: bigint;
  /** TLV type. */
  type: number;
  /** Without key and time, where the type holds these. Shares memory with its neighbours: copy what is kept long. */
  value: Buffer;
  key?: Buffer;
  /** The application's own time, where the record carries one. */
  producerTimestampNs?: bigint;
}

/** Bytes of whole records as they lie in the topic, TLV headers included. */
export interface RecordBytes {
  offset: number;
  nextOffset: number;
  records: number;
  data: Buffer;
}

interface Fetched {
  nextOffset: number;
  records: number;
  data: Buffer;
}

const DEFAULT_MAX_BYTES = 1024 * 1024 - 4096;
const MAX_WAIT_MS = 5_000;
const RECONNECT_PAUSE_MS = 200;

/** Reads a topic in order: `for await (const record of consumer)`. The next fetch is under way while records are handled. */
export class Consumer implements AsyncIterable<ConsumedRecord> {
  readonly topicId: number;
  /** Where the next record to be given begins. */
  position: number;
  /** Where reading stops; undefined when it follows. */
  readonly end: number | undefined;

  private closed = false;

  private constructor(
    private connection: Connection,
    private readonly options: ConsumerOptions,
    place: { topicId: number; position: number; end: number | undefined },
  ) {
    this.topicId = place.topicId;
    this.position = place.position;
    this.end = place.end;
  }

  /** Connects, finds the topic and the start. Throws UnreachableError, LwpError TOPIC_NOT_FOUND or OFFSET_OUT_OF_RANGE. */
  static async open(options: ConsumerOptions): Promise<Consumer> {
    const connection = await Connection.open(options);
    try {
      const admin = new Admin(connection);
      const { id } = await admin.findTopic(options.topic);
      const end = options.follow === false ? await admin.endOffset(id) : undefined;
      const left =
        options.from === undefined && options.consumer !== undefined
          ? await admin.committedOffset(id, options.consumer)
          : undefined;
      const position = left ?? (await resolveStart(admin, id, options.from ?? 'earliest'));
      // One that stops at the end would take a stale offset for "nothing new"; one that follows is told by the node.
      if (end !== undefined && position > end) await refuseBeyondEnd(admin, id, position);
      return new Consumer(connection, options, { topicId: id, position, end });
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Records one by one. Commit `record.nextOffset`, or `consumer.position`, when a record is done with. */
  async *[Symbol.asyncIterator](): AsyncIterator<ConsumedRecord> {
    for await (const records of this.batches()) {
      for (const record of records) {
        this.position = record.nextOffset;
        yield record;
      }
    }
  }

  /** Records as they came together, with index, key and time of each. */
  async *batches(): AsyncGenerator<ConsumedRecord[], void, undefined> {
    let from = this.position;
    for await (const { nextOffset, data } of this.fetches(
      Command.fetchBatches,
      Command.fetchBatchesResponse,
    )) {
      const records = readBatches(data, from, this.end);
      from = nextOffset;
      if (records.length > 0) yield records;
      this.position = nextOffset;
    }
  }

  /** Records' bytes in bulk, for those who copy streams and need neither index nor time. */
  async *bytes(): AsyncGenerator<RecordBytes, void, undefined> {
    for await (const { nextOffset, records, data } of this.fetches(
      Command.fetchWait,
      Command.fetchResponse,
    )) {
      const kept = this.end === undefined ? nextOffset : Math.min(nextOffset, this.end);
      const offset = nextOffset - data.length;
      // Whole records end at the end that was seen, so what is beyond it is whole, too.
      yield { offset, nextOffset: kept, records, data: data.subarray(0, kept - offset) };
      this.position = kept;
    }
  }

  /** Keeps `offset` (unless told: the position) for this consumer, durably. Needs `consumer` among the options. */
  async commit(offset = this.position): Promise<void> {
    if (this.options.consumer === undefined)
      throw new Error('A consumer without a number has nothing to commit under.');
    const { consumer } = this.options;
    await this.reconnecting(() => new Admin(this.connection).commitOffset(this.topicId, consumer, offset));
  }

  close(): void {
    this.closed = true;
    this.connection.close();
  }

  /** Fetches until the end, the signal or an error; always one ahead of what the caller handles. */
  private async *fetches(code: number, answer: number): AsyncGenerator<Fetched, void, undefined> {
    if (this.end !== undefined && this.position >= this.end) return;
    let next: Promise<Fetched | Error> = this.fetch(code, answer, this.position);
    for (;;) {
      const fetched = await this.unlessAborted(next);
      if (!fetched) return;
      if (fetched instanceof Error) throw fetched;
      const last = this.end !== undefined && fetched.nextOffset >= this.end;
      if (!last) next = this.fetch(code, answer, fetched.nextOffset);
      if (fetched.records > 0) yield fetched;
      if (last) return;
    }
  }

  /** An error is a value here: the fetch ahead may fail while nobody waits for it yet. */
  private fetch(code: number, answer: number, offset: number): Promise<Fetched | Error> {
    const { maxBytes = DEFAULT_MAX_BYTES, timeout = DEFAULT_TIMEOUT } = this.options;
    const request = FetchWaitRequest.encode({
      topic: this.topicId,
      offset: BigInt(offset),
      maxBytes,
      minBytes: 1,
      maxWaitMs: MAX_WAIT_MS,
    });
    return this.reconnecting(async () => {
      const expected = [answer, Command.catchingUp];
      const { code: got, payload } = await this.connection.request(
        code,
        request,
        expected,
        MAX_WAIT_MS + timeout,
      );
      if (got === Command.catchingUp) {
        await sleep(RECONNECT_PAUSE_MS);
        return { nextOffset: offset, records: 0, data: Buffer.alloc(0) };
      }
      const { nextOffset, bytes, records } = FetchAnswer.decode(payload);
      const data = payload.subarray(FetchAnswer.bytes, FetchAnswer.bytes + bytes);
      return { nextOffset: Number(nextOffset), records, data };
    }).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
  }

  /** Reading again is harmless: a lost connection is opened anew until the time-out has passed without one. */
  private async reconnecting<T>(work: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + (this.options.timeout ?? DEFAULT_TIMEOUT);
    for (;;) {
      try {
        if (this.connection.isClosed && !this.closed && !this.options.signal?.aborted) {
          this.connection = await Connection.open(this.options);
        }
        return await work();
      } catch (error) {
        const lost = error instanceof ConnectionLostError || error instanceof UnreachableError;
        if (!lost || Date.now() > deadline || this.options.signal?.aborted) throw error;
        await sleep(RECONNECT_PAUSE_MS);
      }
    }
  }

  private async unlessAborted<T>(work: Promise<T>): Promise<T | undefined> {
    const { signal } = this.options;
    if (!signal) return work;
    if (signal.aborted) return undefined;
    let stop = () => {};
    const aborted = new Promise<undefined>((resolve) => {
      stop = () => resolve(undefined);
      signal.addEventListener('abort', stop, { once: true });
    });
    return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', stop));
  }
}

/** Throws OFFSET_OUT_OF_RANGE unless the topic has grown to `position` meanwhile. */
async function refuseBeyondEnd(admin: Admin, topic: number, position: number): Promise<void> {
  const end = await admin.endOffset(topic);
  if (position <= end) return;
  throw new LwpError({
    code: 0x51,
    message: `Offset ${position} is beyond the end of the topic, which is ${end}.`,
  });
}

/** The records of whole batches that begin at `from` or later and before `end`. */
function readBatches(data: Buffer, from: number, end = Number.POSITIVE_INFINITY): ConsumedRecord[] {
  const records: ConsumedRecord[] = [];
  for (const { header, payload } of walkBatches(data)) {
    const base = Number(header.baseOffset);
    let index = 0;
    for (const { type, value, at } of walkRecords(payload)) {
      const offset = base + at;
      if (offset >= end) return records;
      if (offset >= from) {
        const { timestampNs: producerTimestampNs, ...content } = contentOf(type, value);
        records.push({
          record: Number(header.baseRecord) + index,
          offset,
          nextOffset: offset + 5 + value.length,
          sortKey: formatSortKey(header.timestampNs, header.nodeActorSequence + BigInt(index)),
          timestampNs: header.timestampNs,
          type,
          ...content,
          ...(producerTimestampNs === undefined ? {} : { producerTimestampNs }),
        });
      }
      index += 1;
    }
  }
  return records;
}
