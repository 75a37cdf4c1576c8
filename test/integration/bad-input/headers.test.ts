/** Frame headers that are wrong in one field each (lwp.md, "Header, 44 bytes"). */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  expectClosedSilently,
  expectIngestError,
  expectOpen,
  expectServing,
  ingestAnswers,
} from '../../harness/expectations.js';
import { Command, decodeError, ErrorCode, encodeFrame, Flag, MAX_FRAME, raw } from '../../harness/lwp.js';
import { type LanceNode, startNode } from '../../harness/node.js';

let node: LanceNode;
let topic: number;
beforeAll(async () => {
  node = await startNode();
  const connection = await node.connect();
  topic = await connection.createTopic('headers');
  connection.close();
});

describe('a header that cannot be trusted closes the connection without a reply', () => {
  it('judges the magic at 4 bytes', async () => {
    const connection = await node.connect();
    await connection.write(Buffer.from('JUN'));
    await sleep(100);
    expect(connection.isClosed).toBe(false);
    await connection.write(Buffer.from('K'));
    await expectClosedSilently(connection);
    await expectServing(node);
  });

  it('closes on a protocol that is not LWP', async () => {
    const connection = await node.connect();
    await connection.write(Buffer.from('GET / HTTP/1.1\r\nHost: lance\r\n\r\n'));
    await expectClosedSilently(connection);
    await expectServing(node);
  });

  it.each([0, 2, 255])('closes on version %i', async (version) => {
    const connection = await node.connect();
    await connection.send({ flags: Flag.keepalive, version });
    await expectClosedSilently(connection);
    await expectServing(node);
  });

  it('closes on a header checksum that is neither CRC-32 nor CRC-32C', async () => {
    const connection = await node.connect();
    await connection.send({ flags: Flag.keepalive, headerChecksum: 0xdeadbeef });
    await expectClosedSilently(connection);
    await expectServing(node);
  });

  it('closes when a connection changes its checksum after the first frame', async () => {
    const connection = await node.connect('crc32');
    await expectOpen(connection);
    await connection.write(encodeFrame('crc32c', { flags: Flag.keepalive }));
    await expectClosedSilently(connection);
    await expectServing(node);
  });

  it('closes on wrong magic in the middle of a connection, after what was good', async () => {
    const connection = await node.connect();
    await connection.ingestAcked(topic, raw('good'));
    await connection.send({ flags: Flag.keepalive, magic: 'LANX' });
    await expectClosedSilently(connection);
    await expectServing(node);
  });
});

describe('the first frame settles the checksum of a connection', () => {
  it.each(['crc32', 'crc32c'] as const)('answers a %s connection in %s', async (kind) => {
    const connection = await node.connect(kind);
    // The harness throws on an answer in the other checksum.
    await connection.ingestAcked(topic, raw(kind));
    await expectOpen(connection);
    connection.close();
  });
});

describe('a wrong payload checksum', () => {
  it('is error 0x05 with the batch in its place in the order, and the connection stays', async () => {
    const connection = await node.connect();
    await connection.ingest(topic, raw('one'), { batchId: 1n });
    await connection.ingest(topic, raw('two'), { batchId: 2n, payloadChecksum: 0x12345678 });
    await connection.ingest(topic, raw('three'), { batchId: 3n });
    expect(await ingestAnswers(connection, 3)).toEqual(['ack 1', 'error 0x5 of 2', 'ack 3']);
    await expectOpen(connection);
    connection.close();
  });

  it('is error 0x05 also where the frame carries none (0) beside a payload', async () => {
    const connection = await node.connect();
    await connection.ingest(topic, raw('no checksum'), { batchId: 9n, payloadChecksum: 0 });
    await expectIngestError(connection, 9n, ErrorCode.checksum);
    await expectOpen(connection);
    connection.close();
  });

  it('stores nothing of the frame', async () => {
    const connection = await node.connect();
    const fresh = await connection.createTopic('checksum-stores-nothing');
    await connection.ingest(fresh, raw('bad'), { batchId: 4n, payloadChecksum: 1 });
    await expectIngestError(connection, 4n, ErrorCode.checksum);
    expect(await connection.fetch(fresh, 0n)).toMatchObject({ nextOffset: 0n, records: 0 });
    connection.close();
  });

  it('of a control frame is error 0x05, and the connection stays', async () => {
    const connection = await node.connect();
    await connection.send({
      flags: Flag.control,
      batchId: BigInt(Command.createTopic),
      timestampNs: 99n,
      payload: Buffer.from('never'),
      payloadChecksum: 7,
    });
    const answer = await connection.next();
    expect(decodeError(answer).code).toBe(ErrorCode.checksum);
    expect(answer.timestampNs).toBe(99n);
    await expectOpen(connection);
    connection.close();
  });
});

