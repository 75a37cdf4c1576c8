import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Address, formatAddress, type LanceConfig } from '../config/index.js';
import type { EngineConfig, Placement } from '../engine/index.js';
import type { DataDirectory } from './data-directory.js';
import { misconfigured, words } from './errors.js';

/** What the engine is started with, from the configuration in force. Throws StartError when an address has no host. */
export async function engineConfig(
  config: LanceConfig,
  directory: DataDirectory,
  placement?: Placement,
): Promise<EngineConfig> {
  const { io, journal, segment, index, ingest, runtime, limits } = config;
  return {
    dataDir: directory.path,
    bind: formatAddress(await numericAddress('network.bind', config.network.bind)),
    nodeId: directory.node.nodeId,
    nextTopicId: directory.node.nextTopicId,
    backend: io.backend,
    layout: runtime.layout,
    idle: runtime.idle,
    sqDepth: io.uringSqDepth,
    oDirect: io.oDirect,
    flushIntervalNs: nanoseconds(io.flushInterval),
    chunkBytes: BigInt(journal.chunkBytes),
    segmentMaxBytes: BigInt(segment.maxBytes),
    segmentMaxAgeNs: nanoseconds(segment.maxAge),
    indexEveryBytes: BigInt(index.everyBytes),
    barePayload: ingest.barePayload,
    counters: directory.node.counters,
    limits: {
      maxFrame: limits.maxFrame,
      connections: limits.connections,
      topics: limits.topics,
      inflightFrames: limits.inflightFrames,
      inflightBytes: BigInt(limits.inflightBytes),
      frameTimeoutNs: nanoseconds(limits.frameTimeout),
      idleTimeoutNs: nanoseconds(limits.idleTimeout),
      commits: limits.commits,
      commitsPerTopic: limits.commitsPerTopic,
      commitTtlNs: nanoseconds(limits.commitTtl),
      waiters: limits.waiters,
      recvBuffers: limits.recvBuffers,
      recvBufferBytes: limits.recvBufferBytes,
      topicSlabs: [...limits.topicSlabs],
      frameSlabs: [...limits.frameSlabs],
      responseSlabs: [...limits.responseSlabs],
      readSlabs: limits.readSlabs,
      journalBuffers: limits.journalBuffers,
      jumboSlabs: limits.jumboSlabs,
      batchSize: io.batchSize,
    },
    ...(placement && { placement }),
    ...(directory.discards && { discard: true }),
  };
}

/** The address with its host as a number; the engine knows no names. */
export async function numericAddress(key: string, { host, port }: Address): Promise<Address> {
  if (isIP(host) !== 0) return { host, port };
  try {
    return { host: (await lookup(host)).address, port };
  } catch (error) {
    throw misconfigured(
      'ADDRESS_UNKNOWN',
      `${key}: the host ${host} is not known here (${words(error)}).`,
      'Name an address of this machine, or 0.0.0.0 for all of them.',
    );
  }
}

function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1e6));
}
