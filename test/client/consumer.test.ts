import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Consumer, type ConsumerOptions, Producer, parseStart } from '../../src/client/index.js';
import { FAKE_EPOCH_NS } from '../support/fake-log.js';
import { FakeNode } from '../support/fake-node.js';

let node: FakeNode;
beforeEach(async () => {
  node = await FakeNode.start();
  node.addTopic('events');
  const producer = await Producer.open({ endpoint: node.endpoint, topic: 'events', batchBytes: 100 });
  for (let i = 0; i < 50; i++) void producer.send({ value: `record ${i}` });
  await producer.close();
});
afterEach(() => node.stop());

const open = (options: Partial<ConsumerOptions> = {}) =>
  Consumer.open({ endpoint: node.endpoint, topic: 'events', timeout: 20_000, follow: false, ...options });

async function values(consumer: Consumer): Promise<string[]> {
  const read: string[] = [];
  for await (const { value } of consumer) read.push(value.toString());
  consumer.close();
  return read;
}

const numbers = (from: number, to = 50) => Array.from({ length: to - from }, (_, i) => `record ${i + from}`);

describe('Consumer', () => {
  it('reads every record in order with index, offset, key and time, and stops at the end', async () => {
    const consumer = await open({ maxBytes: 300 });
    let offset = 0;
    let index = 0;
    for await (const record of consumer) {
      expect(record).toMatchObject({ record: index, offset, type: 1 });
      expect(record.value.toString()).toBe(`record ${index}`);
      expect(record.sortKey).toBe(
        `${record.timestampNs.toString(16)}0001${index.toString(16).padStart(12, '0')}`,
      );
      offset = record.nextOffset;
      expect(consumer.position).toBe(offset);
      index += 1;
    }
    expect(index).toBe(50);
    expect(offset).toBe(node.topics[1]?.endOffset);
    consumer.close();
  });

  it.each([
    ['earliest', 0],
    ['latest', 50],
    ['record:17', 17],
    ['record:50', 50],
    ['offset:0', 0],
    ['offset:13', 1],
    ['time:1700000000', 0],
    [`time:${FAKE_EPOCH_NS + 1n}`, 7],
    ['time:2033-01-01T00:00:00Z', 50],
  ])('starts at %s', async (from, first) => {
    expect(await values(await open({ from: parseStart(from) }))).toEqual(numbers(first));
  });

  it('a start that is nowhere is refused', async () => {
    await expect(open({ from: { record: 51 } })).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' });
    for (const text of ['', 'middle', 'offset:-1', 'record:x', 'time:yesterday-ish', 'offset:']) {
      expect(() => parseStart(text), text).toThrow(/says nowhere to start/);
    }
  });

  it('goes on where its number committed', async () => {
    const first = await open({ consumer: 42n });
    for await (const { record, nextOffset } of first) {
      if (record === 19) {
        await first.commit(nextOffset);
        break;
      }
    }
    first.close();
    expect(await values(await open({ consumer: 42n }))).toEqual(numbers(20));
    expect(await values(await open({ consumer: 42n, from: 'earliest' }))).toEqual(numbers(0));
  });

  it('follows: waits for records that are not there yet, until it is told to stop', async () => {
    const stop = new AbortController();
    const consumer = await open({ from: 'latest', follow: true, signal: stop.signal });
    const read: string[] = [];
    const reading = (async () => {
      for await (const { value } of consumer) {
        read.push(value.toString());
        if (read.length === 3) stop.abort();
      }
    })();
    const producer = await Producer.open({ endpoint: node.endpoint, topic: 'events' });
    for (const value of ['x', 'y', 'z']) await producer.send({ value });
    await reading;
    expect(read).toEqual(['x', 'y', 'z']);
    consumer.close();
    await producer.close();
  });

  it('connects again after a lost connection and misses and repeats nothing', async () => {
    const consumer = await open({ maxBytes: 100 });
    const read: string[] = [];
    for await (const { value } of consumer) {
      read.push(value.toString());
      if (read.length % 20 === 0) node.hangUp();
    }
    expect(read).toEqual(numbers(0));
    consumer.close();
  });

  it('gives bytes in bulk to those who copy streams, up to the end that was there', async () => {
    const consumer = await open({ maxBytes: 200 });
    const parts: Buffer[] = [];
    for await (const { offset, data, nextOffset } of consumer.bytes()) {
      expect(nextOffset).toBe(offset + data.length);
      parts.push(data);
    }
    const stored = Buffer.concat(node.topics[1]?.batches.map(({ payload }) => payload) ?? []);
    expect(Buffer.concat(parts).equals(stored)).toBe(true);
    consumer.close();
  });
});
