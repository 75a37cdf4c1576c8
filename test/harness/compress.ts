/**
 * Compressed payloads made by hand, so that they can also be wrong (lwp.md, "Compressed payloads"). No compressor:
 * literals and one repeated match are all a test needs.
 */
import { pack } from './lwp.js';

/** The first byte of a compressed payload. */
export const Codec = { lz4: 1, zstd: 2 } as const;

function lz4Length(length: number): Buffer {
  const extra = length - 15;
  if (extra < 0) return Buffer.alloc(0);
  return Buffer.concat([Buffer.alloc(Math.floor(extra / 255), 0xff), Buffer.of(extra % 255)]);
}

/** An LZ4 block of literals alone. */
export function lz4Literals(data: Uint8Array): Buffer {
  const token = Buffer.of(Math.min(data.length, 15) << 4);
  return Buffer.concat([token, lz4Length(data.length), data]);
}

/** An LZ4 block that inflates to `head` followed by `repeats` times the last byte of it, and five literals more. */
export function lz4Run(head: Uint8Array, repeats: number): Buffer {
  const match = repeats - 4;
  const token = (Math.min(head.length, 15) << 4) | Math.min(match, 15);
  const tail = lz4Literals(Buffer.alloc(5, head.at(-1)));
  return Buffer.concat([
    Buffer.of(token),
    lz4Length(head.length),
    head,
    pack([2, 1]),
    lz4Length(match),
    tail,
  ]);
}

const ZSTD_MAGIC = Buffer.from('28b52ffd', 'hex');
const ZSTD_BLOCK = 128 * 1024;

function zstdBlock(type: 0 | 1, size: number, last: boolean, body: Uint8Array): Buffer {
  const header = (size << 3) | (type << 1) | (last ? 1 : 0);
  return Buffer.concat([Buffer.of(header & 0xff, (header >> 8) & 0xff, header >> 16), body]);
}

/** A zstd frame of raw blocks, which says its own size. */
export function zstdRaw(data: Uint8Array): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < data.length || at === 0; at += ZSTD_BLOCK) {
    const body = data.subarray(at, at + ZSTD_BLOCK);
    blocks.push(zstdBlock(0, body.length, at + ZSTD_BLOCK >= data.length, body));
  }
  // Single segment, frame content size of four bytes.
  return Buffer.concat([ZSTD_MAGIC, Buffer.of(0xa0), pack([4, data.length]), ...blocks]);
}

/** A zstd frame that does not say its size and inflates to `length` times `byte`: 4 bytes for each 128 KiB. */
export function zstdBomb(byte: number, length: number): Buffer {
  const count = Math.ceil(length / ZSTD_BLOCK);
  const blocks = Array.from({ length: count }, (_, index) => {
    const size = index === count - 1 ? length - index * ZSTD_BLOCK : ZSTD_BLOCK;
    return zstdBlock(1, size, index === count - 1, Buffer.of(byte));
  });
  // No content size; a window of 128 KiB (exponent 7).
  return Buffer.concat([ZSTD_MAGIC, Buffer.of(0x00, 7 << 3), ...blocks]);
}

/** A compressed payload with its prefix: codec, original length, data. */
export function prefixed(codec: number, originalLength: number, data: Uint8Array): Buffer {
  return Buffer.concat([pack([1, codec], [4, originalLength]), data]);
}
