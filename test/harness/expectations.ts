/** What many tests expect in the same words. */
import { expect } from 'vitest';
import { Command, type ErrorCode, Flag, raw, type WireError, walkTlvs } from './lwp.js';
import type { LanceNode } from './node.js';
import { batchOf, NodeError, type RawConnection } from './raw-connection.js';

let witness = 0;

/** A connection of its own can create a topic, produce to it and read it back: the node serves the others meanwhile. */
export async function expectServing(node: LanceNode): Promise<void> {
  const other = await node.connect('crc32c');
  try {
    const topic = await other.createTopic(`witness-${process.pid}-${++witness}`);
    await other.ingestAcked(topic, raw(`still here ${witness}`));
    const { data } = await other.fetch(topic, 0n);
    expect(walkTlvs(data).map((record) => record.value.toString())).toEqual([`still here ${witness}`]);
  } finally {
    other.close();
  }
}

/** The node closes the connection and sends nothing before. */
export async function expectClosedSilently(connection: RawConnection): Promise<void> {
  await connection.closed();
  expect(connection.inbox, 'the node must not reply').toEqual([]);
}

/** The connection is open and answers: a ListTopics goes through it. */
export async function expectOpen(connection: RawConnection): Promise<void> {
  await connection.request(Command.listTopics, Buffer.alloc(0), Command.topicResponse);
}

/** Takes the answer to one ingest, which must be an error of this code that names the batch. */
export async function expectIngestError(
  connection: RawConnection,
  batchId: bigint,
  code: (typeof ErrorCode)[keyof typeof ErrorCode],
): Promise<WireError> {
  const error = await connection.ack(batchId).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!(error instanceof NodeError)) throw error ?? new Error(`batch ${batchId} was acknowledged`);
  expect(error.wire).toMatchObject({ code, details: { batch_id: Number(batchId) } });
  // Permanent failures must not carry the text on which the Rust client sends again.
  expect(error.wire.message).not.toContain('FORWARD_FAILED');
  return error.wire;
}

/** The next `count` answers to ingests, in order of arrival: `ack 1`, `error 0x5 of 2`, ... */
export async function ingestAnswers(connection: RawConnection, count: number): Promise<string[]> {
  const answers: string[] = [];
  while (answers.length < count) {
    const frame = await connection.take(
      (candidate) => candidate.flags === Flag.ack || batchOf(candidate) !== undefined,
      `answer ${answers.length + 1} of ${count} to ingests`,
    );
    if (frame.flags === Flag.ack) answers.push(`ack ${frame.batchId}`);
    else
      answers.push(
        `error 0x${(JSON.parse(frame.payload.toString()) as WireError).code.toString(16)} of ${batchOf(frame)}`,
      );
    expect(frame, 'acks and errors of ingests carry timestamp, topic and count 0').toMatchObject({
      timestampNs: 0n,
      topicId: 0,
      recordCount: 0,
    });
  }
  return answers;
}

/** A random topic name of the published clients' alphabet. */
export function topicName(label: string): string {
  return `${label}-${process.pid}-${++witness}`;
}
