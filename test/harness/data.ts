/** Deterministic data: the same seed gives the same bytes, so that both sides of a comparison can make them. */
import { raw } from './lwp.js';

/** A small generator (mulberry32) of 32-bit numbers. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** `count` random bytes. */
export function randomBytes(seed: number, count: number): Buffer {
  const next = random(seed);
  const bytes = Buffer.alloc(count);
  let at = 0;
  for (; at + 4 <= count; at += 4) bytes.writeUInt32LE(next(), at);
  for (; at < count; at++) bytes[at] = next() & 0xff;
  return bytes;
}

/** RawData records, each starting with its number, of varying length up to `maxBytes`. */
export function rawRecords(seed: number, count: number, maxBytes = 200): Buffer[] {
  const next = random(seed);
  return Array.from({ length: count }, (_, index) => {
    const head = `${seed}/${index}/`;
    return raw(Buffer.concat([Buffer.from(head), randomBytes(next(), next() % maxBytes)]));
  });
}
