import { setTimeout as sleep } from 'node:timers/promises';
import {
  HEADER_BYTES,
  isOutcomeUnknown,
  isRetryable,
  RECORD_HEADER_BYTES,
  type RecordInput,
  RecordType,
} from '../protocol/index.js';
import { Admin } from './admin.js';
import { BatchBuilder, type PendingBatch } from './batch-builder.js';
import { Connection } from './connection.js';
import {
  LwpError,
  NotSentError,
  OutcomeUnknownError,
  RecordTooLargeError,
  UnreachableError,
} from './errors.js';
import { type ConnectionOptions, DEFAULT_TIMEOUT } from './options.js';
import { SendWindow } from './window.js';

/** How a Producer gathers and sends. */
export interface ProducerOptions extends ConnectionOptions {
  /** The topic's name, or its id. */
  topic: string | number;
  /** A batch is sent when it has grown to this, bytes; 64 KiB unless told. */
  batchBytes?: number | undefined;
  /** A batch that is smaller waits this long for more, ms; 0 (unless told): until the program's next turn. */
  lingerMs?: number | undefined;
  /** Batches under way at once; 8 unless told. */
  inFlight?: number | undefined;
  /** What may be gathered before `ready` waits, bytes; 16 MiB unless told. */
  maxBufferedBytes?: number | undefined;
  /** Send a batch again whose acknowledgement never came. It may then be stored twice. */
  retryUnknown?: boolean | undefined;
}

/** A record to send; text is sent as UTF-8. */
export interface ProducerRecord {
  value: string | Buffer;
  /** TLV type; raw (0x01) unless told. A key or a time makes it 0x10, 0x11 or 0x12. */
  type?: number | undefined;
  key?: string | Buffer | undefined;
  timestampNs?: bigint | undefined;
}

/** What a Producer has done so far. */
export interface ProducerStats {
  records: number;
  /** Of the records' values. */
  bytes: number;
  batches: number;
  /** Records that the node has acknowledged. */
  acked: number;
  /** Records whose outcome is unknown. */
  unknown: number;
}

const RETRY_PAUSE_MS = 100;

/**
 * Sends records to one topic, in order, in batches. A record's promise settles with its batch: resolved, the node has
 * acknowledged it; OutcomeUnknownError, it was sent and nobody knows; any other error, it is certainly not stored.
 */
export class Producer {
  readonly stats: ProducerStats = { records: 0, bytes: 0, batches: 0, acked: 0, unknown: 0 };
  private readonly batchBytes: number;
  private readonly builder: BatchBuilder;
  private readonly window: SendWindow;
  private readonly queue: PendingBatch[] = [];
  private readonly underWay = new Set<PendingBatch>();
  /** Sent, refused or lost, and to be sent again, in their order, once nothing is under way. */
  private again: PendingBatch[] = [];
  private buffered = 0;
  private timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  /** The batch under construction has waited long enough: it goes as soon as there is room, and grows until then. */
  private overdue = false;
  private pumping = false;
  private pumpAgain = false;
  private wake: (() => void)[] = [];
  private firstError: Error | undefined;
  private closed = false;

  private constructor(
    private connection: Connection,
    private readonly topicId: number,
    private readonly options: ProducerOptions,
  ) {
    this.batchBytes = Math.min(options.batchBytes ?? 64 * 1024, connection.maxFrame - HEADER_BYTES);
    this.builder = new BatchBuilder(this.batchBytes);
    this.window = new SendWindow(options.inFlight ?? 8);
    this.watch(connection);
  }

  /** Connects and finds the topic. Throws UnreachableError, LwpError TOPIC_NOT_FOUND. */
  static async open(options: ProducerOptions): Promise<Producer> {
    const connection = await Connection.open(options);
    try {
      const { id } = await new Admin(connection).findTopic(options.topic);
      return new Producer(connection, id, options);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Puts a record into the batch and returns what settles with it. Throws RecordTooLargeError at once. */
  send(record: ProducerRecord): Promise<void> {
    const { value, key } = record;
    const input: RecordInput = {
      ...record,
      value: typeof value === 'string' ? Buffer.from(value) : value,
      key: typeof key === 'string' ? Buffer.from(key) : key,
    };
    const size =
      RECORD_HEADER_BYTES +
      input.value.length +
      (input.key ? input.key.length + 2 : 0) +
      (input.timestampNs ? 8 : 0);
    this.makeRoom(size);
    return this.added(this.builder.append(input), input.value.length);
  }

  /** As `send`, for a record of `type` whose value is `source[start, end)`; the bytes are copied before it returns. */
  sendSlice(source: Buffer, start: number, end: number, type: number = RecordType.raw): Promise<void> {
    this.makeRoom(RECORD_HEADER_BYTES + end - start);
    return this.added(this.builder.appendSlice(source, start, end, type), end - start);
  }

  /** Resolves when more can be sent without memory growing past `maxBufferedBytes`. Throws the first failure. */
  async ready(): Promise<void> {
    const most = this.options.maxBufferedBytes ?? 16 * 1024 * 1024;
    while (this.buffered > most && !this.firstError) await this.settled();
    this.throwFailure();
  }

  /** Sends what is gathered and resolves when all of it is acknowledged. Throws the first failure since the last flush. */
  async flush(): Promise<void> {
    this.closeBatch();
    while (this.buffered > 0) await this.settled();
    this.throwFailure();
  }

  /** Flushes, then disconnects, also when flushing fails. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.closed = true;
      this.connection.close();
    }
  }

  private makeRoom(size: number): void {
    if (this.closed) throw new Error('This producer is closed.');
    if (size > this.connection.maxRecord) throw new RecordTooLargeError(size, this.connection.maxRecord);
    if (!this.builder.fits(size)) this.closeBatch();
  }

  private added(size: number, valueBytes: number): Promise<void> {
    this.stats.records += 1;
    this.stats.bytes += valueBytes;
    this.buffered += size;
    const { delivery } = this.builder;
    if (this.builder.bytes >= this.batchBytes) this.closeBatch();
    else this.linger();
    return delivery;
  }

  private linger(): void {
    if (this.timer || this.overdue) return;
    const { lingerMs = 0 } = this.options;
    const due = () => {
      this.timer = undefined;
      this.overdue = true;
      void this.pump();
    };
    this.timer = lingerMs > 0 ? setTimeout(due, lingerMs) : setImmediate(due);
  }

  private closeBatch(): void {
    if (this.timer) {
      clearTimeout(this.timer as NodeJS.Timeout);
      clearImmediate(this.timer as NodeJS.Immediate);
      this.timer = undefined;
    }
    this.overdue = false;
    if (this.builder.records === 0) return;
    this.queue.push(this.builder.take());
    this.stats.batches += 1;
    void this.pump();
  }

  /** Sends while the window and the socket have room. One at a time; whatever makes room starts it again. */
  private async pump(): Promise<void> {
    this.pumpAgain = true;
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.pumpAgain) {
        this.pumpAgain = false;
        while (await this.canSend()) {
          const batch = this.queue.shift();
          if (!batch) break;
          this.underWay.add(batch);
          void this.deliver(batch);
        }
      }
    } catch (error) {
      this.dropUnsent(asError(error));
    } finally {
      this.pumping = false;
    }
  }