describe('flags', () => {
  const withoutBatch = [
    0x00, 0x01, 0x02, 0x03, 0x08, 0x10, 0x18, 0x21, 0x28, 0x41, 0x42, 0x48, 0x60, 0x80, 0xc0,
  ];
  it.each(withoutBatch)('0x%s is refused with 0x01, and the connection stays', async (flags) => {
    const connection = await node.connect();
    await connection.send({ flags, batchId: 5n, timestampNs: 1n, topicId: topic, payload: raw('x') });
    expect(decodeError(await connection.next()).code).toBe(ErrorCode.unknown);
    await expectOpen(connection);
    connection.close();
  });

  const withBatch = [0x06, 0x07, 0x0c, 0x14, 0x24, 0x44, 0x84, 0xff];
  it.each(withBatch)(
    '0x%s is refused with 0x01 that names the batch, and the connection stays',
    async (flags) => {
      const connection = await node.connect();
      await connection.ingest(topic, raw('x'), { flags, batchId: 6n });
      await expectIngestError(connection, 6n, ErrorCode.unknown);
      await expectOpen(connection);
      connection.close();
    },
  );
});

describe('control codes', () => {
  const onlyAnswers = [0x09, 0x11, 0x12, 0x23, 0x24, 0x31, 0x34, 0x39, 0x80, 0x81, 0xff];
  it.each(onlyAnswers)('answer code %i sent as a request is 0x01', async (code) => {
    const connection = await node.connect();
    expect((await connection.refused(code)).code).toBe(ErrorCode.unknown);
    await expectOpen(connection);
    connection.close();
  });

  const unknown = [0n, 0x0an, 0x13n, 0x40n, 0x7fn, 0x103n, 0x1_0000_0003n, 0x8000_0000_0000_0003n];
  it.each(unknown)('unknown code %i is 0x01: all 64 bits are compared', async (code) => {
    const connection = await node.connect();
    expect((await connection.refused(code)).code).toBe(ErrorCode.unknown);
    await expectOpen(connection);
    connection.close();
  });
});

describe('a length over the limit', () => {
  it('is error 0x03 that arrives even while the sender keeps sending, then the node closes', async () => {
    const connection = await node.connect();
    const payloadLength = MAX_FRAME - 44 + 1;
    const header = encodeFrame('crc32', { flags: Flag.batch, batchId: 11n, topicId: topic, payloadLength });
    void connection.write(Buffer.concat([header, Buffer.alloc(8 * 1024 * 1024, 0x41)]));
    const answer = await connection.next();
    expect(decodeError(answer)).toMatchObject({ code: ErrorCode.tooLarge, details: { batch_id: 11 } });
    await connection.closed();
    expect(connection.inbox).toEqual([]);
    await expectServing(node);
  });

  it('holds for a control frame and for 4 GiB claimed', async () => {
    const connection = await node.connect();
    const fields = { flags: Flag.control, batchId: BigInt(Command.createTopic), payloadLength: 0xffff_ffff };
    await connection.send(fields);
    expect(decodeError(await connection.next()).code).toBe(ErrorCode.tooLarge);
    await connection.closed();
    await expectServing(node);
  });
});

describe('what is ignored', () => {
  it('takes reserved bytes other than 0', async () => {
    const connection = await node.connect();
    await connection.ingestAcked(topic, raw('reserved'), { reserved: 0xbeef });
    connection.close();
  });

  it('takes a payload checksum without payload', async () => {
    const connection = await node.connect();
    const fields = { flags: Flag.control, batchId: BigInt(Command.listTopics), timestampNs: 3n };
    await connection.send({ ...fields, payloadChecksum: 0xabad1dea });
    expect((await connection.next()).batchId).toBe(BigInt(Command.topicResponse));
    connection.close();
  });

  it("takes a keepalive's payload and answers without one", async () => {
    const connection = await node.connect();
    await connection.send({ flags: Flag.keepalive, payload: Buffer.from('ballast') });
    const answer = await connection.next();
    expect(answer).toMatchObject({ flags: Flag.keepalive, payload: Buffer.alloc(0) });
    await expectOpen(connection);
    connection.close();
  });
});
