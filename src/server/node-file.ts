import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeDurably } from './durable-file.js';
import { errorCode, misconfigured, StartError, unusable, words } from './errors.js';
import { stringify } from './json.js';

/** What `node.json` says (formats.md, "Files"). */
export interface NodeFile {
  /** Version of the data directory's layout. */
  format: 1;
  nodeId: number;
  clusterId: string;
  /** The id that the next topic gets; one below it that is not there was deleted. */
  nextTopicId: number;
  /** Path of the live counters. */
  counters: string;
}

const FORMAT = 1;
const NAME = 'node.json';

const NodeFileSchema = z.object({
  format: z.literal(FORMAT),
  nodeId: z.int().min(0).max(65_535),
  clusterId: z.string().min(1),
  nextTopicId: z.int().min(1).max(0xffff_ffff),
  counters: z.string().min(1),
});

/**
 * The node's identity: read from `node.json`, or made for a new data directory. `wanted` is the configured node id, with
 * `explicit` telling whether somebody set it: a data directory never changes its node. `made` says that there was none.
 * Throws StartError.
 */
export async function openNodeFile(
  dataDir: string,
  wanted: { nodeId: number; explicit: boolean },
  counters: string,
): Promise<{ node: NodeFile; made: boolean }> {
  const found = await read(dataDir);
  if (found && wanted.explicit && found.nodeId !== wanted.nodeId) {
    throw misconfigured(
      'NODE_ID_DIFFERS',
      `The data directory ${dataDir} belongs to node ${found.nodeId}, and node.id is ${wanted.nodeId}.`,
      `Its sort keys carry the number ${found.nodeId}: run it with --node-id ${found.nodeId}, or name another --data-dir.`,
    );
  }
  const node: NodeFile = found
    ? { ...found, counters }
    : { format: FORMAT, nodeId: wanted.nodeId, clusterId: randomUUID(), nextTopicId: 1, counters };
  if (!found || found.counters !== counters) await writeNodeFile(dataDir, node);
  return { node, made: !found };
}

/** Replaces `node.json` durably. */
export async function writeNodeFile(dataDir: string, node: NodeFile): Promise<void> {
  await writeDurably(join(dataDir, NAME), `${stringify({ ...node })}\n`);
}

async function read(dataDir: string): Promise<NodeFile | undefined> {
  const path = join(dataDir, NAME);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw unusable(dataDir, error);
  }
  const damaged = (what: string): StartError =>
    new StartError(`${path} is damaged: ${what}.`, {
      code: 'NODE_FILE_DAMAGED',
      hint: 'Restore it from a backup. It holds the node id, the cluster id and the next topic id; nextTopicId must be above every id that was ever given.',
    });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw damaged(words(error));
  }
  const format =
    typeof document === 'object' && document !== null && 'format' in document ? document.format : 0;
  if (typeof format === 'number' && format > FORMAT) {
    throw new StartError(
      `The data directory ${dataDir} has format ${format}; this lance knows up to ${FORMAT}.`,
      {
        code: 'NEWER_FORMAT',
        hint: 'Run the version of lance that wrote it, or a newer one.',
      },
    );
  }
  const checked = NodeFileSchema.safeParse(document);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  throw damaged(`${issue?.path.join('.') || 'the document'}: ${words(issue?.message ?? 'not as expected')}`);
}
