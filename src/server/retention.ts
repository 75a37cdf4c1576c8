import type { Description, Position, Retention } from '../engine/index.js';

/** A segment file of a topic, as its name tells (formats.md, "Files"). */
export interface SegmentFile {
  baseOffset: bigint;
  startNs: bigint;
  /** Timestamp of the last record; undefined while the segment is active. */
  endNs: bigint | undefined;
  /** Bytes of the file; of an active one fill is included. */
  bytes: bigint;
}

/** What is to be done with a topic now. */
export interface RetentionPlan {
  /** The active segment is to be sealed, so that it can go later. */
  seal: boolean;
  /** Sealed segments that end at or below this offset may go. */
  belowOffset: bigint | undefined;
  /** Set when no batch is left after that: to be durable in metadata.json before. */
  resume: Position | undefined;
}

/** An active segment is not sealed for its size before it has grown to this: tiny segments help nobody. */
const SMALLEST_SEGMENT = 2n ** 20n;

const NAME = /^(\d{20})_\d{20}_(\d+)(?:-(\d+))?\.lnc$/;

/** What the name of a segment file says; undefined when it is no segment's. */
export function parseSegmentName(name: string): Omit<SegmentFile, 'bytes'> | undefined {
  const match = NAME.exec(name);
  if (!match?.[1] || !match[2]) return undefined;
  return {
    baseOffset: BigInt(match[1]),
    startNs: BigInt(match[2]),
    endNs: match[3] === undefined ? undefined : BigInt(match[3]),
  };
}

/**
 * Decides what of a topic may go at `nowNs`: by age what ended longer ago than `maxAgeSecs`; by size the oldest sealed
 * segments while all of them together are over `maxBytes`, but never the newest one. Only whole segments go, oldest
 * first. `segments` were listed after the engine gave `description`.
 */
export function planRetention(
  retention: Retention,
  segments: readonly SegmentFile[],
  description: Description,
  nowNs: bigint,
): RetentionPlan {
  const ordered = [...segments].sort((a, b) => (a.baseOffset < b.baseOffset ? -1 : 1));
  const sealed = ordered.filter(({ endNs }) => endNs !== undefined);
  const active = ordered.find(({ endNs }) => endNs === undefined);
  const oldest = nowNs - retention.maxAgeSecs * 1_000_000_000n;
  const aged = retention.maxAgeSecs > 0n;
  const sized = retention.maxBytes > 0n;

  let going = 0;
  if (aged) while (going < sealed.length && (sealed[going]?.endNs ?? nowNs) < oldest) going += 1;
  if (sized) {
    const kept = (from: number) => description.bytes - sum(sealed.slice(0, from));
    const most = active ? sealed.length : sealed.length - 1;
    while (going < most && kept(going) > retention.maxBytes) going += 1;
  }

  const activeBytes = active ? description.bytes - sum(sealed) : 0n;
  const half = retention.maxBytes / 2n;
  const largeEnough = activeBytes >= (half > SMALLEST_SEGMENT ? half : SMALLEST_SEGMENT);
  const seal = active !== undefined && ((aged && active.startNs < oldest) || (sized && largeEnough));

  return { seal, ...removal(going, sealed, active, description) };
}

/** The offset below which the first `going` sealed segments lie, and what must be kept when they are all there is. */
function removal(
  going: number,
  sealed: readonly SegmentFile[],
  active: SegmentFile | undefined,
  { next }: Description,
): Pick<RetentionPlan, 'belowOffset' | 'resume'> {
  const nothing = { belowOffset: undefined, resume: undefined };
  if (going === 0) return nothing;
  const following = going < sealed.length ? sealed[going] : active;
  if (following) return { belowOffset: following.baseOffset, resume: undefined };
  // The last batch goes. Only if nothing came after it yet does the topic go on where that segment ends.
  const last = sealed[going - 1];
  if (last?.endNs === timestampOf(next)) return { belowOffset: next.offset, resume: next };
  const before = sealed.length > 1 ? last : undefined;
  return before ? { belowOffset: before.baseOffset, resume: undefined } : nothing;
}

/** The timestamp in a sort key of 32 hexadecimal digits, ns. */
function timestampOf({ key }: Position): bigint {
  return BigInt(`0x${key.slice(0, 16)}`);
}

function sum(segments: readonly SegmentFile[]): bigint {
  return segments.reduce((total, { bytes }) => total + bytes, 0n);
}
