/** Payloads that do not hold what they should (lwp.md, "Payloads that are no TLV", "Compressed payloads"). */
import { beforeAll, describe, expect, it } from 'vitest';
import { Codec, lz4Literals, lz4Run, prefixed, zstdBomb, zstdRaw } from '../../harness/compress.js';
import { expectIngestError, expectOpen, expectServing, topicName } from '../../harness/expectations.js';
import {
  ErrorCode,
  Flag,
  type FrameFields,
  MAX_FRAME,
  MAX_RECORD,
  pack,
  raw,
  type Tlv,
  tlv,
  walkTlvs,
} from '../../harness/lwp.js';
import { type LanceNode, startNode } from '../../harness/node.js';

let wrapping: LanceNode;
let rejecting: LanceNode;
beforeAll(async () => {
  wrapping = await startNode();
  rejecting = await startNode({ config: '[ingest]\nbare_payload = "reject"\n' });
});

const compressed: Partial<FrameFields> = { flags: Flag.batch | Flag.compressed };

/** Ingests into a topic of its own and gives what is stored afterwards. */
async function stored(node: LanceNode, payload: Buffer, fields: Partial<FrameFields> = {}): Promise<Tlv[]> {
  const connection = await node.connect();
  try {
    const topic = await connection.createTopic(topicName('payload'));
    await connection.ingestAcked(topic, payload, fields);
    return walkTlvs(await connection.fetchAll(topic));
  } finally {
    connection.close();
  }
}

/** Ingests what must be refused with `code`; the connection stays, nothing is stored. */
async function refused(
  node: LanceNode,
  payload: Buffer,
  code: (typeof ErrorCode)[keyof typeof ErrorCode],
  fields: Partial<FrameFields> = {},
): Promise<void> {
  const connection = await node.connect();
  const topic = await connection.createTopic(topicName('payload'));
  const batch = await connection.ingest(topic, payload, fields);
  await expectIngestError(connection, batch, code);
  expect(await connection.fetch(topic, 0n)).toMatchObject({ nextOffset: 0n, records: 0, bytes: 0 });
  await connection.ingestAcked(topic, raw('the connection stays'));
  await expectOpen(connection);
  connection.close();
}

const cut = raw('whole').subarray(0, 8);
const bare: ReadonlyArray<readonly [string, Buffer]> = [
  ['bytes that are no TLV', Buffer.from('Hello, LANCE!')],
  ['a TLV that overruns the payload', pack([1, 1], [4, 100], [8, 0])],
  ['a TLV that claims 4 GiB', pack([1, 1], [4, 0xffff_ffff], [4, 0])],
  ['a good record and a cut one', Buffer.concat([raw('good'), cut])],
  ['a good record and four stray bytes', Buffer.concat([raw('good'), pack([4, 1])])],
  ['a single byte', Buffer.of(1)],
  ['a record of type 0x00', tlv(0x00, 'engine')],
  ['a record of type 0x00 among good ones', Buffer.concat([raw('a'), tlv(0x00, ''), raw('b')])],
  ['a Null with a value that does not tile', Buffer.concat([tlv(0xff, 'x'), Buffer.of(9)])],
  ['a Null with a value beside a type 0x00', Buffer.concat([tlv(0xff, 'x'), tlv(0x00, 'y')])],
];

describe('a payload that the records do not tile', () => {
  it.each(bare)('is stored as one RawData record: %s', async (_, payload) => {
    expect(await stored(wrapping, payload, { recordCount: 3 })).toEqual([
      { type: 0x01, value: payload, at: 0 },
    ]);
  });

  it.each(bare)('is refused with 0x04 where ingest.bare_payload is "reject": %s', (_, payload) =>
    refused(rejecting, payload, ErrorCode.invalidPayload),
  );

  it('is stored wrapped also where it was compressed', async () => {
    const payload = Buffer.from('no TLV at all');
    const sent = prefixed(Codec.lz4, payload.length, lz4Literals(payload));
    expect(await stored(wrapping, sent, compressed)).toEqual([{ type: 0x01, value: payload, at: 0 }]);
    await refused(rejecting, sent, ErrorCode.invalidPayload, compressed);
  });
});

