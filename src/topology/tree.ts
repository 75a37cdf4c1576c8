/** One thing seen under the root, under its real path (links resolved). Files are Latin-1, so that every byte survives. */
export type Fact =
  | { readonly kind: 'file'; readonly text: string }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'dir' }
  | { readonly kind: 'unreadable'; readonly errno: string };

const MAX_LINKS = 40;

/**
 * What was read of a machine: a small in-memory file system of /sys and /proc. Paths carry no leading slash (`sys/class/net`).
 * Symbolic links stay inside the tree: an absolute one starts again at its top, as under chroot.
 */
export class FactTree {
  readonly facts: ReadonlyMap<string, Fact>;
  readonly #children = new Map<string, Set<string>>();

  constructor(facts: ReadonlyMap<string, Fact>) {
    this.facts = facts;
    for (const path of facts.keys()) {
      let child = path;
      while (child !== '') {
        const cut = child.lastIndexOf('/');
        const parent = cut < 0 ? '' : child.slice(0, cut);
        const names = this.#children.get(parent);
        const name = child.slice(cut + 1);
        if (names === undefined) this.#children.set(parent, new Set([name]));
        else if (names.has(name)) break;
        else names.add(name);
        child = parent;
      }
    }
  }

  /** The real path behind `path`, or undefined where a link dangles or turns in a circle. The last part need not exist. */
  resolve(path: string): string | undefined {
    return resolveIn(path, (at) => {
      const fact = this.facts.get(at);
      return fact?.kind === 'link' ? fact.target : undefined;
    });
  }

  /** A file's text as it was read, or undefined where it is missing or unreadable. */
  raw(path: string): string | undefined {
    const real = this.resolve(path);
    const fact = real === undefined ? undefined : this.facts.get(real);
    return fact?.kind === 'file' ? fact.text : undefined;
  }

  /** A file's text without the white space around it; undefined also where it is empty. */
  text(path: string): string | undefined {
    const text = this.raw(path)?.trim();
    return text === '' ? undefined : text;
  }

  /** A file's decimal integer (a sign allowed), or undefined where it holds anything else. */
  int(path: string): number | undefined {
    const text = this.text(path);
    return text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
  }

  /** Names inside a directory, numbers in numeric order; empty where there is none. */
  list(path: string): string[] {
    const real = this.resolve(path);
    const names = real === undefined ? undefined : this.#children.get(real);
    return names === undefined ? [] : [...names].sort(byNaturalOrder);
  }

  /** Whether anything stands at this path (an unreadable file does). */
  has(path: string): boolean {
    const real = this.resolve(path);
    return real !== undefined && (this.facts.has(real) || this.#children.has(real));
  }

  /** Files that are there but could not be read. */
  unreadable(): { path: string; errno: string }[] {
    const found: { path: string; errno: string }[] = [];
    for (const [path, fact] of this.facts)
      if (fact.kind === 'unreadable') found.push({ path, errno: fact.errno });
    return found;
  }
}

/** Walks `path` from the top, asking `linkAt` for the target of each part that is a link. Undefined after 40 links. */
export function resolveIn(path: string, linkAt: (path: string) => string | undefined): string | undefined {
  const todo = path.split('/').reverse();
  let at: string[] = [];
  let links = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at.pop();
      continue;
    }
    const next = [...at, part];
    const target = linkAt(next.join('/'));
    if (target === undefined) {
      at = next;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return undefined;
    if (target.startsWith('/')) at = [];
    todo.push(...target.split('/').reverse());
  }
  return at.join('/');
}

/** `eth2` before `eth10`. */
export function byNaturalOrder(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** A link's target as the machine below `root` means it: an absolute one that was made with the root's own path loses it. */
export function targetBelow(root: string, target: string): string {
  const top = root.replace(/\/+$/, '');
  return top !== '' && target.startsWith(`${top}/`) ? target.slice(top.length) : target;
}
