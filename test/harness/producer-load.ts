/** Producers under load that know exactly what was acknowledged, and the check of what came of it. */
import { randomBytes } from './data.js';
import { Command, Flag, isError, raw, walkTlvs } from './lwp.js';
import type { LanceNode } from './node.js';
import { batchOf, type RawConnection } from './raw-connection.js';

/** How many frames one producer keeps unacknowledged. */
const IN_FLIGHT = 32;

/** What one producer has sent to its topic over all its lives. Sequence numbers never repeat; nothing is sent again. */
export class SequenceLog {
  /** Sequences that were acknowledged, in order. */
  readonly acknowledged: number[] = [];
  /** Every sequence sent. */
  sent = 0;

  constructor(
    readonly producer: number,
    readonly topic: number,
    /** Values are up to this many bytes. */
    readonly maxBytes: number,
  ) {}

  /** The value of record `sequence`: its name and bytes that follow from it. */
  value(sequence: number): Buffer {
    const size = (sequence * 2_654_435_761) % this.maxBytes;
    return Buffer.concat([
      Buffer.from(`${this.producer}/${sequence}/`),
      randomBytes(this.producer * 1_000_003 + sequence, size),
    ]);
  }
}

/** A producer at work; ends when its connection does or when told. */
export class ProducerLoad {
  private stopping = false;
  readonly done: Promise<void>;

  private constructor(
    private readonly connection: RawConnection,
    private readonly log: SequenceLog,
  ) {
    this.done = this.run();
  }

  static async start(node: LanceNode, log: SequenceLog): Promise<ProducerLoad> {
    return new ProducerLoad(await node.connect(log.producer % 2 === 0 ? 'crc32' : 'crc32c'), log);
  }

  /** No new frames; resolves when those in flight are answered. */
  stop(): Promise<void> {
    this.stopping = true;
    return this.done;
  }

  private async run(): Promise<void> {
    const { connection, log } = this;
    const inFlight: number[] = [];
    try {
      for (;;) {
        while (!this.stopping && inFlight.length < IN_FLIGHT && !connection.isClosed) {
          const sequence = log.sent++;
          inFlight.push(sequence);
          void connection.ingest(log.topic, raw(log.value(sequence)), { batchId: BigInt(sequence) });
        }
        if (inFlight.length === 0) break;
        const frame = await connection.next('an ack');
        const expected = inFlight.shift();
        if (frame.flags === Flag.ack && frame.batchId === BigInt(expected ?? -1))
          log.acknowledged.push(Number(frame.batchId));
        else if (!isError(frame) || batchOf(frame) !== BigInt(expected ?? -1)) {
          throw new Error(
            `producer ${log.producer} expected the answer to ${expected}, got batch ${frame.batchId}`,
          );
        }
      }
    } catch (error) {
      // The end of the connection is what a killed node looks like; anything else is a finding.
      if (!connection.isClosed) throw error;
    } finally {
      connection.close();
    }
  }
}

/**
 * Checks the records of one topic against the logs of its producers: every acknowledged one is there, in order, none
 * twice, none invented. Gives the faults.
 */
export function faultsOf(stream: Buffer, logs: readonly SequenceLog[]): string[] {
  const faults: string[] = [];
  const seen = new Map<number, number[]>(logs.map((log) => [log.producer, []]));
  const byProducer = new Map(logs.map((log) => [log.producer, log]));
  for (const record of walkTlvs(stream)) {
    const name = /^(\d+)\/(\d+)\//.exec(record.value.toString('latin1', 0, 40));
    const log = byProducer.get(Number(name?.[1] ?? -1));
    const sequence = Number(name?.[2] ?? -1);
    if (!log || sequence >= log.sent || !record.value.equals(log.value(sequence))) {
      faults.push(
        `invented: ${record.value.length} bytes at ${record.at}, ${record.value.toString('latin1', 0, 30)}`,
      );
      continue;
    }
    seen.get(log.producer)?.push(sequence);
  }
  for (const log of logs) {
    const stored = seen.get(log.producer) ?? [];
    for (const [index, sequence] of stored.entries()) {
      const before = stored[index - 1] ?? -1;
      if (sequence === before) faults.push(`producer ${log.producer}: ${sequence} is there twice`);
      else if (sequence < before) faults.push(`producer ${log.producer}: ${sequence} stands after ${before}`);
    }
    const there = new Set(stored);
    const missing = log.acknowledged.filter((sequence) => !there.has(sequence));
    if (missing.length > 0) {
      faults.push(
        `producer ${log.producer}: ${missing.length} acknowledged records are missing, the first is ${missing[0]}`,
      );
    }
  }
  return faults;
}

/** Sets a topic to `written`. */
export async function setWritten(connection: RawConnection, topic: number): Promise<void> {
  const id = Buffer.alloc(4);
  id.writeUInt32LE(topic);
  await connection.request(
    Command.setTopic,
    Buffer.concat([id, Buffer.from('{"durability":"written"}')]),
    Command.topicResponse,
  );
}
