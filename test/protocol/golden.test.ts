import { describe, expect, it } from 'vitest';
import * as lwp from '../../src/protocol/index.js';
import { bytesOf, vectors } from '../support/vectors.js';

const lists = [
  ['frames', 'crc32'],
  ['server_frames', 'crc32'],
  ['frames_crc32c', 'crc32c'],
  ['server_frames_crc32c', 'crc32c'],
  ['additions_crc32c', 'crc32c'],
] as const;

/** The one frame that `bytes` are. */
function decode(bytes: Buffer, kind?: lwp.ChecksumKind): lwp.Frame {
  const frames = [...new lwp.FrameDecoder(kind ? { checksum: kind } : {}).push(bytes)];
  expect(frames).toHaveLength(1);
  return frames[0] as lwp.Frame;
}

describe('checksums', () => {
  it('both are computed as the golden values say', () => {
    for (const { input_hex, crc32, crc32c } of vectors.checksums) {
      const bytes = Buffer.from(input_hex, 'hex');
      expect([lwp.checksum('crc32', bytes), lwp.checksum('crc32c', bytes)]).toEqual([crc32, crc32c]);
    }
  });
});

describe.each(lists)('golden frames: %s', (list, kind) => {
  it.each(vectors[list].map(({ name, hex }) => ({ name, hex })))(
    '$name decodes, settles the checksum and encodes to the same bytes',
    ({ hex }) => {
      const bytes = Buffer.from(hex, 'hex');
      const decoder = new lwp.FrameDecoder();
      const [frame] = [...decoder.push(bytes)];
      expect(decoder.checksumKind).toBe(kind);
      const { header, payload } = frame as lwp.Frame;
      expect(lwp.encodeFrame(kind, header, payload).toString('hex')).toBe(hex);
    },
  );

  it('decode from one stream whose chunks cut anywhere', () => {
    const stream = Buffer.concat(vectors[list].map(({ hex }) => Buffer.from(hex, 'hex')));
    for (const size of [1, 7, 44, 45, 1000]) {
      const decoder = new lwp.FrameDecoder();
      const frames: lwp.Frame[] = [];
      for (let at = 0; at < stream.length; at += size)
        frames.push(...decoder.push(stream.subarray(at, at + size)));
      const again = Buffer.concat(
        frames.map(({ header, payload }) => lwp.encodeFrame(kind, header, payload)),
      );
      expect(again.equals(stream)).toBe(true);
    }
  });
});

it('header fields are read as the golden frames state them', () => {
  for (const { hex, header: stated, payload_hex } of vectors.frames.filter(({ header }) => header)) {
    const bytes = Buffer.from(hex, 'hex');
    const { header, payload } = decode(bytes);
    expect({
      version: bytes[4],
      flags: header.flags,
      header_crc: bytes.readUInt32LE(8),
      batch_id: Number(header.batchId),
      timestamp_ns: Number(header.timestampNs),
      record_count: header.recordCount,
      payload_length: header.payloadLength,
      payload_crc: header.payloadChecksum,
      topic_id: header.topicId,
    }).toEqual(stated);
    expect(payload.toString('hex')).toBe(payload_hex);
  }
});

