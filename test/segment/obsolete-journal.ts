/** A seeded directory whose journal nothing needs any more, with a committed offset. */
import { Command, commitPayload } from '../harness/lwp.js';
import { startNode } from '../harness/node.js';
import { type SeededDirectory, SMALL_SEGMENTS, seededDirectory } from '../harness/seeded-directory.js';

/** Drained twice, so that the journal is obsolete: else it heals what is spoiled in an active segment. */
export async function drainedTwice(): Promise<SeededDirectory> {
  const drained = await seededDirectory('drained');
  const node = await startNode({ dataDir: drained.dataDir, config: SMALL_SEGMENTS });
  const connection = await node.connect();
  const payload = commitPayload(drained.topics.small.id, 7n, 0n);
  await connection.request(Command.commitOffset, payload, Command.commitAck);
  connection.close();
  await node.stop();
  return drained;
}
