import { existsSync, readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Finding, type RecoverOutcome, recoverDirectory } from '../engine/index.js';
import { ProblemList } from './problems.js';
import { type NodeDocument, readNode } from './small-files.js';

/** `index.every_bytes` and `journal.chunk_bytes` where nothing tells otherwise. */
export const INDEX_EVERY_BYTES = 64 * 1024;
const CHUNK_BYTES = 64 * 1024 * 1024;

/**
 * What a start of the node does with a data directory that no node runs on, on a copy in the mind (`rehearse`) or in earnest.
 * Undefined where node.json does not tell enough.
 */
export async function recover(dataDir: string, rehearse: boolean): Promise<RecoverOutcome | undefined> {
  const node = nodeOf(dataDir);
  if (!node) return undefined;
  return recoverDirectory({
    dataDir,
    rehearse,
    nodeId: node.nodeId,
    nextTopicId: node.nextTopicId,
    chunkBytes: await chunkBytes(dataDir),
    indexEveryBytes: INDEX_EVERY_BYTES,
  });
}

function nodeOf(dataDir: string): NodeDocument | undefined {
  const path = join(dataDir, 'node.json');
  // A start makes a new one where it is missing.
  if (!existsSync(path)) return { nodeId: 0, nextTopicId: 1 };
  return readNode(readFileSync(path, 'utf8'), new ProblemList()).meaning;
}

/** The size that most chunks have: those of another are removed by a start, once nothing needs them. */
async function chunkBytes(dataDir: string): Promise<number> {
  const folder = join(dataDir, 'journal');
  const names = (await readdir(folder).catch(() => [] as string[])).filter((name) => name.endsWith('.lnj'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  const counts = new Map<number, number>();
  for (const size of sizes) counts.set(size, (counts.get(size) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? CHUNK_BYTES;
}

/** Findings of recovery that are problems, by what they are called here. */
const KINDS: Record<string, string> = {
  'torn-tail': 'torn',
  'index-rebuilt': 'index',
  'metadata-rebuilt': 'missing',
  'commits-damaged': 'checksum',
  'start-damaged': 'checksum',
  'topic-beyond-next-id': 'node',
};

/** The kind of problem that a finding of recovery is; undefined for what is none. */
export function problemKind({ severity, code }: Finding): string | undefined {
  return severity === 'info' ? undefined : (KINDS[code] ?? code);
}
