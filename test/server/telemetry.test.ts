/** `telemetry.otlp_endpoint`: what a collector on this machine receives from a node. */

import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { metricData } from '../../src/server/telemetry/metric-data.js';
import { ROOT, runLance, runServeExpectingExit, startNode } from '../harness/node.js';
import { freePort } from '../harness/ports.js';

interface Value {
  stringValue?: string;
  intValue?: number;
}
interface Point {
  attributes: { key: string; value: Value }[];
  asDouble?: number;
  asInt?: number;
  count?: number;
  sum?: number;
  bucketCounts?: number[];
  explicitBounds?: number[];
}
interface Metric {
  name: string;
  unit: string;
  description: string;
  sum?: { dataPoints: Point[]; isMonotonic: boolean; aggregationTemporality: number };
  gauge?: { dataPoints: Point[] };
  histogram?: { dataPoints: Point[]; aggregationTemporality: number };
}
interface Export {
  resourceMetrics: {
    resource: { attributes: { key: string; value: Value }[] };
    scopeMetrics: { metrics: Metric[] }[];
  }[];
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A collector; `answer` false leaves every export without one. */
async function collector(port = 0, answer = true) {
  const received: { path: string; headers: Record<string, unknown>; body: Export }[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(parts).toString()) as Export;
      received.push({ path: request.url ?? '', headers: request.headers, body });
      if (answer) response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  servers.push(server);
  const address = server.address() as { port: number };
  return { port: address.port, url: `http://127.0.0.1:${address.port}`, received };
}

const metricsOf = (body: Export): Metric[] =>
  body.resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics }) => metrics);
const valueAt = (metric: Metric | undefined, attributes: Record<string, string>): number | undefined => {
  const points = metric?.sum?.dataPoints ?? metric?.gauge?.dataPoints ?? [];
  const wanted = points.find(({ attributes: own }) =>
    Object.entries(attributes).every(([key, text]) =>
      own.some((one) => one.key === key && one.value.stringValue === text),
    ),
  );
  return wanted?.asDouble ?? wanted?.asInt;
};
const telemetry = (url: string, more = '') =>
  `[telemetry]\notlp_endpoint = "${url}"\notlp_interval = "1s"\n${more}`;

async function until(done: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !done(); waited++) {
    if (waited > 2_000) throw new Error(`never: ${what}`);
    await sleep(50);
  }
}

