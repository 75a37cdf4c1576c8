import { crc32 } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';

/** Which of the two checksums a connection uses (lwp.md, "Which checksum"). */
export type ChecksumKind = 'crc32' | 'crc32c';

/** CRC-32 (IEEE, as zlib computes it) or CRC-32C of `bytes`, as an unsigned 32-bit number; 0 for no bytes. */
export function checksum(kind: ChecksumKind, bytes: Buffer): number {
  if (bytes.length === 0) return 0;
  return kind === 'crc32c' ? crc32c(bytes) : crc32(bytes);
}
