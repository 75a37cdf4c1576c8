import { CountersError } from './errors.js';

// What is counted stays below 2^53 for centuries; beyond, the nearest double is near enough to look at.
/** The 8 bytes at `at`, little-endian. */
export function number(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** The file ends too early. */
export function cut(wanted: number, length: number): CountersError {
  return new CountersError(
    'COUNTERS_CUT',
    `The counters end at byte ${length}; they should reach byte ${wanted}.`,
    'The copy was cut short: take the live file that node.json names, or a newer copy.',
  );
}

/** The file says what cannot be. */
export function malformed(message: string): CountersError {
  return new CountersError('COUNTERS_FORMAT', message, 'Name a counters file (.lcf) of LANCE.');
}
