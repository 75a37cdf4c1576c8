/** Ways to spoil a file. */
import { closeSync, openSync, readSync, statSync, truncateSync, writeSync } from 'node:fs';

/** Overwrites bytes at a position. */
export function overwrite(path: string, position: number, bytes: Uint8Array): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, position);
  closeSync(file);
}

/** Flips one bit. */
export function flipBit(path: string, position: number, bit = 3): void {
  const byte = Buffer.alloc(1);
  const file = openSync(path, 'r+');
  readSync(file, byte, 0, 1, position);
  byte[0] = (byte[0] as number) ^ (1 << bit);
  writeSync(file, byte, 0, 1, position);
  closeSync(file);
}

/** Zeros a range. */
export function zero(path: string, position: number, length: number): void {
  overwrite(path, position, Buffer.alloc(Math.min(length, sizeOf(path) - position)));
}

/** Cuts a file to `length` bytes. */
export function truncate(path: string, length: number): void {
  truncateSync(path, length);
}

/** Size in bytes. */
export function sizeOf(path: string): number {
  return statSync(path).size;
}
