import { describe, expect, it } from 'vitest';
import { answerControl, ControlDesk } from '../../src/server/control-requests.js';
import { type FakeEngine, keyAt } from '../support/fake-engine.js';
import { bytesOf, vectors } from '../support/vectors.js';
import { openCatalogue } from './support.js';

const identity = { version: '0.1.0', nodeId: 1, clusterId: 'single', maxFrame: 16 * 2 ** 20 };

/** Command code and payload of a golden request. */
function golden(name: string): { code: number; payload: Buffer } {
  const list = vectors.additions_crc32c.some((vector) => vector.name === name)
    ? vectors.additions_crc32c
    : vectors.frames;
  const frame = bytesOf(list, name);
  return { code: Number(frame.readBigUInt64LE(12)), payload: frame.subarray(44) };
}

const goldenAnswer = (name: string) => {
  const list = name === 'hello-response' ? vectors.additions_crc32c : vectors.server_frames;
  const frame = bytesOf(list, name);
  return { code: Number(frame.readBigUInt64LE(12)), text: frame.subarray(44).toString() };
};

/** A node with `my-events` under id 7, as in the golden frames. */
async function node() {
  const parts = await openCatalogue();
  for (let id = 1; id < 7; id += 1) await parts.catalogue.create(`filler-${id}`);
  const ask = async (code: number, payload: Uint8Array | string = '') => {
    const answer = await answerControl({ code, payload: Buffer.from(payload) }, parts.catalogue, identity);
    return { code: answer.code, text: Buffer.from(answer.payload).toString(), hello: answer.hello };
  };
  const askGolden = (name: string) => ask(golden(name).code, golden(name).payload);
  const errorOf = async (code: number, payload: Uint8Array | string = '') => {
    const answer = await ask(code, payload);
    expect(answer.code).toBe(0xff);
    return JSON.parse(answer.text).code as number;
  };
  return { ...parts, ask, askGolden, errorOf };
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

describe('control requests', () => {
  it('are answered as the golden frames are, byte for byte', async () => {
    const { askGolden } = await node();
    expect(await askGolden('create-topic')).toMatchObject(goldenAnswer('topic-response'));
    expect(await askGolden('get-topic')).toMatchObject(goldenAnswer('topic-response'));
    expect(await askGolden('authenticate')).toMatchObject(goldenAnswer('authenticate-response'));
    expect(await askGolden('hello')).toMatchObject(goldenAnswer('hello-response'));
    expect(await askGolden('set-retention')).toMatchObject({
      code: 0x80,
      text: '{"id":7,"name":"my-events","created_at":1700000000,"topic_epoch":1,"retention":{"max_age_secs":86400,"max_bytes":1073741824}}',
    });
    const listed = JSON.parse((await askGolden('list-topics')).text);
    expect(listed.topics.at(-1)).toEqual(JSON.parse(goldenAnswer('topic-list').text).topics.at(-1));
    expect(listed.topics[0]).toEqual(JSON.parse(goldenAnswer('topic-list').text).topics[0]);
    expect(await askGolden('delete-topic')).toMatchObject(goldenAnswer('topic-deleted'));
  });

  it('CreateTopicWithRetention gives the topic with its limits', async () => {
    const { askGolden } = await node();
    expect(JSON.parse((await askGolden('create-topic-with-retention')).text)).toEqual({
      id: 7,
      name: 'events',
      created_at: 1_700_000_000,
      topic_epoch: 1,
      retention: { max_age_secs: 86_400, max_bytes: 1_073_741_824 },
    });
  });

  it('limits of all 64 bits come back as they were given', async () => {
    const { ask, askGolden } = await node();
    await askGolden('create-topic');
    const most = Buffer.alloc(20, 0xff);
    most.writeUInt32LE(7, 0);
    expect((await ask(0x05, most)).text).toContain('"max_bytes":18446744073709551615');
  });

  it('GetClusterStatus is that of a node alone', async () => {
    const { askGolden } = await node();
    const { code, text } = await askGolden('get-cluster-status');
    expect(code).toBe(0x81);
    expect(JSON.parse(text)).toEqual({
      node_id: 1,
      is_leader: true,
      leader_id: 1,
      current_term: 0,
      node_count: 1,
      healthy_nodes: 1,
      quorum_available: true,
      peer_states: {},
    });
  });

  it('DescribeTopic adds what the engine knows, SetTopic tells it the durability', async () => {
    const { askGolden, engine } = await node();
    await askGolden('create-topic');
    expect((await askGolden('set-topic')).code).toBe(0x80);
    expect(engine.calls).toContain('setDurability 7 written');
    engine.descriptions.set(7, {
      firstOffset: 10n,
      endOffset: 2n ** 60n,
      firstRecord: 1n,
      endRecord: 9n,
      bytes: 400n,
      segments: 2,
      lastTimestampNs: 5n,
      next: { offset: 2n ** 60n, record: 9n, key: keyAt(5n), chain: 1 },
      frozen: false,
    });
    const { text } = await askGolden('describe-topic');
    expect(text).toBe(
      '{"id":7,"name":"my-events","created_at":1700000000,"topic_epoch":1,"durability":"written","first_offset":10,"end_offset":1152921504606846976,"first_record":1,"end_record":9,"bytes":400,"segments":2}',
    );
  });

  it('Hello settles order and reads, and refuses what it does not know', async () => {
    const { askGolden, ask, errorOf } = await node();
    expect((await askGolden('hello')).hello).toEqual({ orderByTopic: false, linearizable: false });
    expect((await askGolden('hello-order-topic')).hello).toEqual({ orderByTopic: true, linearizable: false });
    expect((await ask(0x30, '{"reads":"linearizable","more":1}')).hello?.linearizable).toBe(true);
    for (const payload of [
      '',
      'x',
      '[]',
      '"hello"',
      'null',
      '{"order":"any"}',
      '{"reads":"dirty"}',
      '{"features":{}}',
    ]) {
      expect(await errorOf(0x30, payload), payload).toBe(0x04);
    }
  });

  it('payloads that are cut short, too long or no JSON object are 0x04', async () => {
    const { errorOf, askGolden, engine } = await node();
    await askGolden('create-topic');
    const before = engine.calls.length;
    for (const code of [0x02, 0x04, 0x05, 0x37]) {
      const right = code === 0x05 ? 20 : 4;
      for (const bytes of [0, right - 1, right + 1]) {
        expect(await errorOf(code, Buffer.alloc(bytes)), `0x${code.toString(16)}, ${bytes} bytes`).toBe(0x04);
      }
    }
    expect(await errorOf(0x03, 'x')).toBe(0x04);
    expect(await errorOf(0x07, 'x')).toBe(0x04);
    for (const payload of ['', '\u0005', '\u0003\u0000abc', `\u0003\u0000abc${'\0'.repeat(17)}`]) {
      expect(await errorOf(0x06, payload)).toBe(0x04);
    }
    for (const json of [
      '',
      '{',
      '[]',
      '{"durability":"eventually"}',
      '{"colour":"red"}',
      '{"durability":null}',
    ]) {
      expect(await errorOf(0x36, Buffer.concat([u32(7), Buffer.from(json)])), json).toBe(0x04);
    }
    expect(await errorOf(0x36, 'abc')).toBe(0x04);
    expect(engine.calls.length).toBe(before);
  });

  it('names that are empty, no UTF-8 or no names are 0x12; taken ones 0x11', async () => {
    const { errorOf } = await node();
    expect(await errorOf(0x01, '')).toBe(0x12);
    expect(await errorOf(0x01, Buffer.from([0xc3, 0x28]))).toBe(0x12);
    expect(await errorOf(0x01, '../../etc')).toBe(0x12);
    expect(await errorOf(0x06, Buffer.concat([Buffer.from([0, 0]), Buffer.alloc(16)]))).toBe(0x12);
    expect(await errorOf(0x06, Buffer.concat([Buffer.from([1, 0, 0xff]), Buffer.alloc(16)]))).toBe(0x12);
    expect(await errorOf(0x01, 'default')).toBe(0x11);
  });

  it('an id that never was is 0x10, one that was deleted 0x13, default is not deleted', async () => {
    const { errorOf, ask } = await node();
    expect((await ask(0x04, u32(42))).text).toBe(goldenAnswer('error-topic-not-found').text);
    await ask(0x02, u32(3));
    for (const code of [0x02, 0x04, 0x37]) expect(await errorOf(code, u32(3))).toBe(0x13);
    expect(await errorOf(0x36, Buffer.concat([u32(3), Buffer.from('{}')]))).toBe(0x13);
    expect(await errorOf(0x05, Buffer.concat([u32(3), Buffer.alloc(16)]))).toBe(0x13);
    expect(await errorOf(0x02, u32(0))).toBe(0x42);
    expect(await errorOf(0x66)).toBe(0x01);
  });

  it('no message holds words that published clients take for something else', async () => {
    const { ask } = await node();
    const messages = [
      await ask(0x04, u32(42)),
      await ask(0x01, ''),
      await ask(0x30, 'x'),
      await ask(0x02, u32(0)),
    ].map(({ text }) => JSON.parse(text).message as string);
    for (const message of messages) {
      expect(message).not.toMatch(/catching.?up|no data|empty fetch response|FORWARD_FAILED/i);
      expect(message.length).toBeGreaterThan(5);
    }
  });
});

describe('the control desk', () => {
  const id = (connection: number, sequence: number) => ({ connection, generation: 1, sequence });
  const slow = (engine: FakeEngine) => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    engine.before = (call) => (call.startsWith('addTopic') ? gate : undefined);
    return release;
  };

  it('carries out what one connection asks in its order, without holding up another', async () => {
    const { catalogue, engine } = await openCatalogue();
    const desk = new ControlDesk(engine, catalogue, identity);
    const release = slow(engine);
    const first = desk.take({ id: id(1, 0), code: 0x01, payload: Buffer.from('a') });
    const second = desk.take({ id: id(1, 1), code: 0x04, payload: u32(1) });
    await desk.take({ id: id(2, 0), code: 0x03, payload: Buffer.alloc(0) });
    expect(engine.answers.map((answer) => answer.id.connection)).toEqual([2]);
    release();
    await Promise.all([first, second]);
    expect(engine.answers.map(({ answer }) => answer.code)).toEqual([0x80, 0x80, 0x80]);
    expect(Buffer.from(engine.answers[2]?.answer.payload ?? []).toString()).toContain('"name":"a"');
  });
});
