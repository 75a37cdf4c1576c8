import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { examineConfig } from '../../src/config/index.js';

const source = readFileSync(join(import.meta.dirname, '../../native/engine/src/limits.rs'), 'utf8');

/** The value of a Rust constant expression of numbers, `*` and lists. */
function evaluate(text: string): number | number[] {
  const list = /^\[(.*)\]$/.exec(text.trim());
  if (list) return (list[1] ?? '').split(',').map((part) => evaluate(part) as number);
  return text.split('*').reduce((product, factor) => product * Number(factor.trim().replaceAll('_', '')), 1);
}

it("the engine's limits have the names and defaults of lance.toml", () => {
  const body = /impl Default for Limits[\s\S]+?Self \{([\s\S]+?)\n {8}\}/.exec(source)?.[1] ?? '';
  const engine = new Map(
    [...body.matchAll(/^\s+(\w+): (.+),$/gm)].map(([, name, value]) => [name, evaluate(value ?? '')]),
  );
  // Not an operator's: the node takes it from the process at its start.
  engine.delete('open_files');
  expect(engine.size).toBeGreaterThan(15);
  const { limits, io } = examineConfig({ env: {}, cwd: '/nonexistent' }).config;
  const ns = (ms: number) => ms * 1e6;
  expect(Object.fromEntries(engine)).toEqual({
    max_frame: limits.maxFrame,
    connections: limits.connections,
    topics: limits.topics,
    inflight_frames: limits.inflightFrames,
    inflight_bytes: limits.inflightBytes,
    frame_timeout_ns: ns(limits.frameTimeout),
    idle_timeout_ns: ns(limits.idleTimeout),
    commits: limits.commits,
    commits_per_topic: limits.commitsPerTopic,
    commit_ttl_ns: ns(limits.commitTtl),
    waiters: limits.waiters,
    recv_buffers: limits.recvBuffers,
    recv_buffer_bytes: limits.recvBufferBytes,
    topic_slabs: limits.topicSlabs,
    // Not an operator's: one for each topic.
    small_slabs: limits.topics,
    frame_slabs: limits.frameSlabs,
    response_slabs: limits.responseSlabs,
    read_slabs: limits.readSlabs,
    journal_buffers: limits.journalBuffers,
    jumbo_slabs: limits.jumboSlabs,
    batch_size: io.batchSize,
  });
});
