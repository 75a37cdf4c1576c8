import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { isAlive, QUANTILES, type Sample, type Snapshot } from '../counters/index.js';
import type { Commit, Engine, TopicMetadata } from '../engine/index.js';
import type { Catalogue } from './catalogue.js';
import { words } from './errors.js';
import { type Json, stringify } from './json.js';
import { prometheusText } from './metrics.js';

/** What the admin endpoint shows. */
export interface AdminParts {
  version: string;
  nodeId: number;
  engine: Pick<Engine, 'listCommits' | 'describe'>;
  catalogue: Pick<Catalogue, 'list' | 'find' | 'describe'>;
  /** Reads the live counters. */
  counters: () => Promise<Snapshot>;
  /** Why the node is not ready for all of its work, one sentence each; empty when it is. */
  notReady: () => string[];
  /** What an operator should look at although the node is ready. */
  warnings: () => string[];
  /** Bytes free where the data lies, as far as known. */
  freeDisk: () => number | undefined;
}

/** The admin HTTP server, not yet listening (docs/operations.md, "The admin endpoint"). */
export function createAdmin(parts: AdminParts): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true });
  const registry = controlPlaneMetrics(parts);

  app.get('/healthz', async (_request, reply) => {
    const health = await healthOf(parts);
    return send(
      reply,
      health.ok ? 200 : 503,
      health.ok ? { status: 'ok' } : { status: 'failing', reasons: [health.reason] },
    );
  });

  app.get('/readyz', async (_request, reply) => {
    const reasons = parts.notReady();
    return send(reply, reasons.length === 0 ? 200 : 503, {
      ready: reasons.length === 0,
      reasons,
      warnings: parts.warnings(),
    });
  });

  app.get('/v1/counters', async (_request, reply) =>
    send(reply, 200, countersDocument(await parts.counters())),
  );

  app.get('/metrics', async (_request, reply) => {
    const engine = prometheusText(await parts.counters());
    return reply.type(registry.contentType).send(`${engine}${await registry.metrics()}`);
  });

  app.get('/v1/topics', async (_request, reply) =>
    send(reply, 200, { topics: parts.catalogue.list().map(topicSummary) }),
  );

  app.get<{ Params: { name: string } }>('/v1/topics/:name', async (request, reply) => {
    const topic = parts.catalogue.find(request.params.name);
    if (!topic) return noTopic(reply, request.params.name);
    const { description } = await parts.catalogue.describe(topic.id);
    const { firstOffset, endOffset, firstRecord, endRecord, bytes, segments, frozen } = description;
    const numbers = { firstOffset, endOffset, firstRecord, endRecord, bytes, segments, frozen };
    return send(reply, 200, { ...topicSummary(topic), ...numbers });
  });

  app.get<{ Params: { name: string } }>('/v1/topics/:name/consumers', async (request, reply) => {
    const topic = parts.catalogue.find(request.params.name);
    if (!topic) return noTopic(reply, request.params.name);
    const [{ endOffset }, commits] = await Promise.all([
      parts.engine.describe(topic.id),
      parts.engine.listCommits(topic.id),
    ]);
    return send(reply, 200, { consumers: commits.map((commit) => consumerDocument(commit, endOffset)) });
  });

  app.setNotFoundHandler((request, reply) =>
    problem(reply, 404, 'NOT_FOUND', `There is no ${request.method} ${request.url}.`),
  );
  app.setErrorHandler((error, _request, reply) => problem(reply, 500, 'INTERNAL', `${words(error)}.`));
  return app;
}

async function healthOf({ counters }: AdminParts): Promise<{ ok: true } | { ok: false; reason: string }> {
  try {
    const snapshot = await counters();
    if (isAlive(snapshot)) return { ok: true };
    const age = (BigInt(Date.now()) * 1_000_000n - snapshot.heartbeatNs) / 1_000_000_000n;
    return { ok: false, reason: `the engine's last heartbeat is ${age} s old` };
  } catch (error) {
    return { ok: false, reason: `the counters cannot be read: ${words(error)}` };
  }
}

/** What concerns Node and this process, beside the engine's own counters. */
function controlPlaneMetrics({ version, nodeId, notReady, freeDisk }: AdminParts): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'lance_control_' });
  new Gauge({
    name: 'lance_build_info',
    help: 'Version and node id, as labels; always 1',
    labelNames: ['version', 'node_id'],
    registers: [registry],
  }).set({ version, node_id: String(nodeId) }, 1);
  new Gauge({
    name: 'lance_ready',
    help: 'Whether the node is ready for all of its work',
    registers: [registry],
    collect() {
      this.set(notReady().length === 0 ? 1 : 0);
    },
  });
  new Gauge({
    name: 'lance_disk_free_bytes',
    help: 'Bytes free on the file system of the data directory',
    registers: [registry],
    collect() {
      const free = freeDisk();
      if (free !== undefined) this.set(free);
    },
  });
  return registry;
}

function countersDocument({ pid, startNs, heartbeatNs, samples }: Snapshot): Json {
  return {
    pid,
    startNs: startNs.toString(),
    heartbeatNs: heartbeatNs.toString(),
    counters: samples.map(sampleDocument),
  };
}

function sampleDocument(sample: Sample): Json {
  const { name, labels, kind, unit } = sample;
  if (sample.kind !== 'histogram') return { name, labels, kind, unit, value: sample.value };
  const { histogram } = sample;
  const quantiles = Object.entries(QUANTILES).map(([key, share]) => [key, histogram.quantile(share)]);
  const { count, sum, min, max } = histogram;
  return { name, labels, kind, unit, count, sum, min, max, ...Object.fromEntries(quantiles) };
}

function topicSummary({ id, name, createdAt, retention, durability }: TopicMetadata): {
  [key: string]: Json;
} {
  return {
    id,
    name,
    createdAt,
    retention: retention && { maxAgeSecs: retention.maxAgeSecs, maxBytes: retention.maxBytes },
    durability,
  };
}

function consumerDocument({ consumer, offset, at }: Commit, endOffset: bigint): Json {
  const lag = endOffset > offset ? endOffset - offset : 0n;
  return { id: consumer.toString(), offset, lag, committedAt: at };
}

function noTopic(reply: FastifyReply, name: string): FastifyReply {
  return problem(
    reply,
    404,
    'TOPIC_NOT_FOUND',
    `There is no topic ${JSON.stringify(name)}.`,
    'GET /v1/topics lists them.',
  );
}

function problem(
  reply: FastifyReply,
  status: number,
  code: string,
  message: string,
  hint?: string,
): FastifyReply {
  return send(reply, status, { error: { code, message, hint } });
}

function send(reply: FastifyReply, status: number, document: Json): FastifyReply {
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send(`${stringify(document)}\n`);
}