describe('records that tile', () => {
  it('are counted, whatever the header claims', async () => {
    const connection = await wrapping.connect();
    const topic = await connection.createTopic(topicName('count'));
    await connection.ingestAcked(topic, Buffer.concat([raw('a'), raw('b')]), { recordCount: 7 });
    await connection.ingestAcked(topic, raw('c'), { recordCount: 0 });
    expect((await connection.fetch(topic, 0n)).records).toBe(3);
    connection.close();
  });

  it('keep types that nobody knows', async () => {
    const payload = Buffer.concat([
      tlv(0x06, 'six'),
      tlv(0x7e, ''),
      tlv(0x80, 'mine'),
      tlv(0xfe, 'too'),
      tlv(0xff, ''),
    ]);
    for (const node of [wrapping, rejecting]) {
      expect((await stored(node, payload)).map((record) => record.type)).toEqual([
        0x06, 0x7e, 0x80, 0xfe, 0xff,
      ]);
    }
  });

  it('are 0x04 when a Null has a value', async () => {
    for (const node of [wrapping, rejecting]) {
      await refused(node, Buffer.concat([raw('a'), tlv(0xff, 'x')]), ErrorCode.invalidPayload);
    }
  });

  it('take malformed values of structured types as they are', async () => {
    const payload = Buffer.concat([tlv(0x10, Buffer.of(0xff, 0xff)), tlv(0x11, 'x'), tlv(0x02, 'no json')]);
    expect(Buffer.concat((await stored(wrapping, payload)).map((record) => record.value))).toEqual(
      Buffer.concat([Buffer.of(0xff, 0xff), Buffer.from('xno json')]),
    );
  });
});

describe('an empty payload', () => {
  it('is 0x04, compressed or not', async () => {
    for (const node of [wrapping, rejecting]) {
      await refused(node, Buffer.alloc(0), ErrorCode.invalidPayload);
      await refused(node, Buffer.alloc(0), ErrorCode.invalidPayload, compressed);
    }
  });
});

describe('a compressed payload', () => {
  const records = Buffer.concat([
    raw('one'),
    tlv(0x02, '{"two":2}'),
    tlv(0xff, ''),
    raw(Buffer.alloc(5000, 0x62)),
  ]);
  const good: ReadonlyArray<readonly [string, Buffer]> = [
    ['LZ4 with its length', prefixed(Codec.lz4, records.length, lz4Literals(records))],
    ['a bare LZ4 block', lz4Literals(records)],
    ['zstd', prefixed(Codec.zstd, records.length, zstdRaw(records))],
  ];
  it.each(good)('is stored inflated: %s', async (_, payload) => {
    const expected = walkTlvs(records);
    expect(await stored(wrapping, payload, compressed)).toEqual(expected);
  });

  it('is stored inflated where matches repeat', async () => {
    const head = Buffer.concat([pack([1, 1], [4, 1 + 300 + 5]), Buffer.from('z')]);
    const inflated = raw(Buffer.alloc(306, 'z'));
    for (const payload of [lz4Run(head, 300), prefixed(Codec.lz4, inflated.length, lz4Run(head, 300))]) {
      expect(await stored(wrapping, payload, compressed)).toEqual(walkTlvs(inflated));
    }
  });

  const block = lz4Literals(records);
  const frame = zstdRaw(records);
  const wrong: ReadonlyArray<readonly [string, Buffer]> = [
    ['LZ4 that declares one byte too few', prefixed(Codec.lz4, records.length - 1, block)],
    ['LZ4 that declares one byte too many', prefixed(Codec.lz4, records.length + 1, block)],
    ['LZ4 that declares 0', prefixed(Codec.lz4, 0, block)],
    ['LZ4 that is truncated', prefixed(Codec.lz4, records.length, block.subarray(0, block.length - 3))],
    ['LZ4 that is garbage', prefixed(Codec.lz4, 100, Buffer.from('f0ffffffffffffffff', 'hex'))],
    [
      'LZ4 with a match before its start',
      prefixed(Codec.lz4, 20, Buffer.from('1f61ffff00105061626364', 'hex')),
    ],
    ['a codec without a length', Buffer.of(Codec.lz4)],
    ['a codec with a cut length', Buffer.of(Codec.zstd, 1, 0)],
    ['a codec and a length without data', prefixed(Codec.lz4, 10, Buffer.alloc(0))],
    ['a bare LZ4 block that is truncated', block.subarray(0, block.length - 3)],
    ['a bare LZ4 block that is garbage', Buffer.from('f4ffffffffff', 'hex')],
    ['a bare LZ4 block that inflates to nothing', Buffer.of(0)],
    ['LZ4 that inflates to nothing', prefixed(Codec.lz4, 0, Buffer.of(0))],
    ['zstd that declares one byte too few', prefixed(Codec.zstd, records.length - 1, frame)],
    ['zstd that declares one byte too many', prefixed(Codec.zstd, records.length + 1, frame)],
    ['zstd that is truncated', prefixed(Codec.zstd, records.length, frame.subarray(0, frame.length - 9))],
    ['zstd that is garbage', prefixed(Codec.zstd, 10, Buffer.from('not zstandard at all'))],
    ['zstd that inflates to nothing', prefixed(Codec.zstd, 0, zstdRaw(Buffer.alloc(0)))],
  ];
  it.each(wrong)('is 0x04, stores nothing, and the connection stays: %s', (_, payload) =>
    refused(wrapping, payload, ErrorCode.invalidPayload, compressed),
  );

  const head = Buffer.concat([pack([1, 1], [4, 0xff_ffff]), Buffer.from('b')]);
  const bombs: ReadonlyArray<readonly [string, Buffer]> = [
    ['LZ4 that declares more than max_frame', prefixed(Codec.lz4, MAX_FRAME + 1, lz4Literals(records))],
    ['LZ4 that declares 4 GiB', prefixed(Codec.lz4, 0xffff_ffff, lz4Literals(records))],
    ['zstd that declares 4 GiB', prefixed(Codec.zstd, 0xffff_ffff, frame)],
    ['a bare LZ4 block that inflates to 64 MiB', lz4Run(head, 64 * 1024 * 1024)],
  ];
  it.each(bombs)('is 0x03 when it is a bomb: %s', (_, payload) =>
    refused(wrapping, payload, ErrorCode.tooLarge, compressed),
  );

  it('never exists whole when it is a bomb: 4 GiB behind a small declared length leave memory as it was', async () => {
    const connection = await wrapping.connect();
    const topic = await connection.createTopic(topicName('bomb'));
    const bomb = prefixed(Codec.zstd, 1000, zstdBomb(0x62, 4 * 1024 * 1024 * 1024 - 1));
    await connection.ingestAcked(topic, raw('warm'));
    const before = await wrapping.residentBytes();
    for (let round = 0; round < 3; round++) {
      const batch = await connection.ingest(topic, bomb, compressed);
      // Its declared length is wrong (0x04) and its reached size too large (0x03): either names it.
      await expect(connection.ack(batch)).rejects.toThrow(/error 0x[34]:/);
    }
    expect((await wrapping.residentBytes()) - before).toBeLessThan(64 * 1024 * 1024);
    await expectOpen(connection);
    connection.close();
    await expectServing(wrapping);
  });
});

