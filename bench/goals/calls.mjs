// System calls of the data plane a frame, as `strace -c` counts them while frames are counted by the node itself.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCounters, total } from '../../dist/counters/index.js';
import { dataPlaneThreads, startNode, stopNode } from '../node.mjs';
import { output, root } from '../programs.mjs';

const SECONDS = 3;

/** Frames that a node has acknowledged so far. */
function acks(node) {
  const { counters } = JSON.parse(readFileSync(join(node.dataDir, 'node.json'), 'utf8'));
  return total(readCounters(readFileSync(counters)), 'acks');
}

/**
 * Loads a node with frames of one 300 B record, 16 connections x 64 in flight, and traces its data plane meanwhile. A traced
 * thread is slower, so it finds more to do at each turn: what is counted is a share, and an untraced node's may be a little higher.
 */
export async function callsPerFrame(dir, commands) {
  const node = await startNode(dir);
  try {
    const flags = ['--endpoint', node.lwp, '--record-size', '300', '--batch-bytes', '1', '--in-flight', '64'];
    const args = [
      join(root, 'dist', 'bench', 'load-process.js'),
      'ingest',
      ...flags,
      '--seconds',
      String(SECONDS + 4),
    ];
    commands.push(`lance-load ingest ${flags.join(' ')}`, `strace -c -p TID, ${SECONDS} s`);
    const running = output(process.execPath, args);
    await sleep(2_500);
    let frames = acks(node);
    const traced = await Promise.all(
      dataPlaneThreads(node.pid).map(({ tid }) =>
        // strace writes its table when it is interrupted, and `timeout` then ends with 124.
        output('sh', ['-c', `timeout --foreground -s INT ${SECONDS} strace -c -p ${tid}; [ $? = 124 ]`]),
      ),
    );
    frames = acks(node) - frames;
    await running;
    const byName = new Map();
    for (const { err } of traced) {
      for (const [, times, name] of err.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/gm)) {
        if (name !== 'total') byName.set(name, (byName.get(name) ?? 0) + Number(times));
      }
    }
    if (frames === 0) throw new Error('no frame was acknowledged while it was traced');
    const calls = [...byName.values()].reduce((sum, times) => sum + times, 0);
    return {
      perFrame: calls / frames,
      futex: byName.get('futex') ?? 0,
      shown: `${calls} calls for ${frames} frames: ${[...byName].map(([name, times]) => `${name} ${times}`).join(', ')}`,
    };
  } finally {
    await stopNode(node);
  }
}
