import { Admin } from '../client/index.js';

/** Topics of a bench. */
export interface BenchTopics {
  ids: readonly number[];
  /** Their names, which are also those of their folders (formats.md, "Files"). */
  names: readonly string[];
  /** The ids as the generator takes them. */
  range: string;
  /** Takes them away again. */
  remove(): Promise<void>;
}

/** What topics are made with. */
export interface TopicRequest {
  count: number;
  durability: 'durable' | 'written';
  /** Bytes that each keeps at most; 0 keeps everything. */
  maxBytes?: number | undefined;
}

/** Makes topics that no other run on the node has. Throws what Admin throws. */
export async function createTopics(endpoint: string, request: TopicRequest): Promise<BenchTopics> {
  const { count, durability, maxBytes = 0 } = request;
  const run = `bench-${Date.now().toString(36)}-${process.pid}`;
  const ids: number[] = [];
  const names: string[] = [];
  const admin = await Admin.open({ endpoint, clientName: 'lance-bench', timeout: 60_000 });
  try {
    for (let number = 0; number < count; number += 1) {
      const { id, name } = await admin.createTopic(`${run}-${number}`, { durability, maxBytes });
      ids.push(id);
      names.push(name);
    }
  } finally {
    admin.close();
  }
  return { ids, names, range: ranges(ids), remove: () => remove(endpoint, ids) };
}

/** Topic ids as the generator takes them: `1-500,502`. */
export function ranges(ids: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const id of ids) {
    const last = parts.at(-1);
    if (last && last[1] + 1 === id) last[1] = id;
    else parts.push([id, id]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

async function remove(endpoint: string, ids: readonly number[]): Promise<void> {
  const admin = await Admin.open({ endpoint, clientName: 'lance-bench', timeout: 60_000 });
  try {
    for (const id of ids) await admin.deleteTopic(id);
  } finally {
    admin.close();
  }
}
