/** `lance` commands as people write them in pages and examples, taken apart and held against the real ones. */
import { type Command, Parser } from '@oclif/core';
import manifest from '../../oclif.manifest.json' with { type: 'json' };

interface Known {
  id: string;
  flags: Record<string, { name: string; char?: string; allowNo?: boolean }>;
  examples?: (string | { description: string; command: string })[];
  relativePath: string[];
}

/** Every command of the manifest by id. */
export const COMMANDS = manifest.commands as unknown as Record<string, Known>;
const OF_PLUGINS = ['help'];

/** The words behind each `lance` in a shell's text; quotes are taken off, comments and redirections left out. */
export function lanceCommandsIn(text: string): string[][] {
  const found: string[][] = [];
  for (const line of text.replace(/\\\n\s*/g, ' ').split('\n')) {
    const tokens = line.match(/'[^']*'|"[^"]*"|&&|\|\||[|;&()`<>]|[^\s|;&()`<>'"]+/g) ?? [];
    let words: string[] | undefined;
    for (const [i, token] of tokens.entries()) {
      const starts = token === 'lance' && /^(?:\$|sudo|npx|&&|\|\||[|;&(`])?$/.test(tokens[i - 1] ?? '');
      // A line for a shell's own settings, in quotes.
      if (/^['"].*\(lance /.test(token)) found.push(...lanceCommandsIn(token.slice(1, -1)));
      if (starts) {
        words = [];
        found.push(words);
      } else if (/^(?:&&|\|\||[|;&()`<>]|#.*)$/.test(token)) words = undefined;
      else words?.push(token.replace(/^(['"])([\s\S]*)\1$/, '$2'));
    }
  }
  return found;
}

/** The command that `words` begin with and what is left of them; undefined when there is none, a topic's help aside. */
export function commandOf(words: readonly string[]): { command: Known; rest: string[] } | undefined {
  for (const length of [2, 1]) {
    const command = COMMANDS[words.slice(0, length).join(':')];
    if (command) return { command, rest: words.slice(length) };
  }
  return undefined;
}

/** What is wrong with the names in `words`: no such command, or no such flag. Values are not looked at. */
export function unknownNames(words: readonly string[]): string[] {
  const [first = '--help'] = words;
  if (first.startsWith('-') || OF_PLUGINS.includes(first)) return [];
  const found = commandOf(words);
  if (!found) {
    const isTopic = Object.keys(COMMANDS).some((id) => id.startsWith(`${first}:`));
    return isTopic && (words[1] ?? '--').startsWith('-') ? [] : [`lance ${words.slice(0, 2).join(' ')}`];
  }
  const { command, rest } = found;
  const flags = rest.filter((word) => /^-{1,2}[a-z]/.test(word)).map((word) => word.replace(/=.*$/, ''));
  const known = Object.values(command.flags).flatMap(({ name, char, allowNo }) => [
    `--${name}`,
    `-${char}`,
    ...(allowNo ? [`--no-${name}`] : []),
  ]);
  return flags
    .filter((flag) => !known.includes(flag) && flag !== '--help')
    .map((flag) => `lance ${command.id} ${flag}`);
}

/** Reads `words` as the command itself would, without running it; rejects as it would. */
export async function parse(words: readonly string[]): Promise<void> {
  if (OF_PLUGINS.includes(words[0] ?? '')) return;
  const found = commandOf(words);
  if (!found) throw new Error(`there is no command in \`lance ${words.join(' ')}\``);
  const path = new URL(`../../${found.command.relativePath.join('/')}`, import.meta.url);
  const { default: type } = (await import(path.href)) as { default: Command.Class };
  const { args, flags, strict, baseFlags } = type;
  await Parser.parse([...found.rest], { args, flags: { ...baseFlags, ...flags }, strict });
}
