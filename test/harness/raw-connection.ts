/**
 * A raw LWP socket for tests: it can send broken bytes, and it reports exactly what came back and how the connection
 * ended. Independent of `src/client`.
 */
import { createConnection, type Socket } from 'node:net';
import type { ChecksumKind } from './checksum.js';
import {
  Command,
  decodeError,
  decodeFetched,
  decodeFrame,
  describeFrame,
  encodeFrame,
  type Fetched,
  Flag,
  type Frame,
  type FrameFields,
  fetchPayload,
  isError,
  type WireError,
} from './lwp.js';

/** How long a test waits for something that must come. Long: the machine is shared. */
const PATIENCE_MS = 60_000;

export interface Address {
  readonly host: string;
  readonly port: number;
}

interface Waiter {
  readonly wants: (frame: Frame) => boolean;
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** An ErrorResponse, thrown by `request`. */
export class NodeError extends Error {
  constructor(readonly wire: WireError) {
    super(`error 0x${wire.code.toString(16)}: ${wire.message}`);
  }
}

export class RawConnection {
  /** Frames that arrived and that nobody took yet, in order of arrival. */
  readonly inbox: Frame[] = [];
  private buffered: Buffer[] = [];
  private bufferedBytes = 0;
  private waiters: Waiter[] = [];
  private readonly ended: Promise<string>;
  private endReason: string | undefined;
  private broken: Error | undefined;
  private nextEcho = 1n;
  private nextBatch = 1n;

  private constructor(
    readonly socket: Socket,
    readonly kind: ChecksumKind,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    this.ended = new Promise((resolve) => {
      const end = (reason: string) => {
        this.endReason ??= reason;
        this.failWaiters(new Error(`the connection ended (${this.endReason})`));
        resolve(this.endReason);
      };
      socket.on('end', () => end('end'));
      socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
      socket.on('close', () => end('close'));
    });
  }

