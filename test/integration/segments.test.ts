/** What stands on disk after records went in: order, rotation, sealing, indexes (formats.md), read by the oracle. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { crc32 } from '../harness/checksum.js';
import { Codec, lz4Literals, prefixed } from '../harness/compress.js';
import { random, rawRecords } from '../harness/data.js';
import { Command, Flag, locatePayload, raw, tlv } from '../harness/lwp.js';
import { type LanceNode, startNode } from '../harness/node.js';
import { copyDirectory, SMALL_SEGMENTS } from '../harness/seeded-directory.js';
import { compareKeys, keyOf, widestIndexGap } from '../harness/segment-file.js';
import { tempDir } from '../harness/temp.js';
import { type StoredRecord, verifiedTopic } from '../harness/topic-files.js';

const BACKENDS = ['io_uring', 'pwritev2'] as const;

describe.each(BACKENDS)('on the %s backend', (backend) => {
  const config = `${SMALL_SEGMENTS}[io]\nbackend = "${backend}"\n`;
  let node: LanceNode;
  const expected = new Map<string, Buffer>();
  beforeAll(async () => {
    node = await startNode({ config });
    expect(node.ready.backend).toBe(backend);
    const connection = await node.connect();
    const next = random(7);
    const names = ['busy', 'quiet', 'mixed'];
    const ids = new Map<string, number>();
    for (const name of names) ids.set(name, await connection.createTopic(name));
    const streams = new Map<string, Buffer[]>(names.map((name) => [name, []]));
    let batch = 0;
    const send = async (name: string, payload: Buffer) => {
      (streams.get(name) as Buffer[]).push(payload);
      await connection.ingest(ids.get(name) as number, payload, { batchId: BigInt(++batch) });
      // At most 64 in flight: more would only wait in the kernel.
      if (batch > 64) await connection.ack(BigInt(batch - 64));
    };
    for (let round = 0; round < 300; round++) {
      await send('busy', Buffer.concat(rawRecords(round, 40, 900)));
      if (round % 3 === 0) await send('quiet', raw(`quiet ${round}`));
      const size = next() % 5 === 0 ? 400_000 : next() % 3_000;
      await send('mixed', tlv(0x80 + (round % 0x40), Buffer.alloc(size, round)));
    }
    for (let left = Math.max(1, batch - 63); left <= batch; left++) await connection.ack(BigInt(left));
    for (const name of names) expected.set(name, Buffer.concat(streams.get(name) as Buffer[]));
    for (const name of names) {
      expect((await connection.fetchAll(ids.get(name) as number)).equals(expected.get(name) as Buffer)).toBe(
        true,
      );
    }
    connection.close();
    await node.stop();
  }, 240_000);

  it('every topic is whole: chain, checksums, offsets, record indexes, strictly rising keys', () => {
    for (const [name, stream] of expected) {
      const files = verifiedTopic(node.dataDir, name);
      expect(files.stream.equals(stream)).toBe(true);
      for (const [index, record] of files.records.entries()) {
        expect(record.record).toBe(BigInt(index));
        if (index > 0)
          expect(compareKeys((files.records[index - 1] as StoredRecord).key, record.key)).toBeLessThan(0);
        expect(record.key.nodeActorSequence >> 48n).toBe(BigInt(node.ready.nodeId));
      }
    }
  });

  it('segments rotate near segment.max_bytes, and all but the last are sealed', () => {
    const { segments } = verifiedTopic(node.dataDir, 'busy');
    expect(segments.length).toBeGreaterThanOrEqual(5);
    for (const [ordinal, segment] of segments.entries()) {
      expect(segment.state).toBe(ordinal === segments.length - 1 ? 'active' : 'sealed');
      expect(segment.dataBytes).toBeLessThanOrEqual(2 * 1024 * 1024);
      if (segment.state === 'sealed') expect(segment.dataBytes).toBeGreaterThan(512 * 1024);
    }
  });

  it('indexes have an entry every 64 KiB, counted in whole batches', () => {
    for (const name of expected.keys()) {
      for (const segment of verifiedTopic(node.dataDir, name).segments) {
        const largest = Math.max(...segment.batches.map((batch) => batch.payload.length + 133));
        expect(widestIndexGap(segment)).toBeLessThanOrEqual(64 * 1024 + largest);
      }
    }
  });

  it('timestamps are those of receipt, and batches carry the producer’s', () => {
    const files = verifiedTopic(node.dataDir, 'quiet');
    const now = BigInt(Date.now()) * 1_000_000n;
    for (const segment of files.segments) {
      for (const batch of segment.batches) {
        expect(batch.firstKey.timestampNs).toBeLessThanOrEqual(now);
        expect(batch.firstKey.timestampNs).toBeGreaterThan(now - 600_000_000_000n);
        expect(batch.producerTimestampNs).toBe(42n);
        expect(compareKeys(batch.firstKey, keyOf(batch, batch.recordCount - 1))).toBeLessThanOrEqual(0);
      }
    }
  });

  it('a drained directory is complete without its journal', { timeout: 240_000 }, async () => {
    const copy = join(tempDir('no-journal'), 'data');
    copyDirectory(node.dataDir, copy);
    rmSync(join(copy, 'journal'), { recursive: true });
    for (const [name, stream] of expected) expect(verifiedTopic(copy, name).stream.equals(stream)).toBe(true);
  });

  it('nothing is left under a temporary name', () => {
    const names = readdirSync(node.dataDir, { recursive: true }).map(String);
    expect(names.filter((name) => name.includes('~'))).toEqual([]);
  });

  it('offset, record index, key and time find the same record, before and after a restart', {
    timeout: 240_000,
  }, async () => {
    const again = await node.restart();
    const connection = await again.connect('crc32c');
    const id = verifiedTopic(node.dataDir, 'busy').metadata.id;
    const { records } = verifiedTopic(node.dataDir, 'busy');
    for (let index = 0; index < records.length; index += 331) {
      const record = records[index] as StoredRecord;
      const { timestampNs, nodeActorSequence } = record.key;
      for (const [kind, first, rest] of [
        [0, record.record, 0n],
        [2, timestampNs, nodeActorSequence],
        [3, record.offset, 0n],
        [3, record.offset + 3n, 0n],
      ] as const) {
        const payload = locatePayload(id, kind, first, rest);
        const frame = await connection.request(Command.locate, payload, Command.locateResponse);
        const key = [frame.payload.readBigUInt64LE(16), frame.payload.readBigUInt64LE(24)];
        expect([frame.payload.readBigUInt64LE(0), frame.payload.readBigUInt64LE(8), ...key]).toEqual([
          record.offset,
          record.record,
          timestampNs,
          nodeActorSequence,
        ]);
      }
      const byTime = await connection.request(
        Command.locate,
        locatePayload(id, 1, timestampNs),
        Command.locateResponse,
      );
      const firstOfTime = records.find(
        (candidate) => candidate.key.timestampNs >= timestampNs,
      ) as StoredRecord;
      expect(byTime.payload.readBigUInt64LE(0)).toBe(firstOfTime.offset);
    }
    for (const [kind, beyond] of [
      [0, BigInt(records.length)],
      [1, 0xffff_ffff_ffff_ffffn],
      [2, 0xffff_ffff_ffff_ffffn],
      [3, BigInt((expected.get('busy') as Buffer).length)],
    ] as const) {
      expect((await connection.refused(Command.locate, locatePayload(id, kind, beyond))).code).toBe(0x51);
    }
    connection.close();
    await again.stop();
  });
});

describe('payload checksums', () => {
  it('are the client’s own, kept end to end; CRC-32C where the payload was wrapped or decompressed', {
    timeout: 240_000,
  }, async () => {
    const node = await startNode();
    const records = Buffer.concat([raw('one'), raw('two')]);
    const cases = [
      { name: 'zlib', kind: 'crc32', payload: records, flags: Flag.batch, stored: records, crc32: true },
      {
        name: 'castagnoli',
        kind: 'crc32c',
        payload: records,
        flags: Flag.batch,
        stored: records,
        crc32: false,
      },
      {
        name: 'wrapped',
        kind: 'crc32',
        payload: Buffer.from('bare'),
        flags: Flag.batch,
        stored: raw('bare'),
        crc32: false,
      },
      {
        name: 'inflated',
        kind: 'crc32',
        payload: prefixed(Codec.lz4, records.length, lz4Literals(records)),
        flags: Flag.batch | Flag.compressed,
        stored: records,
        crc32: false,
      },
    ] as const;
    for (const { name, kind, payload, flags } of cases) {
      const connection = await node.connect(kind);
      await connection.ingestAcked(await connection.createTopic(name), payload, { flags });
      connection.close();
    }
    await node.stop();
    for (const { name, stored, crc32: isCrc32 } of cases) {
      const batches = verifiedTopic(node.dataDir, name).segments.flatMap((segment) => segment.batches);
      expect(batches).toHaveLength(1);
      expect(batches[0]?.payload.equals(stored)).toBe(true);
      expect((batches[0]?.flags ?? 0) & 1).toBe(isCrc32 ? 1 : 0);
    }
    expect(crc32(records)).not.toBe(0);
  });
});

describe('a frame larger than a batch may be', () => {
  it('is split between records, each batch with its own checksum', { timeout: 240_000 }, async () => {
    const node = await startNode();
    const connection = await node.connect();
    const topic = await connection.createTopic('split');
    const size = 16 * 1024 * 1024 - 44;
    const half = Math.floor(size / 2);
    const payload = Buffer.concat([raw(Buffer.alloc(half - 5, 1)), raw(Buffer.alloc(size - half - 5, 2))]);
    await connection.ingestAcked(topic, payload, { recordCount: 2 });
    connection.close();
    await node.stop();
    const files = verifiedTopic(node.dataDir, 'split');
    expect(files.stream.equals(payload)).toBe(true);
    const batches = files.segments.flatMap((segment) => segment.batches);
    expect(batches.map((batch) => batch.recordCount)).toEqual([1, 1]);
  });
});
