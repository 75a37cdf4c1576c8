import { readFileSync } from 'node:fs';
import { didYouMean } from '../config/index.js';

/** What a plugin brings; the manifest has only our own. */
const OF_PLUGINS = ['help'];

/** Ids of all commands, `topic:create`; those of plugins alone when the manifest cannot be read. */
function commandIds(): string[] {
  try {
    const manifest: unknown = JSON.parse(
      readFileSync(new URL('../../oclif.manifest.json', import.meta.url), 'utf8'),
    );
    return [...Object.keys((manifest as { commands: Record<string, unknown> }).commands), ...OF_PLUGINS];
  } catch {
    return OF_PLUGINS;
  }
}

/** The words of `argv` that are a command, `topic create`; undefined when its first words are none. */
export function commandIn(argv: readonly string[]): string | undefined {
  const ids = commandIds();
  return [argv.slice(0, 2), argv.slice(0, 1)].find((words) => ids.includes(words.join(':')))?.join(' ');
}

/** What to try instead of `argv`, which is no command: a hint of one sentence. */
export function insteadOf(argv: readonly string[]): string {
  const ids = commandIds();
  const topics = [...new Set(ids.filter((id) => id.includes(':')).map((id) => id.slice(0, id.indexOf(':'))))];
  const [first = '', second = ''] = argv;
  if (first === 'version') return '`lance --version` tells it.';
  const verbs = ids.filter((id) => id.startsWith(`${first}:`)).map((id) => id.slice(first.length + 1));
  const verb = didYouMean(second, verbs);
  if (verb) return `Did you mean \`lance ${first} ${verb}\`?`;
  if (verbs.length > 0) return `\`lance ${first} --help\` lists its commands.`;
  const near = didYouMean([first, second].join(':'), ids) ?? didYouMean(first, [...ids, ...topics]);
  return near ? `Did you mean \`lance ${near.replaceAll(':', ' ')}\`?` : '`lance --help` lists the commands.';
}
