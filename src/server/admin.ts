import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { QUANTILES, type Sample, type Snapshot } from '../counters/index.js';
import type { Commit, Engine, TopicMetadata } from '../engine/index.js';
import type { Catalogue } from './catalogue.js';
import { words } from './errors.js';
import type { Health } from './health.js';
import { type Json, stringify } from './json.js';
import { NodeMetrics } from './node-metrics.js';
import type { TopRequest } from './top-document.js';

/** What the admin endpoint shows. */
export interface AdminParts {
  version: string;
  nodeId: number;
  engine: Pick<Engine, 'listCommits' | 'describe'>;
  catalogue: Pick<Catalogue, 'list' | 'find' | 'describe'>;
  /** Reads the live counters. */
  counters: () => Promise<Snapshot>;
  health: Pick<Health, 'engine' | 'now'>;
  /** Bytes free where the data lies, as far as known. */
  freeDisk: () => number | undefined;
  /** What `lance top` shows of this node; as the query asks. */
  top: (request: TopRequest) => Promise<unknown>;
}

/** The admin HTTP server, not yet listening (docs/operations.md, "The admin endpoint"). */
export function createAdmin(parts: AdminParts, metrics = new NodeMetrics(parts)): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true });

  app.get('/healthz', async (_request, reply) => {
    const trouble = await parts.health.engine();
    return trouble
      ? send(reply, 503, { status: 'failing', reasons: [{ ...trouble }] })
      : send(reply, 200, { status: 'ok' });
  });

  app.get('/readyz', async (_request, reply) => {
    await parts.health.engine();
    const { reasons, warnings } = parts.health.now();
    return send(reply, reasons.length === 0 ? 200 : 503, {
      ready: reasons.length === 0,
      reasons: reasons.map((reason) => ({ ...reason })),
      warnings: warnings.map((warning) => ({ ...warning })),
    });
  });

  app.get('/v1/counters', async (_request, reply) =>
    send(reply, 200, countersDocument(await parts.counters())),
  );

  app.get<{ Querystring: TopRequest }>('/v1/top', async (request, reply) =>
    reply.send(await parts.top(request.query)),
  );

  app.get('/metrics', async (_request, reply) => {
    const text = await metrics.text();
    return reply.type(metrics.contentType).send(text);
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