  private async canSend(): Promise<boolean> {
    if (this.again.length > 0) {
      if (this.underWay.size > 0) return false;
      this.queue.unshift(...this.again.splice(0));
      await sleep(RETRY_PAUSE_MS);
    }
    if (this.underWay.size >= this.window.current) return false;
    if (this.queue.length === 0 && this.overdue) this.closeBatch();
    if (this.queue.length === 0) return false;
    if (this.connection.isClosed) await this.reconnect();
    await this.connection.writable();
    return this.queue.length > 0;
  }

  /** Opens the connection anew, trying until the time-out has passed. */
  private async reconnect(): Promise<void> {
    const deadline = Date.now() + (this.options.timeout ?? DEFAULT_TIMEOUT);
    for (;;) {
      try {
        this.connection = await Connection.open(this.options);
        this.watch(this.connection);
        return;
      } catch (error) {
        if (!(error instanceof UnreachableError) || this.closed || Date.now() > deadline) throw error;
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }

  private async deliver(batch: PendingBatch): Promise<void> {
    try {
      await this.connection.ingest(this.topicId, batch.payload, batch.records);
      this.underWay.delete(batch);
      this.window.acknowledge();
      this.stats.acked += batch.records;
      this.buffered -= batch.payload.length;
      batch.delivery.resolve();
      this.notify();
    } catch (error) {
      this.underWay.delete(batch);
      this.judge(batch, asError(error));
    }
    void this.pump();
  }

  /** A batch that was sent and not acknowledged: again, unknown, or failed. */
  private judge(batch: PendingBatch, error: Error): void {
    const refused = error instanceof LwpError && !isOutcomeUnknown(error.lwpCode);
    const mayBeStored = batch.mayBeStored || !refused;
    const retryUntil = batch.retryUntil ?? Date.now() + (this.options.timeout ?? DEFAULT_TIMEOUT);
    const worthwhile = refused ? isRetryable(error.lwpCode) : this.options.retryUnknown === true;
    if (worthwhile && Date.now() < retryUntil && !this.closed) {
      if (refused) this.window.slowDown();
      this.again.push({ ...batch, mayBeStored, retryUntil });
    } else {
      this.failed({ ...batch, mayBeStored }, error);
    }
  }

  /** Settles a batch as failed, or as unknown, and with it all that waits behind it: order has no holes by accident. */
  private failed(batch: PendingBatch, error: Error): void {
    this.reject(batch, error);
    this.closeBatch();
    this.dropUnsent(new NotSentError(error));
  }

  /** Rejects what is queued. Only what was sent once before may be stored. */
  private dropUnsent(error: Error): void {
    for (const batch of [...this.again.splice(0), ...this.queue.splice(0)]) this.reject(batch, error);
  }

  private reject(batch: PendingBatch, reason: Error): void {
    const error = batch.mayBeStored ? new OutcomeUnknownError(batch.records, reason) : reason;
    if (batch.mayBeStored) this.stats.unknown += batch.records;
    this.firstError ??= error;
    this.buffered -= batch.payload.length;
    batch.delivery.reject(error);
    this.notify();
  }

  private watch(connection: Connection): void {
    connection.on('backpressure', () => this.window.slowDown());
  }

  /** Resolves when any batch has been settled. */
  private settled(): Promise<void> {
    return new Promise((resolve) => this.wake.push(resolve));
  }

  private notify(): void {
    for (const resolve of this.wake.splice(0)) resolve();
  }

  private throwFailure(): void {
    const error = this.firstError;
    this.firstError = undefined;
    if (error instanceof OutcomeUnknownError)
      throw new OutcomeUnknownError(this.stats.unknown, error.cause as Error);
    if (error) throw error;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
