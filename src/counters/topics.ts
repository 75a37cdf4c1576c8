/** A topic as the I/O agent shows it in the counters file (docs/formats.md, "Counters", the topics). Offsets and sizes in bytes. */
export interface TopicRow {
  id: number;
  state: 'live' | 'frozen' | 'removing';
  segments: number;
  firstOffset: number;
  firstRecord: number;
  endOffset: number;
  endRecord: number;
  durableOffset: number;
  bytes: number;
  fetchedBytes: number;
  fetchedRecords: number;
  fetches: number;
}

const TABLE_AT = 192;
const STRIDE_AT = 200;
const CAPACITY_AT = 204;
const USED_AT = 208;
const ROW_BYTES = 128;
const STATES = { 1: 'live', 2: 'frozen', 3: 'removing' } as const;

/** Where the table of topics begins and ends as far as it is used; both 0 where the writer keeps none, or the file ends before it. */
export function topicsRange(bytes: Buffer): { from: number; to: number; stride: number } {
  const from = whole(bytes, TABLE_AT);
  const stride = bytes.readUInt32LE(STRIDE_AT);
  const used = Math.min(bytes.readUInt32LE(USED_AT), bytes.readUInt32LE(CAPACITY_AT));
  const to = from + used * stride;
  const none = from === 0 || stride < ROW_BYTES || !Number.isSafeInteger(to) || to > bytes.length;
  return none ? { from: 0, to: 0, stride: 0 } : { from, to, stride };
}

/** The topics in a counters file whose header was judged already; none where the writer keeps no table. */
export function readTopics(bytes: Buffer): TopicRow[] {
  const { from, to, stride } = topicsRange(bytes);
  const rows: TopicRow[] = [];
  for (let at = from; at < to; at += stride) {
    const state = STATES[bytes.readUInt32LE(at) as keyof typeof STATES];
    if (state === undefined) continue;
    rows.push({
      id: bytes.readUInt32LE(at + 4),
      state,
      segments: bytes.readUInt32LE(at + 12),
      firstOffset: whole(bytes, at + 16),
      firstRecord: whole(bytes, at + 24),
      endOffset: whole(bytes, at + 32),
      endRecord: whole(bytes, at + 40),
      durableOffset: whole(bytes, at + 48),
      bytes: whole(bytes, at + 56),
      fetchedBytes: whole(bytes, at + 64),
      fetchedRecords: whole(bytes, at + 72),
      fetches: whole(bytes, at + 80),
    });
  }
  return rows;
}

function whole(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
