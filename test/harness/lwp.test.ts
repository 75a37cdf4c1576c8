/** The harness's own LWP against the golden frames, so that a failing test accuses the node and not the harness. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ChecksumKind, crc32, crc32c } from './checksum.js';
import {
  Command,
  decodeFrame,
  encodeFrame,
  Flag,
  fetchWaitPayload,
  locatePayload,
  pack,
  raw,
} from './lwp.js';
import { ROOT } from './node.js';

interface Vectors {
  readonly checksums: ReadonlyArray<{
    readonly input_hex: string;
    readonly crc32: number;
    readonly crc32c: number;
  }>;
  readonly [list: string]: unknown;
}

const vectors = JSON.parse(readFileSync(join(ROOT, 'test', 'vectors', 'lwp.json'), 'utf8')) as Vectors;

function frames(list: string): Map<string, Buffer> {
  const entries = vectors[list] as ReadonlyArray<{ name: string; hex: string }>;
  return new Map(entries.map(({ name, hex }) => [name, Buffer.from(hex, 'hex')]));
}

const lists: ReadonlyArray<readonly [string, ChecksumKind]> = [
  ['frames', 'crc32'],
  ['server_frames', 'crc32'],
  ['frames_crc32c', 'crc32c'],
  ['server_frames_crc32c', 'crc32c'],
  ['additions_crc32c', 'crc32c'],
];

describe('the golden frames', () => {
  it('have the checksums that the harness computes', () => {
    for (const { input_hex, crc32: zlib, crc32c: castagnoli } of vectors.checksums) {
      const bytes = Buffer.from(input_hex, 'hex');
      expect([crc32(bytes), crc32c(bytes)]).toEqual([zlib, castagnoli]);
    }
  });

  it.each(lists)('of %s survive decoding and encoding', (list, kind) => {
    for (const [name, bytes] of frames(list)) {
      const decoded = decodeFrame(kind, bytes);
      expect(decoded?.size, name).toBe(bytes.length);
      const { flags, batchId, timestampNs, recordCount, topicId, payload } = decoded?.frame ?? ({} as never);
      const again = encodeFrame(kind, { flags, batchId, timestampNs, recordCount, topicId, payload });
      expect(again.toString('hex'), name).toBe(bytes.toString('hex'));
    }
  });

  it('are what the harness builds from their fields', () => {
    const golden = frames('frames_crc32c');
    const fields = {
      flags: Flag.batch,
      batchId: 1n,
      timestampNs: 1_700_000_000_123_456_789n,
      recordCount: 1,
      topicId: 7,
    };
    expect(encodeFrame('crc32c', { ...fields, payload: raw('hello') })).toEqual(
      golden.get('ingest-one-raw-record'),
    );
    const control = (code: number, timestampNs: bigint, payload: Buffer) =>
      encodeFrame('crc32c', { flags: Flag.control, batchId: BigInt(code), timestampNs, payload });
    const additions = frames('additions_crc32c');
    expect(control(Command.fetchWait, 2n, fetchWaitPayload(7, 0x1000n, 65_536, 1, 500))).toEqual(
      additions.get('fetch-wait'),
    );
    expect(control(Command.locate, 3n, locatePayload(7, 0, 12_345n))).toEqual(
      additions.get('locate-record-index'),
    );
    expect(control(Command.describeTopic, 7n, pack([4, 7]))).toEqual(additions.get('describe-topic'));
  });
});