describe('a node with telemetry.otlp_endpoint', { timeout: 240_000 }, () => {
  it('sends every metric of /metrics, under the same name, with the same value, and says which node it is', async () => {
    const { url, received } = await collector();
    const node = await startNode({
      config: telemetry(url),
      env: { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer of-the-collector' },
    });
    const at = ['--endpoint', node.endpoint];
    await runLance(['produce', 'orders', '--create', ...at], { input: 'a\nb\n' });
    const before = received.length;
    await until(() => received.length > before + 1, 'two exports after the records');
    const scrape = await (await node.adminGet('/metrics')).text();
    const last = received.at(-1);
    expect(last?.path).toBe('/v1/metrics');
    expect(last?.headers).toMatchObject({
      'content-type': 'application/json',
      authorization: 'Bearer of-the-collector',
    });

    const metrics = new Map(metricsOf(last?.body as Export).map((metric) => [metric.name, metric]));
    const scraped = [...scrape.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect([...metrics.keys()].sort()).toEqual(scraped.sort());
    expect(valueAt(metrics.get('lance_records_in_total'), { agent: 'ingest-0' })).toBe(2);
    expect(valueAt(metrics.get('lance_topic_appended_records_total'), { topic: 'orders' })).toBe(2);
    expect(valueAt(metrics.get('lance_ready'), {})).toBe(1);
    expect(metrics.get('lance_records_in_total')).toMatchObject({
      unit: '1',
      sum: { isMonotonic: true, aggregationTemporality: 2 },
    });
    expect(metrics.get('lance_disk_free_bytes')?.unit).toBe('By');

    const stage = metrics.get('lance_stage_receive_ack_seconds');
    const [point] = stage?.histogram?.dataPoints ?? [];
    expect([stage?.unit, stage?.histogram?.aggregationTemporality, point?.count]).toEqual(['s', 2, 1]);
    expect(point?.bucketCounts?.length).toBe((point?.explicitBounds?.length ?? 0) + 1);
    expect(point?.bucketCounts?.reduce((sum, count) => sum + count, 0)).toBe(1);

    const attributes = Object.fromEntries(
      last?.body.resourceMetrics[0]?.resource.attributes.map(({ key, value }) => [
        key,
        value.stringValue ?? value.intValue,
      ]) ?? [],
    );
    expect(attributes).toMatchObject({
      'service.name': 'lance',
      'lance.node.id': 1,
      'process.pid': node.pid,
    });

    // What happened since goes out with the drain.
    const sent = received.length;
    await runLance(['produce', 'orders', ...at], { input: 'c\n' });
    await node.stop();
    expect(received.length).toBeGreaterThan(sent);
    const end = new Map(metricsOf(received.at(-1)?.body as Export).map((metric) => [metric.name, metric]));
    expect(valueAt(end.get('lance_records_in_total'), { agent: 'ingest-0' })).toBe(3);
  });

  it('that nobody listens on serves all the same, says so once, and once more when it is heard again', async () => {
    const port = await freePort();
    const node = await startNode({ config: telemetry(`http://127.0.0.1:${port}`) });
    await until(() => node.log.includes('takes no metrics'), node.log);
    await sleep(2_500);
    expect((await node.adminGet('/readyz')).status).toBe(200);
    const again = await collector(port);
    await until(() => again.received.length > 0, 'an export');
    await until(() => node.log.includes('takes metrics again'), node.log);
    const { stderr } = await node.stop();
    expect(stderr.split('takes no metrics').length).toBe(2);
  });

  it('that never answers does not keep it from draining', async () => {
    const { url, received } = await collector(0, false);
    const node = await startNode({ config: telemetry(url, '[drain]\ntimeout = "20s"\n') });
    await until(() => received.length > 0, 'an export');
    const { stderr } = await node.stop();
    expect(stderr).toContain('drained: everything acknowledged');
  });

  it('that is no address is refused with its key and line', async () => {
    for (const url of ['collector:4318', 'ftp://collector', 'http://', '']) {
      const { code, stdout } = await runServeExpectingExit({ config: telemetry(url) });
      expect([url, code]).toEqual([url, 2]);
      expect(stdout).toMatch(
        /telemetry\.otlp_endpoint must be an HTTP address such as .*http:\/\/127\.0\.0\.1:4318/,
      );
    }
  });
});

describe('without it', () => {
  it('the SDK is not loaded: only src/server/telemetry names it, and only an import() leads there', () => {
    const src = join(ROOT, 'src');
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const text = (name: string) => readFileSync(join(src, name), 'utf8');
    const naming = files.filter((name) => /['"]@opentelemetry\//.test(text(name)));
    expect(naming.every((name) => name.startsWith('server/telemetry/'))).toBe(true);
    expect(naming.length).toBeGreaterThan(0);
    const leading = files.filter(
      (name) => !name.startsWith('server/telemetry/') && /telemetry\/(index|metric-data)/.test(text(name)),
    );
    expect(leading).toEqual(['server/node.ts']);
    expect(text('server/node.ts')).not.toMatch(/^import .*telemetry/m);
  });
});

describe('metrics in the data model of OpenTelemetry', () => {
  it('have buckets that are not cumulative, one more than bounds, for each set of labels', () => {
    const lines = [
      ['_bucket', { agent: 'a', le: '0.001' }, 3],
      ['_bucket', { agent: 'a', le: '0.01' }, 5],
      ['_bucket', { agent: 'a', le: '+Inf' }, 9],
      ['_sum', { agent: 'a' }, 0.5],
      ['_count', { agent: 'a' }, 9],
      ['_bucket', { agent: 'b', le: '0.001' }, 0],
      ['_bucket', { agent: 'b', le: '0.01' }, 1],
      ['_bucket', { agent: 'b', le: '+Inf' }, 1],
      ['_sum', { agent: 'b' }, 0.002],
      ['_count', { agent: 'b' }, 1],
    ] as const;
    const series = lines.map(([suffix, labels, value]) => ({ suffix, labels, value }));
    const [metric] = metricData([{ name: 'lance_x_seconds', kind: 'histogram', help: 'X', series }], {
      start: [1, 0],
      end: [2, 0],
    });
    expect(metric?.descriptor).toMatchObject({ name: 'lance_x_seconds', unit: 's' });
    expect(metric?.dataPoints.map(({ attributes, value }) => [attributes, value])).toEqual([
      [{ agent: 'a' }, { buckets: { boundaries: [0.001, 0.01], counts: [3, 2, 4] }, count: 9, sum: 0.5 }],
      [{ agent: 'b' }, { buckets: { boundaries: [0.001, 0.01], counts: [0, 1, 0] }, count: 1, sum: 0.002 }],
    ]);
  });
});
