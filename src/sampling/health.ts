import type { Readiness } from './raw.js';
import type { Health, Reading } from './reading.js';

type Judged = Omit<Reading, 'health' | 'events'>;

/** What an operator should know first. Failing: something does not work. Warning: something is scarce or near its end. */
export function healthOf(
  reading: Judged,
  { readiness, notes }: { readiness: Readiness | undefined; notes: readonly string[] },
): Health {
  const failing = [
    ...absent(reading),
    ...broken(reading),
    ...(readiness?.ready === false ? readiness.reasons : []),
  ];
  const frozenSaid = reading.trouble.topicsFrozen > 0;
  const warnings = [
    ...scarce(reading),
    ...notes,
    ...(readiness?.warnings ?? []).filter((warning) => !(frozenSaid && / is frozen/.test(warning))),
  ];
  if (failing.length > 0) return { level: 'failing', reasons: [...failing, ...warnings] };
  return warnings.length > 0 ? { level: 'warning', reasons: warnings } : { level: 'ok', reasons: [] };
}

function absent({ node, sampledAt }: Judged): string[] {
  const ago = node.lastSeenAt === null ? '' : `last seen ${span(sampledAt - node.lastSeenAt)} ago`;
  switch (node.presence) {
    case 'gone':
      return [`${ago}, process gone`];
    case 'stopped':
      return [`not running, ${ago}`];
    case 'hanging':
      return [`${ago}, process ${node.pid} is there: no heartbeat of the data plane`];
    default:
      return [];
  }
}

function broken({ trouble, topics }: Judged): string[] {
  const frozen = topics.filter((topic) => topic.state === 'frozen').map((topic) => topic.name);
  const named =
    frozen.length > 0 ? ` (${frozen.slice(0, 3).join(', ')}${frozen.length > 3 ? ', ...' : ''})` : '';
  const { topicsFrozen: count, deviceErrors, damagedReads } = trouble;
  return [
    ...(count > 0
      ? [`${plural(count, 'topic')} frozen${named}: no writes until a restart; check the disk`]
      : []),
    ...(deviceErrors > 0 ? [`${plural(deviceErrors, 'device operation')} failed since the start`] : []),
    ...(damagedReads > 0
      ? [`${plural(damagedReads, 'read')} met damaged bytes since the start: lance segment verify`]
      : []),
  ];
}

/** Which limit gives a pool its slabs. */
const SLABS: Readonly<Record<string, string>> = {
  topics: 'limits.topic_slabs',
  frames: 'limits.frame_slabs',
  responses: 'limits.response_slabs',
};

/** Share of the machine's CPU time that the host may take before it is said. */
const STOLEN = 0.05;

function scarce({ network, slabs, cluster, queues, machine }: Judged): string[] {
  // That all are lent out is no trouble: those that only keep the newest records in memory are given back when they are wanted.
  const wanting = [...new Set(slabs.filter((slab) => slab.wanting > 0).map(({ pool }) => pool))];
  return [
    ...(network.refused > 0
      ? [`connections are refused (${Math.ceil(network.refused)}/s): limits.connections`]
      : []),
    ...(network.paused > 0 ? [`backpressure: ${plural(network.paused, 'connection')} not read`] : []),
    ...wanting.map((pool) => `memory ran out: no ${pool} slab was free (${SLABS[pool] ?? 'limits'})`),
    ...queues.filter((queue) => queue.full > 0).map(({ queue }) => `queue ${queue} is full`),
    ...((machine?.stolen ?? 0) >= STOLEN
      ? [
          `the host takes ${Math.round((machine?.stolen ?? 0) * 100)}% of the CPU time (steal): lance topology`,
        ]
      : []),
    ...(cluster?.peers ?? []).filter((peer) => peer.evicted).map((peer) => `node ${peer.id} is evicted`),
  ];
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** `12 s`, `5 min`, `3 h`, `2 d`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7_200) return `${Math.round(whole / 60)} min`;
  if (whole < 172_800) return `${Math.round(whole / 3_600)} h`;
  return `${Math.round(whole / 86_400)} d`;
}
