import { readFileSync } from 'node:fs';
import { didYouMean } from '../config/index.js';

/** Ids of all commands, `topic:create`, from the manifest; none when it cannot be read. */
function commandIds(): string[] {
  try {
    const manifest: unknown = JSON.parse(
      readFileSync(new URL('../../oclif.manifest.json', import.meta.url), 'utf8'),
    );
    return Object.keys((manifest as { commands: Record<string, unknown> }).commands);
  } catch {
    return [];
  }
}

/** The words of `argv` that are a command, `topic create`; undefined when its first words are none. */
export function commandIn(argv: readonly string[]): string | undefined {
  const ids = commandIds();
  return [argv.slice(0, 2), argv.slice(0, 1)].find((words) => ids.includes(words.join(':')))?.join(' ');
}

/** The command that the first words of `argv` were probably meant to be. */
export function similarCommand(argv: readonly string[]): string | undefined {
  const ids = commandIds();
  const near = didYouMean(argv.slice(0, 2).join(':'), ids) ?? didYouMean(argv[0] ?? '', ids);
  return near?.replaceAll(':', ' ');
}
