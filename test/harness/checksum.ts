/**
 * The two checksums of LWP and of segment files, written apart from `src/protocol` so that a mistake there
 * cannot hide itself in a test.
 */
import { crc32 as zlibCrc32 } from 'node:zlib';

/** Which checksum a connection speaks (lwp.md, "Which checksum"). */
export type ChecksumKind = 'crc32' | 'crc32c';

const CASTAGNOLI = (() => {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    table[byte] = crc >>> 0;
  }
  return table;
})();

/** CRC-32 as zlib computes it. */
export function crc32(bytes: Uint8Array): number {
  return zlibCrc32(bytes) >>> 0;
}

/** CRC-32C (Castagnoli), byte by byte. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) {
    crc = (CASTAGNOLI[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** The checksum of `bytes` in the given kind. */
export function checksum(kind: ChecksumKind, bytes: Uint8Array): number {
  return kind === 'crc32' ? crc32(bytes) : crc32c(bytes);
}
