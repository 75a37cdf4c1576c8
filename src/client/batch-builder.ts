import { encodePrefix, RECORD_HEADER_BYTES, type RecordInput } from '../protocol/index.js';

/** How a batch ended, for whoever put records into it. */
export interface Delivery {
  promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

/** Records on their way, TLV-encoded. */
export interface PendingBatch {
  payload: Buffer;
  records: number;
  delivery: Delivery;
  /** It was sent once and no answer came. */
  mayBeStored: boolean;
  /** Given up at this time (ms since 1970) when it has been refused or lost before; undefined until then. */
  retryUntil?: number;
}

/** Lays records out one behind the other until `capacity` bytes are reached. */
export class BatchBuilder {
  private buffer: Buffer;
  private used = 0;
  private count = 0;
  private pending: Delivery = newDelivery();

  constructor(private readonly capacity: number) {
    this.buffer = Buffer.allocUnsafe(capacity);
  }

  get bytes(): number {
    return this.used;
  }

  get records(): number {
    return this.count;
  }

  /** Settles when the batch under construction does. */
  get delivery(): Promise<void> {
    return this.pending.promise;
  }

  /** Whether a record of `bytes`, header included, goes into this batch: an empty one takes a record of any size. */
  fits(bytes: number): boolean {
    return this.used === 0 || this.used + bytes <= this.capacity;
  }

  /** Puts a record behind the others and returns its size with its header. */
  append(record: RecordInput): number {
    const prefix = encodePrefix(record);
    this.reserve(prefix.length + record.value.length);
    prefix.copy(this.buffer, this.used);
    record.value.copy(this.buffer, this.used + prefix.length);
    return this.advance(prefix.length + record.value.length);
  }

  /** As `append`, for a record of `type` whose value is `source[start, end)`, without making an object for it. */
  appendSlice(source: Buffer, start: number, end: number, type: number): number {
    const length = end - start;
    this.reserve(RECORD_HEADER_BYTES + length);
    this.buffer[this.used] = type;
    this.buffer.writeUInt32LE(length, this.used + 1);
    source.copy(this.buffer, this.used + RECORD_HEADER_BYTES, start, end);
    return this.advance(RECORD_HEADER_BYTES + length);
  }

  /** Gives the batch away and begins another. */
  take(): PendingBatch {
    const batch = {
      payload: this.buffer.subarray(0, this.used),
      records: this.count,
      delivery: this.pending,
      mayBeStored: false,
    };
    this.buffer = Buffer.allocUnsafe(this.capacity);
    this.used = 0;
    this.count = 0;
    this.pending = newDelivery();
    return batch;
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(this.used + bytes);
    this.buffer.copy(larger, 0, 0, this.used);
    this.buffer = larger;
  }

  private advance(bytes: number): number {
    this.used += bytes;
    this.count += 1;
    return bytes;
  }
}

function newDelivery(): Delivery {
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((done, fail) => {
    resolve = done;
    reject = fail;
  });
  // Whoever sends without waiting hears of a failure from flush(); here it is no unhandled rejection.
  promise.catch(() => {});
  return { promise, resolve, reject };
}
