import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { type Address, formatAddress } from '../config/index.js';
import { LanceError } from '../errors.js';
import {
  Command,
  decodeJson,
  ErrorDocument,
  encodeHeader,
  Flag,
  type Frame,
  FrameDecoder,
  HelloDocument,
  ProtocolError,
} from '../protocol/index.js';
import { ConnectionLostError, LwpError, RequestTimeoutError, UnreachableError } from './errors.js';
import { type ConnectionOptions, DEFAULT_ENDPOINT, DEFAULT_TIMEOUT, parseEndpoints } from './options.js';
import { openSocket, reasonOf } from './socket.js';

const VERSION = '0.1.0';
/** Our own client's checksum (lwp.md, "Which checksum"). */
const CHECKSUM = 'crc32c';
const EMPTY = Buffer.alloc(0);

/** An answer to a control request: its command code and payload. */
export interface Answer {
  code: number;
  payload: Buffer;
}

interface Waiting {
  expected: readonly number[];
  resolve(answer: Answer): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

interface Unacked {
  resolve(): void;
  reject(error: Error): void;
}

interface Events {
  /** The node asks to slow down. */
  backpressure: [];
  /** The connection is gone; nothing more will be answered. */
  lost: [reason: Error];
}

/**
 * One connection to one node, after Hello. Any number of requests and ingests may be under way: an answer is known by
 * the timestamp it echoes, an acknowledgement by its batch id. When the connection is lost, all that is owed is rejected
 * with ConnectionLostError.
 */
export class Connection extends EventEmitter<Events> {
  /** What the node said of itself. */
  hello: HelloDocument | undefined;
  readonly endpoint: string;
  private readonly socket: Socket;
  private readonly timeout: number;
  private readonly decoder = new FrameDecoder({ checksum: CHECKSUM });
  private readonly waiting = new Map<bigint, Waiting>();
  private readonly unacked = new Map<bigint, Unacked>();
  /** Requests that were given up on: their answers may still come and mean nothing. */
  private readonly abandoned = new Set<bigint>();
  private stamp = BigInt(Date.now()) * 1_000_000n;
  private nextBatch = 1n;
  private failure: Error | undefined;
  /** Runs while anything is unacknowledged and begins anew with every acknowledgement. */
  private ackTimer: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, endpoint: string, timeout: number) {
    super();
    this.socket = socket;
    this.endpoint = endpoint;
    this.timeout = timeout;
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => this.fail(this.lost(reasonOf(error), error)));
    socket.on('close', () => this.fail(this.lost('the node closed it')));
  }

  /** Connects to the first endpoint that answers. Throws UnreachableError when none does, LwpError when refused. */
  static async open(options: ConnectionOptions = {}): Promise<Connection> {
    const timeout = options.timeout ?? DEFAULT_TIMEOUT;
    const tried: { endpoint: string; reason: string }[] = [];
    let cause: unknown;
    for (const address of parseEndpoints(options.endpoint ?? DEFAULT_ENDPOINT)) {
      try {
        return await Connection.openOne(address, timeout, options);
      } catch (error) {
        // What the node itself refuses (a token, a full house) another endpoint is not asked to allow.
        if (error instanceof LwpError || error instanceof ProtocolError) throw error;
        cause = error;
        tried.push({ endpoint: formatAddress(address), reason: shortReason(error) });
      }
    }
    throw new UnreachableError(tried, cause);
  }

  private static async openOne(
    address: Address,
    timeout: number,
    options: ConnectionOptions,
  ): Promise<Connection> {
    const socket = await openSocket(address, timeout, options.tls);
    const connection = new Connection(socket, formatAddress(address), timeout);
    try {
      if (options.token !== undefined) await connection.authenticate(options.token);
      const hello = {
        client: options.clientName ?? 'lance-ts',
        version: VERSION,
        features: ['fetch-wait', 'fetch-batches'],
      };
      const { payload } = await connection.request(Command.hello, Buffer.from(JSON.stringify(hello)), [
        Command.helloResponse,
      ]);
      connection.hello = decodeJson('HelloResponse', HelloDocument, payload);
      connection.decoder.limit(connection.hello.limits.max_frame);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  private async authenticate(token: string): Promise<void> {
    const { payload } = await this.request(Command.authenticate, Buffer.from(token), [
      Command.authenticateResponse,
    ]);
    if (payload[0] !== 1)
      throw new LwpError({ code: 0x41, message: payload.toString('utf8', 1) || 'The token was refused.' });
  }

  /** True once the connection cannot be used any more. */
  get isClosed(): boolean {
    return this.failure !== undefined;
  }

  /** Largest record with its TLV header, bytes. */
  get maxRecord(): number {
    return this.hello?.limits.max_record ?? 16 * 1024 * 1024 - 4096;
  }

  /** Largest frame, header included, bytes. */
  get maxFrame(): number {
    return this.hello?.limits.max_frame ?? 16 * 1024 * 1024;
  }

  /**
   * Sends a control request and waits for its answer, which must carry one of the `expected` codes. `timeout` in ms is
   * the connection's own unless told. Throws LwpError for an error answer, RequestTimeoutError, ConnectionLostError.
   */
  request(
    code: number,
    payload: Buffer,
    expected: readonly number[],
    timeout = this.timeout,
  ): Promise<Answer> {
    if (this.failure) return Promise.reject(this.failure);
    const stamp = ++this.stamp;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(stamp);
        this.abandoned.add(stamp);
        reject(new RequestTimeoutError(this.endpoint, timeout));
      }, timeout);
      this.waiting.set(stamp, { expected, resolve, reject, timer });
      this.write({ flags: Flag.control, batchId: BigInt(code), timestampNs: stamp }, payload);
    });
  }

  /**
   * Sends records, TLV-encoded in `payload`, and resolves when the node has acknowledged them. Throws LwpError when it
   * refused them, ConnectionLostError when it is not known what became of them.
   */
  ingest(topic: number, payload: Buffer, recordCount: number): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    const batchId = this.nextBatch++;
    return new Promise((resolve, reject) => {
      this.unacked.set(batchId, { resolve, reject });
      this.ackTimer ??= setTimeout(
        () => this.fail(new RequestTimeoutError(this.endpoint, this.timeout)),
        this.timeout,
      );
      const timestampNs = BigInt(Date.now()) * 1_000_000n;
      this.write({ flags: Flag.batch, batchId, timestampNs, recordCount, topicId: topic }, payload);
    });
  }

  /** Resolves when the socket can take more without buffering it in memory, or the connection is gone. */
  async writable(): Promise<void> {
    if (!this.socket.writableNeedDrain || this.failure) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.socket.off('drain', done);
        this.socket.off('close', done);
        resolve();
      };
      this.socket.on('drain', done);
      this.socket.on('close', done);
    });
  }

  /** Ends the connection. What is still owed is rejected. */
  close(): void {
    this.fail(new LanceError('The connection was closed by this client.', { code: 'CLOSED' }));
  }

  private write(fields: Parameters<typeof encodeHeader>[1], payload: Buffer): void {
    this.socket.cork();
    this.socket.write(encodeHeader(CHECKSUM, fields, payload));
    if (payload.length > 0) this.socket.write(payload);
    this.socket.uncork();
  }

  private receive(chunk: Buffer): void {
    if (this.failure) return;
    try {
      for (const frame of this.decoder.push(chunk)) this.dispatch(frame);
    } catch (error) {
      this.fail(error instanceof Error ? error : new ProtocolError(String(error)));
    }
  }

  private dispatch({ header, payload }: Frame): void {
    switch (header.flags) {
      case Flag.ack:
        // The answer to Unsubscribe is an ack frame that echoes the request's timestamp; an ingest's carries 0.
        if (header.timestampNs !== 0n)
          this.answer(header.timestampNs, { code: Command.unsubscribe, payload: EMPTY });
        else this.acknowledge(header.batchId);
        return;
      case Flag.backpressure:
        this.emit('backpressure');
        return;
      case Flag.keepalive:
        return;
      case Flag.control:
        if (header.batchId === BigInt(Command.errorResponse)) this.refuse(header.timestampNs, payload);
        else this.answer(header.timestampNs, { code: Number(header.batchId), payload });
        return;
      default:
        throw new ProtocolError(
          `A frame came with flags 0x${header.flags.toString(16)}, which a node never sends.`,
        );
    }
  }

  private answer(stamp: bigint, answer: Answer): void {
    const waiting = this.takeWaiting(stamp);
    if (!waiting) return;
    if (waiting.expected.includes(answer.code)) waiting.resolve(answer);
    else
      waiting.reject(
        new ProtocolError(
          `The answer has code 0x${answer.code.toString(16)}, which answers another request.`,
        ),
      );
  }

  private takeWaiting(stamp: bigint): Waiting | undefined {
    const waiting = this.waiting.get(stamp);
    if (!waiting) {
      if (!this.abandoned.delete(stamp))
        throw new ProtocolError('An answer came to a request that was never made.');
      return undefined;
    }
    this.waiting.delete(stamp);
    clearTimeout(waiting.timer);
    return waiting;
  }

  private acknowledge(batchId: bigint): void {
    const unacked = this.unacked.get(batchId);
    if (!unacked) throw new ProtocolError(`Batch ${batchId} was acknowledged, and none such is under way.`);
    this.settle(batchId);
    unacked.resolve();
  }

  private settle(batchId: bigint): void {
    this.unacked.delete(batchId);
    if (this.unacked.size > 0) {
      this.ackTimer?.refresh();
    } else {
      clearTimeout(this.ackTimer);
      this.ackTimer = undefined;
    }
  }

  private refuse(stamp: bigint, payload: Buffer): void {
    const document = decodeJson('ErrorResponse', ErrorDocument, payload);
    const error = new LwpError(document);
    const batch = document.details?.batch_id;
    if (stamp !== 0n) {
      this.takeWaiting(stamp)?.reject(error);
    } else if (typeof batch === 'number' && this.unacked.has(BigInt(batch))) {
      const unacked = this.unacked.get(BigInt(batch));
      this.settle(BigInt(batch));
      unacked?.reject(error);
    } else {
      // It names nothing that is under way: it is about the connection, and closing follows.
      this.fail(error);
    }
  }

  private lost(reason: string, cause?: unknown): ConnectionLostError {
    return new ConnectionLostError(this.endpoint, reason, cause);
  }

  private fail(reason: Error): void {
    if (this.failure) return;
    this.failure = reason;
    clearTimeout(this.ackTimer);
    this.socket.destroy();
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(reason);
    }
    for (const { reject } of this.unacked.values()) reject(reason);
    this.waiting.clear();
    this.unacked.clear();
    this.emit('lost', reason);
  }
}

function shortReason(error: unknown): string {
  if (error instanceof ConnectionLostError)
    return error.message.replace(/^.*was lost: /, '').replace(/\.$/, '');
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
