import { afterEach, describe, expect, it } from 'vitest';
import { readCounters } from '../../src/counters/index.js';
import { createAdmin } from '../../src/server/admin.js';
import { Health } from '../../src/server/health.js';
import { TOPICS_SHOWN, topicMetrics } from '../../src/server/topic-metrics.js';
import { makeCounters } from '../support/counters.js';
import { EMPTY } from '../support/fake-engine.js';
import { openCatalogue } from './support.js';

type Admin = ReturnType<typeof createAdmin>;
const open: Admin[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});

/** When these tests take place, ms since 1970. */
const NOW_MS = 1_700_000_100_000;

async function admin(heartbeatNs = BigInt(NOW_MS) * 1_000_000n) {
  const { catalogue, engine } = await openCatalogue(undefined, 1_000);
  const state: { disk?: { message: string; sinceAt: number }; unreadable?: boolean } = {};
  const counters = makeCounters(
    [
      {
        key: 1,
        kind: 1,
        unit: 0,
        name: 'frames_in',
        label: 'agent=net-0',
        help: 'Frames received',
        value: 5n,
      },
      {
        key: 3,
        kind: 1,
        unit: 1,
        name: 'bytes_in',
        label: 'agent=net-0',
        help: 'Bytes received',
        value: 2048n,
      },
      { key: 20, kind: 2, unit: 1, name: 'inflight_bytes', help: 'Bytes in flight', value: 7n },
      {
        key: 404,
        kind: 3,
        unit: 2,
        name: 'stage_receive_ack',
        help: 'To ack',
        counted: [1_500, 900_000, 900_000],
      },
    ],
    { heartbeatNs, pid: 11 },
  );
  const read = async () => {
    if (state.unreadable) throw new Error('no such file');
    return readCounters(counters);
  };
  const health = new Health({ counters: read, catalogue, disk: () => state.disk, clock: () => NOW_MS });
  const app = createAdmin({
    version: '0.1.0',
    nodeId: 3,
    engine,
    catalogue,
    counters: read,
    health,
    freeDisk: () => 123,
    top: async () => ({}),
  });
  open.push(app);
  const get = async (url: string) => {
    const { statusCode, body, headers } = await app.inject({ method: 'GET', url });
    return { status: statusCode, body, type: String(headers['content-type']) };
  };
  return { app, catalogue, engine, state, health, get };
}

