import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { TopicFacts } from './raw.js';

/** What a topic's metadata.json tells (docs/formats.md, "metadata.json"). */
export type TopicDirectory = Pick<TopicFacts, 'id' | 'name' | 'durability' | 'retention'>;

const metadataSchema = z.object({
  id: z.int(),
  name: z.string(),
  durability: z.string().optional(),
  retention: z.object({ max_age_secs: z.number(), max_bytes: z.number() }).optional(),
});

/** The topics that lie in `segments/`; each metadata.json is read again only when it was replaced. */
export class TopicDirectories {
  #known = new Map<string, { mtimeMs: number; topic: TopicDirectory }>();
  #listedMtimeMs = -1;
  #checkedMs = 0;

  constructor(private readonly segments: string) {}

  /** All topics in order of their id; none where the directory cannot be read. */
  async read(): Promise<TopicDirectory[]> {
    const { mtimeMs } = await stat(this.segments).catch(() => ({ mtimeMs: -2 }));
    const now = Date.now();
    // Names come and go with the directory's time; settings inside change seldom.
    if (mtimeMs !== this.#listedMtimeMs || now - this.#checkedMs > 10_000) {
      this.#listedMtimeMs = mtimeMs;
      this.#checkedMs = now;
      await this.#list();
    }
    return [...this.#known.values()].map(({ topic }) => topic).sort((a, b) => a.id - b.id);
  }

  async #list(): Promise<void> {
    const names = (await readdir(this.segments).catch(() => [])).filter((name) => !name.includes('~'));
    const found = await Promise.all(names.map(async (name) => [name, await this.#one(name)] as const));
    this.#known = new Map(found.flatMap(([name, topic]) => (topic === undefined ? [] : [[name, topic]])));
  }

  async #one(name: string): Promise<{ mtimeMs: number; topic: TopicDirectory } | undefined> {
    const path = join(this.segments, name, 'metadata.json');
    try {
      const { mtimeMs } = await stat(path);
      const known = this.#known.get(name);
      if (known?.mtimeMs === mtimeMs) return known;
      const checked = metadataSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
      if (!checked.success) return undefined;
      const { id, durability, retention } = checked.data;
      return {
        mtimeMs,
        topic: {
          id,
          name,
          durability,
          retention: retention && {
            maxAgeSecs: retention.max_age_secs,
            maxBytes: retention.max_bytes,
          },
        },
      };
    } catch {
      // Coming or going, or damaged: `lance segment verify` is the place for that.
      return undefined;
    }
  }
}