describe('typed payloads read and write the golden ones', () => {
  const request = (name: string) => decode(bytesOf(vectors.frames_crc32c, name)).payload;
  const answer = (name: string) => decode(bytesOf(vectors.server_frames_crc32c, name)).payload;
  const addition = (name: string) => decode(bytesOf(vectors.additions_crc32c, name)).payload;

  it.each([
    ['get-topic', lwp.TopicRequest, { topic: 7 }],
    ['set-retention', lwp.SetRetentionRequest, { topic: 7, maxAgeSecs: 86_400n, maxBytes: 1_073_741_824n }],
    ['fetch', lwp.FetchRequest, { topic: 7, offset: 4096n, maxBytes: 65_536 }],
    ['fetch-end-u64-max', lwp.FetchRequest, { topic: 7, offset: lwp.END_OFFSET, maxBytes: 1 }],
    ['subscribe', lwp.SubscribeRequest, { topic: 7, offset: 0n, maxBatch: 65_536, consumer: 1001n }],
    ['unsubscribe', lwp.ConsumerRequest, { topic: 7, consumer: 1001n }],
    ['commit-offset', lwp.CommitOffsetRequest, { topic: 7, consumer: 1001n, offset: 4096n }],
  ])('%s', (name, layout, values) => {
    const { encode, decode: read } = layout as { encode(v: unknown): Buffer; decode(b: Buffer): unknown };
    expect(read(request(name))).toEqual(values);
    expect(encode(values).equals(request(name))).toBe(true);
  });

  it('create-topic-with-retention', () => {
    const values = { name: 'events', maxAgeSecs: 86_400n, maxBytes: 1_073_741_824n };
    const payload = request('create-topic-with-retention');
    expect(lwp.decodeCreateTopicWithRetention(payload)).toEqual(values);
    expect(lwp.encodeCreateTopicWithRetention('events', 86_400n, 1_073_741_824n).equals(payload)).toBe(true);
  });

  it('answers: topics, fetches, consumers, errors', () => {
    const topic = { id: 7, name: 'my-events', created_at: 1_700_000_000, topic_epoch: 1 };
    expect(lwp.decodeJson('t', lwp.TopicDocument, answer('topic-response'))).toEqual(topic);
    const { topics } = lwp.decodeJson('t', lwp.TopicListDocument, answer('topic-list'));
    expect(topics[1]).toEqual({ ...topic, retention: { max_age_secs: 86_400, max_bytes: 1_073_741_824 } });
    expect(lwp.decodeJson('t', lwp.DeletedDocument, answer('topic-deleted'))).toEqual({ deleted: 7 });

    const fetched = answer('fetch-response-two-records');
    expect(lwp.FetchAnswer.decode(fetched)).toEqual({ nextOffset: 4127n, bytes: 31, records: 2 });
    const records = [...lwp.walkRecords(fetched.subarray(lwp.FetchAnswer.bytes))];
    expect(records.map(({ type, value }) => [type, value.toString()])).toEqual([
      [1, 'hello'],
      [1, 'compressed world'],
    ]);
    expect(lwp.FetchAnswer.decode(answer('fetch-response-empty'))).toEqual({
      nextOffset: 4096n,
      bytes: 0,
      records: 0,
    });
    expect(lwp.ConsumerAnswer.decode(answer('subscribe-ack'))).toEqual({ consumer: 1001n, offset: 0n });
    expect(lwp.ConsumerAnswer.decode(answer('commit-ack'))).toEqual({ consumer: 1001n, offset: 4096n });
    expect(lwp.decodeJson('e', lwp.ErrorDocument, answer('error-of-an-ingest'))).toEqual({
      code: 16,
      message: 'Topic 42 not found',
      details: { batch_id: 3 },
    });
  });

  it("LANCE's own additions", () => {
    const wait = { topic: 7, offset: 4096n, maxBytes: 65_536, minBytes: 1, maxWaitMs: 500 };
    expect(lwp.FetchWaitRequest.decode(addition('fetch-wait'))).toEqual(wait);
    expect(lwp.FetchWaitRequest.encode(wait).equals(addition('fetch-wait'))).toBe(true);
    const locate = { topic: 7, kind: lwp.LocateKind.record, value: lwp.locateValue(12_345n) };
    expect(lwp.LocateRequest.encode(locate).equals(addition('locate-record-index'))).toBe(true);
    const time = { topic: 7, kind: lwp.LocateKind.time, value: lwp.locateValue(1_700_000_000_123_456_789n) };
    expect(lwp.LocateRequest.encode(time).equals(addition('locate-time'))).toBe(true);
    const located = lwp.LocateAnswer.decode(addition('locate-response'));
    expect(located).toMatchObject({ offset: 4096n, record: 12_345n });
    expect(lwp.formatSortKeyBytes(located.sortKey)).toBe('17979cfe3d85cd15000102000000004d');
    expect(lwp.encodeSetTopic(7, { durability: 'written' }).equals(addition('set-topic'))).toBe(true);
    expect(lwp.decodeJson('h', lwp.HelloDocument, addition('hello-response'))).toMatchObject({
      node_id: 1,
      features: ['fetch-wait', 'fetch-batches', 'locate'],
      limits: { max_frame: 16_777_216, max_record: 16_773_120 },
    });
  });

  it('records of every shape', () => {
    const payload = request('ingest-five-mixed-records');
    const records = [...lwp.walkRecords(payload)];
    const contents = records.map(({ type, value }) => lwp.contentOf(type, value));
    expect(contents.map(({ value, key }) => [value.toString(), key?.toString()])).toEqual([
      ['hello', undefined],
      ['{"a":1}', undefined],
      ['v', 'k'],
      ['x', undefined],
      ['', undefined],
    ]);
    expect(contents[3]?.timestampNs).toBe(1_700_000_000_000_000_001n);
    const again = records.map(({ type, value }, i) => {
      const content = contents[i] ?? { value };
      return lwp.encodeRecord({ type, ...content });
    });
    expect(Buffer.concat(again).equals(payload)).toBe(true);
  });
});

describe('what is no LWP is refused', () => {
  const good = () => Buffer.from(bytesOf(vectors.frames_crc32c, 'ingest-one-raw-record'));
  const push = (bytes: Buffer, options = {}) => [...new lwp.FrameDecoder(options).push(bytes)];

  it('a wrong magic, as soon as four bytes are there', () => {
    expect(() => push(Buffer.from('HTTP'))).toThrow(/no LWP frame: it begins with 48545450/);
    expect(push(Buffer.from('LAN'))).toEqual([]);
  });

  it('a wrong version, header checksum, payload checksum and length', () => {
    const damaged = (at: number) => {
      const bytes = good();
      bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at);
      return bytes;
    };
    expect(() => push(damaged(4))).toThrow(/version 0/);
    expect(() => push(damaged(8))).toThrow(/header checksum/);
    expect(() => push(damaged(50))).toThrow(/payload checksum/);
    expect(() => push(good(), { maxFrame: 50 })).toThrow(/54 bytes is larger than the limit of 50/);
  });

  it('records that do not tile, and answers that are cut short', () => {
    expect(() => [...lwp.walkRecords(Buffer.from('Hello, LANCE!'))]).toThrow(/runs past the end/);
    expect(() => [...lwp.walkRecords(Buffer.from([1, 0]))]).toThrow(/record at byte 0/);
    expect(() => lwp.FetchAnswer.decode(Buffer.alloc(15))).toThrow(/has 15 bytes; 16 are needed/);
    expect(() => lwp.decodeJson('A', lwp.TopicDocument, Buffer.from('{'))).toThrow(/A holds no JSON/);
    expect(() => lwp.decodeJson('A', lwp.TopicDocument, Buffer.from('{"id":"x"}'))).toThrow(
      /A is not as expected: id/,
    );
  });
});