describe('the largest record', () => {
  it('is 16 MiB - 4 KiB with its TLV header: acknowledged and fetched', { timeout: 240_000 }, async () => {
    const value = Buffer.alloc(MAX_RECORD - 5, 0x63);
    const [record, ...rest] = await stored(wrapping, raw(value));
    expect(rest).toEqual([]);
    expect(record?.value.equals(value)).toBe(true);
  });

  it('is 0x03 one byte above it, and the connection stays', { timeout: 240_000 }, () =>
    refused(wrapping, raw(Buffer.alloc(MAX_RECORD - 4, 0x63)), ErrorCode.tooLarge),
  );

  it('counts the TLV header that wrapping adds', { timeout: 240_000 }, async () => {
    const value = Buffer.alloc(MAX_RECORD - 5, 0xee);
    const [record] = await stored(wrapping, value);
    expect(record?.value.equals(value)).toBe(true);
    await refused(wrapping, Buffer.alloc(MAX_RECORD - 4, 0xee), ErrorCode.tooLarge);
  });

  it('holds after decompression', { timeout: 240_000 }, async () => {
    const head = Buffer.concat([pack([1, 1], [4, MAX_RECORD - 4]), Buffer.from('c')]);
    await refused(wrapping, lz4Run(head, MAX_RECORD - 4 - 6), ErrorCode.tooLarge, compressed);
    const fits = Buffer.concat([pack([1, 1], [4, MAX_RECORD - 5]), Buffer.from('c')]);
    const [record] = await stored(wrapping, lz4Run(fits, MAX_RECORD - 5 - 6), compressed);
    expect(record?.value.equals(Buffer.alloc(MAX_RECORD - 5, 'c'))).toBe(true);
  });

  it('may be one of many in a frame of exactly limits.max_frame, acknowledged as one', {
    timeout: 240_000,
  }, async () => {
    const size = 1024 * 1024;
    const records = Array.from({ length: 15 }, (_, index) => raw(Buffer.alloc(size - 5, index)));
    const left = MAX_FRAME - 44 - records.length * size;
    const payload = Buffer.concat([...records, raw(Buffer.alloc(left - 5, 0x7a))]);
    expect(payload.length).toBe(MAX_FRAME - 44);
    const got = await stored(wrapping, payload, { recordCount: 16 });
    expect(got).toHaveLength(16);
    expect(Buffer.concat(got.map((record) => raw(record.value))).equals(payload)).toBe(true);
  });
});
