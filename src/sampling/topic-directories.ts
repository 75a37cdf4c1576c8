import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { TopicIdentity } from './topic-facts.js';

/** What a topic's metadata.json tells (docs/formats.md, "metadata.json"). */
export type TopicDirectory = TopicIdentity;

interface Known {
  mtimeMs: number;
  topic: TopicDirectory;
}

const AT_ONCE = 64;
/** How often known topics' settings are looked at, ms: thousands of files are a second's work. */
const SETTINGS_MS = 30_000;

const metadataSchema = z.object({
  id: z.int(),
  name: z.string(),
  durability: z.string().optional(),
  retention: z.object({ max_age_secs: z.number(), max_bytes: z.number() }).optional(),
});

/** The topics that lie in `segments/`; each metadata.json is read again only when it was replaced. */
export class TopicDirectories {
  #known = new Map<string, Known>();
  /** In order of their id. */
  #topics: TopicDirectory[] = [];
  #names = new Map<number, string>();
  #listedMtimeMs = -1;
  #checkedMs = 0;

  constructor(private readonly segments: string) {}

  /** All topics in order of their id; none where the directory cannot be read. */
  async read(): Promise<readonly TopicDirectory[]> {
    const { mtimeMs } = await stat(this.segments).catch(() => ({ mtimeMs: -2 }));
    const now = Date.now();
    // Names come and go with the directory's time; settings inside change seldom.
    const due = now - this.#checkedMs > SETTINGS_MS;
    if (mtimeMs !== this.#listedMtimeMs || due) {
      this.#listedMtimeMs = mtimeMs;
      if (due) this.#checkedMs = now;
      await this.#list(due);
    }
    return this.#topics;
  }

  /** The name of a topic that lay there at the last look. */
  nameOf(id: number): string | undefined {
    return this.#names.get(id);
  }

  /** `again`: also looks at the topics that are known whether their settings changed. */
  async #list(again: boolean): Promise<void> {
    const names = (await readdir(this.segments).catch(() => [])).filter((name) => !name.includes('~'));
    const known = new Map<string, Known>();
    // A few at a time: thousands of files at once would hold thousands of descriptors.
    for (let i = 0; i < names.length; i += AT_ONCE) {
      const some = names.slice(i, i + AT_ONCE);
      const found = await Promise.all(
        some.map((name) => (again ? undefined : this.#known.get(name)) ?? this.#one(name)),
      );
      for (const [j, topic] of found.entries()) if (topic !== undefined) known.set(some[j] ?? '', topic);
    }
    this.#known = known;
    this.#topics = [...known.values()].map(({ topic }) => topic).sort((a, b) => a.id - b.id);
    this.#names = new Map(this.#topics.map(({ id, name }) => [id, name]));
  }

  async #one(name: string): Promise<Known | undefined> {
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
