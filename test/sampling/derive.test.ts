import { describe, expect, it } from 'vitest';
import { derive, type RawSample, type Reading } from '../../src/sampling/index.js';
import { type MadeNumber, sampleAt, topicOf } from '../support/samples.js';

const seen = (sample: RawSample) => ({ kind: 'sample', sample, presence: 'serving', notes: [] }) as const;

/** A core that the host takes a share of. */
const coreOf = (cpu: number, steal: number) => ({ cpu, busy: 1, user: 0.5, system: 0, irq: 0, steal });

/** The reading between two looks. */
function between(before: RawSample, now: RawSample): Reading {
  const first = derive('n', seen(before), undefined, undefined);
  return derive('n', seen(now), before, first);
}

describe('a reading between two looks', () => {
  it('has rates a second, over all labels, from the time that lies between', () => {
    const at = (ms: number, frames: readonly [number, number]) =>
      sampleAt(ms, {
        numbers: [
          ['ingest_frames', 'agent=a', frames[0]],
          ['ingest_frames', 'agent=b', frames[1]],
        ],
      });
    const reading = between(at(10_000, [100, 5]), at(12_500, [150, 5]));
    expect(reading.seconds).toBe(2.5);
    expect(reading.ingest.frames).toBe(20);
  });

  it('has no rates at the first look, and distributions since the start', () => {
    const sample = sampleAt(1_000, { numbers: [['acks', '', 9]], histograms: { stage_receive_ack: [7, 9] } });
    const reading = derive('n', seen(sample), undefined, undefined);
    expect(reading).toMatchObject({
      seconds: 0,
      ingest: { acks: 0 },
      latency: { ack: { count: 2, max: 9 } },
    });
  });

  it('begins anew after a restart, which it tells, although counters are smaller', () => {
    const before = sampleAt(1_000, {
      numbers: [['acks', '', 1_000]],
      topics: [topicOf(1, { endOffset: 50 })],
    });
    const now = sampleAt(2_000, {
      numbers: [['acks', '', 3]],
      startNs: 2_000_000_000n,
      topics: [topicOf(1, { endOffset: 60 })],
    });
    const reading = between(before, now);
    expect(reading.ingest.acks).toBe(0);
    expect(reading.topics[0]?.bytes).toBe(0);
    expect(reading.events.map(({ text }) => text)).toEqual(['the node was restarted (process 5)']);
  });

  it('takes a counter that went back within one life for one that stood still', () => {
    const reading = between(
      sampleAt(1_000, { numbers: [['acks', '', 10]] }),
      sampleAt(2_000, { numbers: [['acks', '', 4]] }),
    );
    expect(reading.ingest.acks).toBe(0);
  });

  it('is whole where a counters file lacks keys, and without any counters', () => {
    const reading = between(sampleAt(1_000), sampleAt(2_000));
    expect(reading).toMatchObject({ agents: [], stages: [], latency: { ack: null }, slabs: [] });
    const none = { ...sampleAt(3_000), counters: undefined };
    expect(derive('n', seen(none), undefined, undefined).node.pid).toBeNull();
  });

  it('counts quantiles of the interval alone', () => {
    const early = Array.from({ length: 1_000 }, () => 200);
    const late = Array.from({ length: 100 }, (_, i) => i + 1);
    const { latency } = between(
      sampleAt(1_000, { histograms: { stage_receive_ack: early } }),
      sampleAt(2_000, { histograms: { stage_receive_ack: [...early, ...late] } }),
    );
    expect(latency.ack).toMatchObject({ count: 100, p50: 50, p99: 99, p999: 100, max: 100, mean: 50.5 });
  });

  it('knows how much an agent does, and what waits for it', () => {
    const at = (ms: number, [busy, idle, busyMs]: readonly [number, number, number]) => {
      const numbers: MadeNumber[] = [
        ['agent_busy_cycles', 'runner=r,agent=io', busy],
        ['agent_idle_cycles', 'runner=r,agent=io', idle],
        ['agent_busy', 'runner=r,agent=io', busyMs * 1e6],
        ['thread_cpu', 'runner=r', 3],
        ['queue_depth', 'queue=ingest-io', 4],
        ['queue_depth', 'queue=keeper-io', 2],
        ['queue_depth', 'queue=io-keeper', 9],
      ];
      return sampleAt(ms, { numbers });
    };
    const [agent] = between(at(1_000, [0, 0, 0]), at(2_000, [80, 20, 250])).agents;
    expect(agent).toMatchObject({
      agent: 'io',
      cpu: 3,
      busy: 0.8,
      utilisation: 0.25,
      cycles: 100,
      queued: 6,
    });
  });

  it('averages what the host takes of the CPUs, and warns of it when it lasts', () => {
    const at = (ms: number, steal: number) =>
      sampleAt(ms, {
        machine: { cores: [coreOf(0, steal), coreOf(1, 0)], irqs: [], threads: [], disk: undefined },
      });
    const looks = [
      at(1_000, 0.9),
      at(2_000, 0),
      at(3_000, 0.2),
      ...[4, 5, 6, 7, 8, 9].map((s) => at(s * 1_000, 0.2)),
    ];
    const readings: Reading[] = [];
    for (const [i, now] of looks.entries())
      readings.push(derive('n', seen(now), looks[i - 1], readings.at(-1)));
    expect(readings[0]?.machine?.stolen).toBeNull();
    expect(readings[1]?.machine?.stolen).toBe(0);
    expect(readings[2]?.machine?.stolen).toBeCloseTo(0.1 * (1 - Math.exp(-0.1)));
    expect(readings[2]?.health.level).toBe('ok');
    const last = readings.at(-1);
    expect(last?.machine?.stolen).toBeLessThan(0.1);
    expect(last?.health).toMatchObject({ level: 'warning', reasons: [expect.stringMatching(/steal/)] });
  });

  it('warns of memory that ran out, not of memory that keeps the newest records', () => {
    const at = (ms: number, exhausted: number) =>
      sampleAt(ms, {
        numbers: [
          ['slabs_total', 'pool=topics,class=4096', 8],
          ['slabs_used', 'pool=topics,class=4096', 8],
          ['slabs_exhausted', 'pool=topics', ms],
          ['slab_pressure', 'pool=topics', exhausted],
        ],
      });
    expect(between(at(1_000, 5), at(2_000, 5)).health).toEqual({ level: 'ok', reasons: [] });
    expect(between(at(1_000, 5), at(2_000, 9)).health).toEqual({
      level: 'warning',
      reasons: ['memory ran out: no topics slab was free (limits.topic_slabs)'],
    });
  });

  it('gives each topic its own rates, and tells which came and went', () => {
    const before = sampleAt(1_000, {
      topics: [topicOf(1, { endOffset: 100, endRecord: 1, fetchedBytes: 10 }), topicOf(2)],
    });
    const now = sampleAt(3_000, {
      topics: [topicOf(1, { endOffset: 300, endRecord: 5, fetchedBytes: 40 }), topicOf(3)],
    });
    const { topics, topicCount, events } = between(before, now);
    expect(topics[0]).toMatchObject({ bytes: 100, records: 2, fetchedBytes: 15 });
    expect(topicCount).toBe(2);
    expect(events.map(({ text }) => text)).toEqual([
      'topic topic-3 was created',
      'topic topic-2 was deleted',
    ]);
    const many = sampleAt(4_000, { topics: Array.from({ length: 50 }, (_, i) => topicOf(10 + i)) });
    expect(between(before, many).events[0]?.text).toBe('50 topics were created');
  });

  it('has each event of the node once, in the order of their times', () => {
    const event = (number: number, atMs: number, text: string) =>
      ({ number, atMs, level: 'info', text }) as const;
    const before = sampleAt(1_000, {
      events: [event(0, 500, 'old')],
      engineEvents: [event(7, 600, 'older rotation')],
    });
    const now = sampleAt(2_000, {
      events: [event(0, 500, 'old'), event(1, 1_800, 'control')],
      engineEvents: [event(7, 600, 'older rotation'), event(8, 1_500, 'rotation')],
    });
    expect(between(before, now).events.map(({ text }) => text)).toEqual(['rotation', 'control']);
  });

  it('keeps what is known of a node out of reach and says why, once as an event', () => {
    const first = derive('n', seen(sampleAt(10_000)), undefined, undefined);
    const gone = { kind: 'unreachable', atMs: 13_000, reason: 'connection refused' } as const;
    const second = derive('n', gone, undefined, first);
    expect(second.node).toMatchObject({ presence: 'unreachable', nodeId: 1, pid: 5 });
    expect(second.health.reasons).toEqual([
      'cannot be reached: connection refused, last seen 3 s ago; trying again',
    ]);
    expect(second.events).toHaveLength(1);
    expect(derive('n', { ...gone, atMs: 14_000 }, undefined, second).events).toEqual([]);
  });
});
