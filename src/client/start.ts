import { parseDuration } from '../config/index.js';
import { ExitCode, LanceError } from '../errors.js';
import type { Admin } from './admin.js';
import { LwpError } from './errors.js';

/** Where reading starts: an end, a byte offset, a record's index, or a time in nanoseconds since 1970. */
export type Start = 'earliest' | 'latest' | { offset: number } | { record: number } | { timeNs: bigint };

/** Reads `earliest`, `latest`, `offset:N`, `record:N` or `time:T`. Throws LanceError with exit code 2 for anything else. */
export function parseStart(text: string, now = Date.now()): Start {
  if (text === 'earliest' || text === 'latest') return text;
  const match = /^(offset|record|time):(.+)$/.exec(text);
  const [, kind, value = ''] = match ?? [];
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (kind === 'offset' && Number.isSafeInteger(number)) return { offset: number };
  if (kind === 'record' && Number.isSafeInteger(number)) return { record: number };
  const timeNs = kind === 'time' ? parseTime(value, now) : undefined;
  if (timeNs !== undefined) return { timeNs };
  throw new LanceError(`"${text}" says nowhere to start.`, {
    code: 'BAD_START',
    hint: 'Write earliest, latest, offset:N, record:N, or time:T, where T is 2026-01-31T12:00:00Z, 15m (ago), or seconds, ms or ns since 1970.',
    exitCode: ExitCode.usage,
  });
}

/** Nanoseconds since 1970 of an ISO time, of a number in s, ms, us or ns by its length, or of a time ago. */
export function parseTime(text: string, now: number): bigint | undefined {
  if (/^\d+$/.test(text)) {
    const scale =
      text.length <= 11 ? 1_000_000_000n : text.length <= 14 ? 1_000_000n : text.length <= 17 ? 1_000n : 1n;
    return BigInt(text) * scale;
  }
  const ago = parseDuration(text);
  const ms = ago === undefined ? Date.parse(text) : Math.round(now - ago);
  return Number.isNaN(ms) || ms < 0 ? undefined : BigInt(ms) * 1_000_000n;
}

/** The offset of a start. A time, or the index just past the last record, that is not there yet is the end. */
export async function resolveStart(admin: Admin, topic: number, start: Start): Promise<number> {
  if (start === 'earliest') return 0;
  if (start === 'latest') return admin.endOffset(topic);
  if ('offset' in start) return start.offset;
  const located =
    'record' in start
      ? await admin.locate(topic, 'record', BigInt(start.record))
      : await admin.locate(topic, 'time', start.timeNs);
  if (located) return located.offset;
  const { endOffset, endRecord } = await admin.describeTopic(topic);
  if ('record' in start && start.record > endRecord) {
    throw new LwpError({
      code: 0x51,
      message: `There is no record ${start.record}: the topic ends at record ${endRecord}.`,
    });
  }
  return endOffset;
}