describe('the admin endpoint', () => {
  it('is healthy while the engine lives, and says since when it does not', async () => {
    expect(await (await admin()).get('/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}\n' });
    const { get } = await admin(BigInt(NOW_MS - 60_000) * 1_000_000n);
    const hangs = {
      code: 'ENGINE_HANGS',
      message: "the engine's last heartbeat is 60 s old",
      sinceAt: NOW_MS / 1000 - 55,
    };
    const stale = await get('/healthz');
    expect(stale.status).toBe(503);
    expect(JSON.parse(stale.body)).toEqual({ status: 'failing', reasons: [hangs] });
    expect(JSON.parse((await get('/readyz')).body)).toEqual({ ready: false, reasons: [hangs], warnings: [] });
    expect((await get('/metrics')).body).toContain('lance_conditions{code="ENGINE_HANGS"} 1\n');
  });

  it('is ready, or says what is wrong and since when', async () => {
    const { get, state, health, catalogue } = await admin();
    await catalogue.create('a');
    expect((await get('/readyz')).body).toBe('{"ready":true,"reasons":[],"warnings":[]}\n');
    health.hear({ event: 'topicFrozen', topic: 1, offset: 5n, errno: 5, what: 'flush' });
    health.hear({ event: 'damageFound', topic: 1, offset: 9n });
    const warned = await get('/readyz');
    expect(warned.status).toBe(200);
    expect(JSON.parse(warned.body).warnings).toEqual([
      { code: 'TOPIC_FROZEN', message: 'topic a is frozen and takes no writes', sinceAt: NOW_MS / 1000 },
      {
        code: 'DAMAGE',
        message: 'topic a has damaged bytes, last met at offset 9',
        sinceAt: NOW_MS / 1000,
      },
    ]);
    state.disk = { message: 'writes are refused: 1 MiB is free', sinceAt: 1_700_000_000 };
    health.hear({ event: 'journalFailed', errno: 5, what: 'write' });
    health.draining();
    const { status, body } = await get('/readyz');
    expect(status).toBe(503);
    const { ready, reasons } = JSON.parse(body);
    expect(ready).toBe(false);
    expect(reasons.map(({ code }: { code: string }) => code).sort()).toEqual([
      'DISK_FULL',
      'DRAINING',
      'JOURNAL_FAILED',
    ]);
    expect(reasons).toContainEqual({ code: 'DISK_FULL', ...state.disk });
    expect((await get('/metrics')).body).toContain('lance_ready 0\n');
    delete state.disk;
    expect((await get('/readyz')).body).not.toContain('DISK_FULL');
  });

  it('forgets what was wrong with a topic when the topic is gone', async () => {
    const { get, health, catalogue } = await admin();
    const { id } = await catalogue.create('a');
    health.frozen(id);
    expect((await get('/readyz')).body).toContain('TOPIC_FROZEN');
    await catalogue.delete(id);
    expect((await get('/readyz')).body).not.toContain('TOPIC_FROZEN');
  });

  it('goes on without its counters and says that they cannot be read', async () => {
    const { get, state } = await admin();
    state.unreadable = true;
    expect((await get('/healthz')).status).toBe(503);
    const { status, body } = await get('/metrics');
    expect(status).toBe(200);
    expect(body).toContain('lance_conditions{code="COUNTERS_UNREADABLE"} 1\n');
    state.unreadable = false;
    expect((await get('/readyz')).status).toBe(200);
  });

  it('gives a bounded number of topics series of their own, and what the last consumer lacks', async () => {
    const { get, catalogue, engine } = await admin();
    for (let i = 1; i <= TOPICS_SHOWN + 4; i += 1) await catalogue.create(`t${i}`);
    engine.descriptions.set(1, { ...EMPTY, endOffset: 500n, endRecord: 4n, bytes: 900n, segments: 2 });
    engine.commits.set(1, [
      { consumer: 1n, offset: 100n, at: 1 },
      { consumer: 2n, offset: 490n, at: 1 },
    ]);
    const lines = (await get('/metrics')).body.split('\n');
    for (const line of [
      'lance_topic_appended_bytes_total{topic="t1"} 500',
      'lance_topic_appended_records_total{topic="t1"} 4',
      'lance_topic_stored_bytes{topic="t1"} 900',
      'lance_topic_segments{topic="t1"} 2',
      'lance_topic_frozen{topic="t1"} 0',
      'lance_topic_consumers{topic="t1"} 2',
      'lance_topic_consumer_lag_max_bytes{topic="t1"} 400',
      'lance_topics_unlisted 5',
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.filter((line) => line.startsWith('lance_topic_segments{'))).toHaveLength(TOPICS_SHOWN);
  });

  it('answers a scrape without the topics of an engine that does not answer', async () => {
    const { catalogue, engine } = await admin();
    engine.before = () => new Promise<void>(() => {});
    expect(await topicMetrics({ catalogue, engine }, 10)).toContain('\nlance_topics_unlisted 1\n');
  });

  it('gives the counters as JSON, with quantiles', async () => {
    const { body } = await (await admin()).get('/v1/counters');
    const document = JSON.parse(body);
    expect(document.pid).toBe(11);
    expect(document.counters[0]).toEqual({
      name: 'frames_in',
      labels: { agent: 'net-0' },
      kind: 'counter',
      unit: 'count',
      value: 5,
    });
    expect(document.counters[3]).toMatchObject({ kind: 'histogram', count: 3, sum: 1_801_500, max: 900_000 });
    expect(Math.abs(document.counters[3].p50 - 900_000)).toBeLessThan(9_000);
  });

  it('gives metrics in the text format of Prometheus, with units in the names', async () => {
    const { body, type } = await (await admin()).get('/metrics');
    expect(type).toContain('text/plain');
    const lines = body.split('\n');
    for (const line of [
      '# HELP lance_frames_in_total Frames received',
      '# TYPE lance_frames_in_total counter',
      'lance_frames_in_total{agent="net-0"} 5',
      'lance_bytes_in_total{agent="net-0"} 2048',
      'lance_inflight_bytes 7',
      '# TYPE lance_stage_receive_ack_seconds histogram',
      'lance_stage_receive_ack_seconds_bucket{le="0.000001"} 0',
      'lance_stage_receive_ack_seconds_bucket{le="0.000002"} 1',
      'lance_stage_receive_ack_seconds_bucket{le="0.001"} 3',
      'lance_stage_receive_ack_seconds_bucket{le="10"} 3',
      'lance_stage_receive_ack_seconds_bucket{le="+Inf"} 3',
      'lance_stage_receive_ack_seconds_sum 0.0018015',
      'lance_stage_receive_ack_seconds_count 3',
      'lance_ready 1',
      'lance_disk_free_bytes 123',
      'lance_build_info{version="0.1.0",node_id="3"} 1',
    ]) {
      expect(lines).toContain(line);
    }
    const types = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ')[2]);
    expect(new Set(types).size).toBe(types.length);
  });

  it('lists topics and describes one', async () => {
    const { get, catalogue, engine } = await admin();
    await catalogue.create('a', { maxAgeSecs: 5n, maxBytes: 0n });
    engine.descriptions.set(1, { ...EMPTY, endOffset: 2n ** 60n, segments: 2 });
    const { topics } = JSON.parse((await get('/v1/topics')).body);
    expect(topics.map((topic: { name: string }) => topic.name)).toEqual(['default', 'a']);
    expect(topics[1]).toEqual({
      id: 1,
      name: 'a',
      createdAt: 1_700_000_000,
      retention: { maxAgeSecs: 5, maxBytes: 0 },
      durability: 'durable',
    });
    expect((await get('/v1/topics/a')).body).toContain('"endOffset":1152921504606846976');
  });

  it('gives the committed offsets of a topic and how far each is behind', async () => {
    const { get, catalogue, engine } = await admin();
    await catalogue.create('a');
    engine.descriptions.set(1, { ...EMPTY, endOffset: 500n });
    engine.commits.set(1, [
      { consumer: 2n ** 64n - 1n, offset: 100n, at: 1_700_000_001 },
      { consumer: 5n, offset: 600n, at: 1_700_000_002 },
    ]);
    expect(JSON.parse((await get('/v1/topics/a/consumers')).body)).toEqual({
      consumers: [
        { id: '18446744073709551615', offset: 100, lag: 400, committedAt: 1_700_000_001 },
        { id: '5', offset: 600, lag: 0, committedAt: 1_700_000_002 },
      ],
    });
  });

  it('answers what it has not with 404 and one shape of error', async () => {
    const { get } = await admin();
    for (const url of ['/v1/topics/none', '/v1/topics/none/consumers', '/nothing', '/v1/topics/..%2f..']) {
      const { status, body } = await get(url);
      expect(status, url).toBe(404);
      expect(JSON.parse(body).error.message).toMatch(/^There is no /);
    }
  });
});