  /** Connects; the checksum of what it sends is CRC-32, as published clients do, unless told otherwise. */
  static open(address: Address, kind: ChecksumKind = 'crc32'): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host: address.host, port: address.port });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawConnection(socket, kind));
      });
    });
  }

  /** Whether the node has closed this connection. */
  get isClosed(): boolean {
    return this.endReason !== undefined;
  }

  /** Sends bytes as they are. Resolves when the socket took them; a closed socket is no error here. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.destroyed) resolve();
      else this.socket.write(bytes, () => resolve());
    });
  }

  /** Encodes a frame in this connection's checksum and sends it. */
  send(fields: FrameFields): Promise<void> {
    return this.write(encodeFrame(this.kind, fields));
  }

  /** Sends an ingest and gives its batch id; the ack is to be taken with `ack`, or with `next`. */
  async ingest(topicId: number, payload: Uint8Array, fields: Partial<FrameFields> = {}): Promise<bigint> {
    const batchId = fields.batchId ?? this.nextBatch++;
    await this.send({
      flags: Flag.batch,
      topicId,
      payload,
      recordCount: 1,
      timestampNs: 42n,
      ...fields,
      batchId,
    });
    return batchId;
  }

  /** Ingests and waits until it is acknowledged; throws NodeError on its error. */
  async ingestAcked(topicId: number, payload: Uint8Array, fields: Partial<FrameFields> = {}): Promise<void> {
    await this.ack(await this.ingest(topicId, payload, fields));
  }

  /** Waits for the ack (or the error) of one batch. */
  async ack(batchId: bigint): Promise<void> {
    const frame = await this.take(
      (candidate) =>
        (candidate.flags === Flag.ack && candidate.batchId === batchId) || batchOf(candidate) === batchId,
      `the ack of batch ${batchId}`,
    );
    if (isError(frame)) throw new NodeError(decodeError(frame));
  }

  /** Sends a control frame and gives the timestamp that its answer must echo. */
  async control(code: number | bigint, payload: Uint8Array = Buffer.alloc(0)): Promise<bigint> {
    const timestampNs = 0x7e57_0000_0000_0000n + this.nextEcho++;
    await this.send({ flags: Flag.control, batchId: BigInt(code), timestampNs, payload });
    return timestampNs;
  }

  /** Sends a control frame and waits for the answer that echoes its timestamp, be it an error. */
  async exchange(code: number | bigint, payload: Uint8Array = Buffer.alloc(0)): Promise<Frame> {
    const echo = await this.control(code, payload);
    return this.take(
      (frame) => frame.timestampNs === echo,
      `the answer to command 0x${BigInt(code).toString(16)}`,
    );
  }

  /** As `exchange`, but throws NodeError on an ErrorResponse and wants the answer code given. */
  async request(code: number, payload: Uint8Array, answer: number): Promise<Frame> {
    const frame = await this.exchange(code, payload);
    if (isError(frame)) throw new NodeError(decodeError(frame));
    if (frame.flags !== Flag.control || frame.batchId !== BigInt(answer)) {
      throw new Error(`command 0x${code.toString(16)} was answered by ${describeFrame(frame)}`);
    }
    return frame;
  }

  /** Sends a control frame and gives the error it must be answered with. */
  async refused(code: number | bigint, payload: Uint8Array = Buffer.alloc(0)): Promise<WireError> {
    return decodeError(await this.exchange(code, payload));
  }

  /** Creates a topic and gives its id. */
  async createTopic(name: string): Promise<number> {
    const frame = await this.request(Command.createTopic, Buffer.from(name), Command.topicResponse);
    return (JSON.parse(frame.payload.toString()) as { id: number }).id;
  }

  /** One Fetch. */
  async fetch(topicId: number, offset: bigint, maxBytes = 1024 * 1024): Promise<Fetched> {
    const frame = await this.request(
      Command.fetch,
      fetchPayload(topicId, offset, maxBytes),
      Command.fetchResponse,
    );
    return decodeFetched(frame.payload);
  }

  /** Fetches from `offset` to the end seen on the way; the bytes are whole TLVs. */
  async fetchAll(topicId: number, offset = 0n, maxBytes = 4 * 1024 * 1024): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let at = offset; ; ) {
      const fetched = await this.fetch(topicId, at, maxBytes);
      if (fetched.data.length === 0) return Buffer.concat(parts);
      parts.push(fetched.data);
      at = fetched.nextOffset;
    }
  }

  /** Says Hello and gives the JSON of its answer. */
  async hello(options: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const body = JSON.stringify({
      client: 'lance-tests',
      version: '1.0.0',
      features: ['fetch-wait'],
      ...options,
    });
    const frame = await this.request(Command.hello, Buffer.from(body), Command.helloResponse);
    return JSON.parse(frame.payload.toString()) as Record<string, unknown>;
  }

  /** The next frame, whatever it is. */
  next(what = 'a frame', patienceMs = PATIENCE_MS): Promise<Frame> {
    return this.take(() => true, what, patienceMs);
  }

  /** The first frame (in the inbox or to come) that `wants` accepts; the others stay in the inbox. */
  take(wants: (frame: Frame) => boolean, what: string, patienceMs = PATIENCE_MS): Promise<Frame> {
    const at = this.inbox.findIndex(wants);
    // `shift` is cheap where `splice` moves the whole inbox.
    if (at === 0) return Promise.resolve(this.inbox.shift() as Frame);
    if (at >= 0) return Promise.resolve(this.inbox.splice(at, 1)[0] as Frame);
    if (this.broken) return Promise.reject(this.broken);
    if (this.endReason)
      return Promise.reject(new Error(`the connection ended (${this.endReason}) before ${what} came`));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters = this.waiters.filter((waiter) => waiter.resolve !== resolve);
        const seen = this.inbox.map(describeFrame).join('; ');
        reject(new Error(`${what} did not come within ${patienceMs} ms; in the inbox: ${seen || 'nothing'}`));
      }, patienceMs);
      this.waiters.push({
        wants,
        resolve,
        reject: (error) => reject(new Error(`${error.message} before ${what} came`)),
        timer,
      });
    });
  }

  /** Waits until the node has closed the connection; gives how ("end" is a clean FIN, ECONNRESET a reset). */
  closed(patienceMs = PATIENCE_MS): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the node kept the connection open for ${patienceMs} ms`)),
        patienceMs,
      );
      void this.ended.then((reason) => {
        clearTimeout(timer);
        resolve(reason);
      });
    });
  }

  /** Closes this side at once. */
  close(): void {
    this.socket.destroy();
  }

  private receive(chunk: Buffer): void {
    this.buffered.push(chunk);
    this.bufferedBytes += chunk.length;
    // Large answers come in many chunks: join them only when the frame's length is known to be there.
    if (this.buffered.length > 1 && this.bufferedBytes >= 44) {
      const head = this.buffered[0] as Buffer;
      if (head.length >= 44 && this.bufferedBytes < 44 + head.readUInt32LE(32)) return;
    }
    let bytes = this.buffered.length === 1 ? chunk : Buffer.concat(this.buffered);
    try {
      for (let decoded = decodeFrame(this.kind, bytes); decoded; decoded = decodeFrame(this.kind, bytes)) {
        bytes = bytes.subarray(decoded.size);
        this.deliver(decoded.frame);
      }
    } catch (error) {
      this.broken = error as Error;
      this.failWaiters(this.broken);
    }
    this.buffered = bytes.length > 0 ? [bytes] : [];
    this.bufferedBytes = bytes.length;
  }

  private deliver(frame: Frame): void {
    const at = this.waiters.findIndex((waiter) => waiter.wants(frame));
    if (at < 0) {
      this.inbox.push(frame);
      return;
    }
    const [waiter] = this.waiters.splice(at, 1) as [Waiter];
    clearTimeout(waiter.timer);
    waiter.resolve(frame);
  }

  private failWaiters(error: Error): void {
    for (const waiter of this.waiters.splice(0)) {
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
  }
}

/** The batch an ErrorResponse names, if it is one and names one. */
export function batchOf(frame: Frame): bigint | undefined {
  if (!isError(frame)) return undefined;
  const id = decodeError(frame).details?.batch_id;
  return typeof id === 'number' || typeof id === 'string' ? BigInt(id) : undefined;
}
