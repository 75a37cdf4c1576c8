import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One golden frame of shared/vectors/lwp.json. */
export interface Vector {
  name: string;
  hex: string;
  header?: Record<string, number>;
  payload_hex?: string;
}

/** The golden frames, copied to test/vectors/. */
export const vectors: {
  checksums: { input_hex: string; crc32: number; crc32c: number }[];
  frames: Vector[];
  frames_crc32c: Vector[];
  server_frames: Vector[];
  server_frames_crc32c: Vector[];
  additions_crc32c: Vector[];
  decompressed_payload_hex: string;
} = JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/lwp.json'), 'utf8'));

/** The bytes of one frame of a list. */
export function bytesOf(list: readonly Vector[], name: string): Buffer {
  const found = list.find((vector) => vector.name === name);
  if (!found) throw new Error(`no vector ${name}`);
  return Buffer.from(found.hex, 'hex');
}
