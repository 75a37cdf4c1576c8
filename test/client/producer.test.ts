import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Producer } from '../../src/client/index.js';
import { FakeNode } from '../support/fake-node.js';

let node: FakeNode;
beforeEach(async () => {
  node = await FakeNode.start();
  node.addTopic('events');
});
afterEach(() => node.stop());

const open = (options = {}) =>
  Producer.open({ endpoint: node.endpoint, topic: 'events', timeout: 20_000, ...options });
const numbers = (count: number) => Array.from({ length: count }, (_, i) => `record ${i}`);

describe('Producer', () => {
  it('sends what is gathered in one turn as one batch and resolves when it is acknowledged', async () => {
    const producer = await open();
    await Promise.all(numbers(10).map((value) => producer.send({ value })));
    expect(node.values('events')).toEqual(numbers(10));
    expect(producer.stats).toMatchObject({ records: 10, batches: 1, acked: 10, unknown: 0 });
    await producer.close();
  });

  it('cuts batches by size, keeps no more under way than allowed, and keeps the order', async () => {
    const producer = await open({ batchBytes: 100, inFlight: 3 });
    for (const value of numbers(200)) void producer.send({ value });
    await producer.close();
    expect(node.values('events')).toEqual(numbers(200));
    expect(node.mostUnderWay).toBeLessThanOrEqual(3);
    expect(node.topics[1]?.batches.every(({ payload }) => payload.length <= 100)).toBe(true);
  });

  it('waits for more as long as it is told to', async () => {
    const producer = await open({ lingerMs: 30 });
    const first = producer.send({ value: 'a' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.all([first, producer.send({ value: 'b' })]);
    expect(producer.stats.batches).toBe(1);
    await producer.close();
  });

  it('sends keys, times and types', async () => {
    const producer = await open();
    await producer.send({ value: 'v', key: 'k', timestampNs: 5n });
    await producer.send({ value: '{}', type: 2 });
    await producer.send({ value: Buffer.alloc(0) });
    const payloads = node.topics[1]?.batches.map(({ payload }) => payload.toString('hex'));
    expect(payloads).toEqual(['120c000000050000000000000001006b76', '02020000007b7d', '0100000000']);
    await producer.close();
  });

  it('a lost connection makes what was unacknowledged an unknown outcome and sends nothing twice', async () => {
    node.onIngest = (number) => (number === 1 ? 'hang-up' : 'ack');
    const producer = await open({ batchBytes: 50, inFlight: 1 });
    const sent = numbers(20).map((value) =>
      producer.send({ value }).then(
        () => 'ok',
        (error) => error.code,
      ),
    );
    await expect(producer.flush()).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    const outcomes = await Promise.all(sent);
    expect(new Set(outcomes)).toEqual(new Set(['ok', 'OUTCOME_UNKNOWN', 'NOT_SENT']));
    const stored = node.values('events');
    expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(stored.length);
    expect(stored).toEqual(numbers(stored.length));
    expect(producer.stats.unknown).toBe(outcomes.filter((outcome) => outcome === 'OUTCOME_UNKNOWN').length);

    await producer.send({ value: 'afterwards' });
    expect(node.values('events').at(-1)).toBe('afterwards');
    await producer.close();
  });

  it('with retryUnknown it connects again and sends what was unacknowledged once more, in order', async () => {
    node.onIngest = (number) => (number === 2 ? 'hang-up' : 'ack');
    const producer = await open({ batchBytes: 50, inFlight: 1, retryUnknown: true });
    for (const value of numbers(30)) void producer.send({ value });
    await producer.close();
    expect(node.values('events')).toEqual(numbers(30));
    expect(producer.stats).toMatchObject({ acked: 30, unknown: 0 });
  });

  it('no acknowledgement within the time-out is an unknown outcome', async () => {
    node.onIngest = () => 'silence';
    // Long enough to connect on a machine that stands still for a while.
    const producer = await open({ timeout: 1_500 });
    await expect(producer.send({ value: 'x' })).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await expect(producer.close()).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });

  it('sends again what was certainly not stored, and gives up on what is refused for good', async () => {
    node.onIngest = (number) => (number === 0 ? { error: 0x30 } : 'ack');
    const producer = await open();
    await producer.send({ value: 'rate limited at first' });
    expect(node.values('events')).toEqual(['rate limited at first']);

    node.onIngest = () => ({ error: 0x61 });
    await expect(producer.send({ value: 'x' })).rejects.toMatchObject({ code: 'STORAGE', lwpCode: 0x61 });
    await expect(producer.flush()).rejects.toMatchObject({ code: 'STORAGE' });
    node.onIngest = () => ({ error: 0x62 });
    await expect(producer.send({ value: 'x' })).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await expect(producer.close()).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });

  it('slows down when the node asks for it', async () => {
    node.backpressure = true;
    const producer = await open({ batchBytes: 20, inFlight: 16 });
    for (const value of numbers(16)) void producer.send({ value });
    await producer.flush();
    node.mostUnderWay = 0;
    for (const value of numbers(100)) void producer.send({ value });
    await producer.close();
    expect(node.mostUnderWay).toBeLessThanOrEqual(2);
    expect(node.values('events')).toHaveLength(116);
  });

  it('bounds what is gathered: ready waits until the node has caught up', async () => {
    const producer = await open({ batchBytes: 1000, maxBufferedBytes: 2000 });
    for (let i = 0; i < 50; i++) {
      await producer.ready();
      void producer.send({ value: Buffer.alloc(900) });
      expect(producer.stats.records * 905 - producer.stats.acked * 905).toBeLessThanOrEqual(3000);
    }
    await producer.close();
    expect(node.values('events')).toHaveLength(50);
  });

  it('refuses a record that the node would never store, and a topic that is not there', async () => {
    const producer = await open();
    expect(() => producer.send({ value: Buffer.alloc(16 * 1024 * 1024) })).toThrow(
      /larger than the 16773120/,
    );
    await producer.close();
    await expect(open({ topic: 'nowhere' })).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
  });
});
