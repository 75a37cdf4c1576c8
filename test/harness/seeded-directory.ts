/** A data directory full of known records, made once by a real node and copied for each test that spoils it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { rawRecords } from './data.js';
import {
  Command,
  decodeError,
  decodeFetched,
  type ErrorCode,
  fetchPayload,
  isError,
  type WireError,
} from './lwp.js';
import { type LanceNode, type NodeOptions, startNode } from './node.js';
import type { RawConnection } from './raw-connection.js';
import { tempDir } from './temp.js';

/** The smallest segments and journal chunks, so that a few MiB rotate and recycle them several times. */
export const SMALL_SEGMENTS = '[segment]\nmax_bytes = "1MiB"\n[journal]\nchunk_bytes = "4MiB"\n';

/** Topics of a seeded directory: one with several sealed segments, two small ones. */
export const SEEDED_TOPICS = ['rotated', 'small', 'bystander'] as const;
export type SeededTopic = (typeof SEEDED_TOPICS)[number];

export interface SeededTopicData {
  readonly id: number;
  /** TLVs, in the order in which they were acknowledged. */
  readonly records: readonly Buffer[];
  readonly stream: Buffer;
}

export interface SeededDirectory {
  readonly dataDir: string;
  readonly topics: Readonly<Record<SeededTopic, SeededTopicData>>;
}

async function produce(
  connection: RawConnection,
  name: string,
  records: readonly Buffer[],
): Promise<SeededTopicData> {
  const id = await connection.createTopic(name);
  const group = 50;
  let batch = 0n;
  for (let at = 0; at < records.length; at += group) {
    const slice = records.slice(at, at + group);
    await connection.ingestAcked(id, Buffer.concat(slice), { batchId: ++batch, recordCount: slice.length });
  }
  return { id, records, stream: Buffer.concat(records) };
}

/** Fills the topics of a running node: about 4.5 MiB in `rotated`, 60 KiB in each of the others. */
export async function seed(node: LanceNode): Promise<SeededDirectory> {
  const connection = await node.connect();
  try {
    const topics = {
      rotated: await produce(connection, 'rotated', rawRecords(101, 9_000, 1_000)),
      small: await produce(connection, 'small', rawRecords(102, 600)),
      bystander: await produce(connection, 'bystander', rawRecords(103, 600)),
    };
    return { dataDir: node.dataDir, topics };
  } finally {
    connection.close();
  }
}

/** Seeds a fresh directory; `end` says how its node goes: drained, or killed with everything acknowledged. */
export async function seededDirectory(
  end: 'drained' | 'killed',
  options: NodeOptions = { config: SMALL_SEGMENTS },
): Promise<SeededDirectory> {
  const node = await startNode(options);
  const seeded = await seed(node);
  if (end === 'drained') await node.stop();
  else await node.kill();
  return seeded;
}

/** Copies a data directory; blocks of zeros, of which preallocated files are full, become holes. */
export function copyDirectory(from: string, to: string): void {
  const copy = spawnSync('cp', ['-a', '--sparse=always', from, to], { encoding: 'utf8' });
  if (copy.status !== 0) throw new Error(`cp: ${copy.stderr}`);
}

/** A copy of the directory, to be spoiled. */
export function copyOf(seeded: SeededDirectory): SeededDirectory {
  const dataDir = join(tempDir('lance-copy'), 'data');
  copyDirectory(seeded.dataDir, dataDir);
  return { ...seeded, dataDir };
}

/** What came of reading a topic from its first offset to its end, damage and all. */
export interface ReadThrough {
  /** Records that were given back. */
  readonly records: number;
  /** Errors on the way, with the offset asked for. */
  readonly errors: ReadonlyArray<WireError & { readonly offset: bigint }>;
  /** Where an answer was not what had been produced; must be empty whatever happened to the disk. */
  readonly wrong: readonly bigint[];
}

/**
 * Reads a topic record by record offset, comparing with what was produced; after an error it goes on at the next
 * record's offset, so that everything that can still be read is read.
 */
export async function readThrough(connection: RawConnection, topic: SeededTopicData): Promise<ReadThrough> {
  const errors: Array<WireError & { offset: bigint }> = [];
  const wrong: bigint[] = [];
  const starts = offsetsOf(topic.records);
  let records = 0;
  let index = 0;
  while (index < topic.records.length) {
    const offset = starts[index] as bigint;
    const ask = (maxBytes: number) =>
      connection.exchange(Command.fetch, fetchPayload(topic.id, offset, maxBytes));
    let frame = await ask(256 * 1024);
    // A large answer may reach into damage behind this record: what counts is whether the record itself is given.
    if (isError(frame)) frame = await ask(0);
    if (isError(frame)) {
      errors.push({ ...decodeError(frame), offset });
      index += 1;
      continue;
    }
    const { data, nextOffset, records: count } = decodeFetched(frame.payload);
    if (data.length === 0) break;
    const at = Number(offset);
    if (
      !data.equals(topic.stream.subarray(at, at + data.length)) ||
      nextOffset !== offset + BigInt(data.length)
    ) {
      wrong.push(offset);
      break;
    }
    records += count;
    index += count;
  }
  return { records, errors, wrong };
}

/** The offset of every record. */
export function offsetsOf(records: readonly Buffer[]): bigint[] {
  let offset = 0n;
  return records.map((record) => {
    const start = offset;
    offset += BigInt(record.length);
    return start;
  });
}

/** Error codes met, each once. */
export function codesOf(
  errors: readonly WireError[],
): Array<(typeof ErrorCode)[keyof typeof ErrorCode] | number> {
  return [...new Set(errors.map((error) => error.code))];
}
