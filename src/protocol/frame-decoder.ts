import { type ChecksumKind, checksum } from './checksum.js';
import { ProtocolError } from './errors.js';
import { decodeHeader, detectChecksum, type FrameHeader, HEADER_BYTES, MAGIC } from './header.js';

/** A whole frame whose checksums hold. The payload may share memory with what the socket gave. */
export interface Frame {
  header: FrameHeader;
  payload: Buffer;
}

/** How a FrameDecoder judges what it reads. */
export interface FrameDecoderOptions {
  /** The connection's checksum; without it the first frame settles it. */
  checksum?: ChecksumKind;
  /** Largest frame, header included, bytes; 16 MiB unless told. */
  maxFrame?: number;
}

/**
 * Takes a connection's bytes as they come and gives whole frames. A frame that lies in one chunk is not copied. Any
 * ProtocolError it throws ends the connection: where the next frame would begin is not known any more.
 */
export class FrameDecoder {
  private kind: ChecksumKind | undefined;
  private maxFrame: number;
  private chunks: Buffer[] = [];
  private buffered = 0;
  private header: FrameHeader | undefined;

  constructor(options: FrameDecoderOptions = {}) {
    this.kind = options.checksum;
    this.maxFrame = options.maxFrame ?? 16 * 1024 * 1024;
  }

  /** The connection's checksum; undefined until a first frame has settled it. */
  get checksumKind(): ChecksumKind | undefined {
    return this.kind;
  }

  /** The largest frame that is taken from now on, for instance as HelloResponse says. */
  limit(maxFrame: number): FrameDecoder {
    this.maxFrame = maxFrame;
    return this;
  }

  /** Takes `chunk` and yields each frame that it completes. */
  *push(chunk: Buffer): Generator<Frame, void, undefined> {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    for (;;) {
      const frame = this.next();
      if (!frame) return;
      yield frame;
    }
  }

  private next(): Frame | undefined {
    this.header ??= this.readHeader();
    if (!this.header || this.buffered < this.header.payloadLength) return undefined;
    const header = this.header;
    const payload = this.take(header.payloadLength);
    this.header = undefined;
    if (payload.length > 0 && checksum(this.kind ?? 'crc32c', payload) !== header.payloadChecksum) {
      throw new ProtocolError(
        'The payload checksum of a frame is wrong.',
        'The bytes were damaged on their way: check the network between.',
      );
    }
    return { header, payload };
  }

  private readHeader(): FrameHeader | undefined {
    if (this.buffered < HEADER_BYTES) {
      this.rejectForeign();
      return undefined;
    }
    const bytes = this.take(HEADER_BYTES);
    this.kind ??= detectChecksum(bytes);
    const header = decodeHeader(this.kind ?? 'crc32c', bytes);
    if (header.payloadLength + HEADER_BYTES > this.maxFrame) {
      throw new ProtocolError(
        `A frame of ${header.payloadLength + HEADER_BYTES} bytes is larger than the limit of ${this.maxFrame}.`,
        'Ask for less at once, or raise the limit on both sides.',
      );
    }
    return header;
  }

  /** The magic is judged at four bytes, so that what is no LANCE node is told apart from a slow one. */
  private rejectForeign(): void {
    if (this.buffered < 4) return;
    const first = Buffer.concat(this.chunks).subarray(0, 4);
    if (first.readUInt32LE(0) !== MAGIC) {
      throw new ProtocolError(
        `What came is no LWP frame: it begins with ${first.toString('hex')}, not with LANC.`,
      );
    }
  }

  /** The next `count` bytes, which are known to be there; a copy only where they span chunks. */
  private take(count: number): Buffer {
    this.buffered -= count;
    const first = this.chunks[0] ?? Buffer.alloc(0);
    if (first.length > count) {
      this.chunks[0] = first.subarray(count);
      return first.subarray(0, count);
    }
    if (first.length === count) {
      this.chunks.shift();
      return first;
    }
    const parts: Buffer[] = [];
    let missing = count;
    while (missing > 0) {
      const chunk = this.chunks[0] ?? Buffer.alloc(0);
      if (chunk.length > missing) {
        parts.push(chunk.subarray(0, missing));
        this.chunks[0] = chunk.subarray(missing);
        missing = 0;
      } else {
        parts.push(chunk);
        this.chunks.shift();
        missing -= chunk.length;
      }
    }
    return Buffer.concat(parts, count);
  }
}
