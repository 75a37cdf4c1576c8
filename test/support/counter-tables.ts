/** A topic's row of a hand-made counters file: id, state, then the twelve numbers from byte 8 on. */
export type MadeTopic = readonly [id: number, state: number, ...numbers: number[]];
/** Topic, consumer, offset, seconds. */
export type MadeCommit = readonly [topic: number, consumer: bigint, offset: number, atS: number];
/** An event. */
export interface MadeEvent {
  number: number;
  atNs?: bigint;
  kind: number;
  topic?: number;
  numbers?: readonly [number, number, number];
  text?: string;
}

/** Appends tables to a hand-made counters file, from docs/formats.md and without any of the code under test. */
export function withTables(
  file: Buffer,
  {
    topics = [],
    commits = [],
    events = [],
  }: { topics?: readonly MadeTopic[]; commits?: readonly MadeCommit[]; events?: readonly MadeEvent[] },
): Buffer {
  const at = { topics: file.length, commits: 0, events: 0 };
  at.commits = at.topics + (topics.length + 2) * 128;
  at.events = at.commits + (commits.length + 2) * 32;
  const out = Buffer.concat([file, Buffer.alloc(at.events - file.length + (events.length + 2) * 160)]);
  const head = (field: number, position: number, rows: number, rowBytes: number): void => {
    out.writeBigUInt64LE(BigInt(position), field);
    out.writeUInt32LE(rows, field + 8);
    out.writeUInt32LE(rowBytes, field + 12);
  };
  head(192, at.topics, topics.length + 2, 128);
  head(208, at.commits, commits.length + 2, 32);
  head(224, at.events, events.length + 2, 160);
  out.writeBigUInt64LE(BigInt(out.length), 72);
  // The first row of each table is nobody's.
  for (const [i, [id, state, ...numbers]] of topics.entries()) {
    const row = at.topics + (i + 1) * 128;
    out.writeUInt32LE(id, row);
    out.writeUInt32LE(state, row + 4);
    for (const [j, value] of numbers.entries()) out.writeBigUInt64LE(BigInt(value), row + 8 + j * 8);
  }
  for (const [i, [topic, consumer, offset, atS]] of commits.entries()) {
    const row = at.commits + (i + 1) * 32;
    out.writeUInt32LE(topic, row);
    out.writeBigUInt64LE(consumer, row + 8);
    out.writeBigUInt64LE(BigInt(offset), row + 16);
    out.writeBigUInt64LE(BigInt(atS), row + 24);
  }
  for (const [i, event] of events.entries()) {
    const row = at.events + (i + 1) * 160;
    out.writeBigUInt64LE(BigInt(event.number), row);
    out.writeBigUInt64LE(event.atNs ?? 5_000_000n, row + 8);
    out.writeUInt32LE(event.kind, row + 16);
    out.writeUInt32LE(event.topic ?? 0, row + 20);
    for (const [j, value] of (event.numbers ?? []).entries()) {
      out.writeBigUInt64LE(BigInt(value), row + 24 + j * 8);
    }
    const text = Buffer.from(event.text ?? '');
    out.writeBigUInt64LE(BigInt(text.length), row + 48);
    text.copy(out, row + 56);
  }
  return out;
}
