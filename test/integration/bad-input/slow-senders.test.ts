/** Senders that stop in the middle or hardly move (lwp.md, "Idle"). */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectClosedSilently, expectOpen, expectServing } from '../../harness/expectations.js';
import { encodeFrame, Flag, raw, walkTlvs } from '../../harness/lwp.js';
import { type LanceNode, startNode } from '../../harness/node.js';

const FRAME_TIMEOUT_MS = 1_500;
let hasty: LanceNode;
let patient: LanceNode;
beforeAll(async () => {
  hasty = await startNode({ config: `[limits]\nframe_timeout = "${FRAME_TIMEOUT_MS}ms"\n` });
  patient = await startNode();
});

describe('under a short limits.frame_timeout', () => {
  it('a connection that sends nothing is closed', async () => {
    const connection = await hasty.connect();
    await expectClosedSilently(connection);
    await expectServing(hasty);
  });

  it('a header and then silence is closed, and the others are served meanwhile', async () => {
    const connection = await hasty.connect();
    const frame = encodeFrame('crc32', { flags: Flag.batch, batchId: 1n, payload: raw('never finished') });
    await connection.write(frame.subarray(0, 44));
    await expectServing(hasty);
    await expectClosedSilently(connection);
  });

  it('half a frame after good ones is closed', async () => {
    const connection = await hasty.connect();
    await expectOpen(connection);
    const frame = encodeFrame('crc32', { flags: Flag.batch, batchId: 1n, payload: raw('x'.repeat(100)) });
    await connection.write(frame.subarray(0, 60));
    await expectClosedSilently(connection);
    await expectServing(hasty);
  });

  it('a frame that trickles for longer than the time-out is closed, however steadily it comes', async () => {
    const connection = await hasty.connect();
    await expectOpen(connection);
    const frame = encodeFrame('crc32', { flags: Flag.batch, batchId: 1n, payload: raw('x'.repeat(1000)) });
    for (const byte of frame) {
      if (connection.isClosed) break;
      await connection.write(Buffer.of(byte));
      await sleep(20);
    }
    await expectClosedSilently(connection);
    await expectServing(hasty);
  });

  it('an idle connection stays open after its first frame', async () => {
    const connection = await hasty.connect();
    await expectOpen(connection);
    await sleep(2.5 * FRAME_TIMEOUT_MS);
    await expectOpen(connection);
    connection.close();
  });
});

describe('with default limits', () => {
  it('takes a frame one byte at a time', async () => {
    const connection = await patient.connect();
    const topic = await connection.createTopic('byte-by-byte');
    const frame = encodeFrame('crc32', {
      flags: Flag.batch,
      batchId: 77n,
      topicId: topic,
      payload: raw('slowly'),
    });
    for (const byte of frame) await connection.write(Buffer.of(byte));
    await connection.ack(77n);
    const { data } = await connection.fetch(topic, 0n);
    expect(walkTlvs(data).map((record) => record.value.toString())).toEqual(['slowly']);
    connection.close();
  });

  it('takes many frames in one write and a frame across many writes', async () => {
    const connection = await patient.connect();
    const topic = await connection.createTopic('pieces');
    const frames = Array.from({ length: 100 }, (_, index) =>
      encodeFrame('crc32', {
        flags: Flag.batch,
        batchId: BigInt(index),
        topicId: topic,
        payload: raw(`r${index}`),
      }),
    );
    const bytes = Buffer.concat(frames);
    for (let at = 0; at < bytes.length; at += 37) await connection.write(bytes.subarray(at, at + 37));
    for (let index = 0; index < frames.length; index++) await connection.ack(BigInt(index));
    const { data } = await connection.fetch(topic, 0n);
    expect(walkTlvs(data).map((record) => record.value.toString())).toEqual(
      frames.map((_, index) => `r${index}`),
    );
    connection.close();
  });

  it('serves the others while a large frame is half sent', async () => {
    const connection = await patient.connect();
    const topic = await connection.createTopic('half-large');
    const payload = raw(Buffer.alloc(3 * 1024 * 1024, 0x61));
    const frame = encodeFrame('crc32', { flags: Flag.batch, batchId: 5n, topicId: topic, payload });
    await connection.write(frame.subarray(0, frame.length / 2));
    await expectServing(patient);
    await connection.write(frame.subarray(frame.length / 2));
    await connection.ack(5n);
    connection.close();
  });
});
