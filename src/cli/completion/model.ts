import type { Command, Interfaces } from '@oclif/core';

/** What stands in the place of a value: some words, or something that a shell or a node knows. */
export type Candidates = readonly string[] | 'file' | 'directory' | 'topic' | 'nothing';

export interface FlagModel {
  /** `--json`, and `-c` where there is one. */
  names: readonly string[];
  about: string;
  /** What may follow it; undefined for one without a value. */
  value: Candidates | undefined;
}

export interface CommandModel {
  /** `topic create`; empty for `lance` alone. */
  words: string;
  /** What may be the next word of a command, with what it is for. */
  next: readonly { word: string; about: string }[];
  flags: readonly FlagModel[];
  /** What its first argument is. */
  argument: Candidates;
  /** Whether what it is given once may be given again. */
  repeats: boolean;
}

/** All that a shell has to know of `lance`: every command, and every topic of commands. */
export function completionModel(config: Interfaces.Config): CommandModel[] {
  const commands = config.commands.filter(({ hidden }) => !hidden);
  const prefixes = new Set(commands.flatMap(({ id }) => prefixesOf(id)));
  return [...prefixes].sort().map((id) => {
    const command = commands.find((one) => one.id === id);
    return {
      words: id.replaceAll(':', ' '),
      next: [...prefixes]
        .filter((other) => other !== '' && parentOf(other) === id)
        .sort()
        .map((other) => ({ word: other.split(':').at(-1) ?? '', about: aboutOf(other, commands, config) })),
      flags: [...flagsOf(command), { names: ['--help'], about: 'show help', value: undefined }],
      argument: id === 'help' ? commands.map((one) => one.id.split(':')[0] ?? '') : argumentOf(command),
      repeats: command?.strict === false || Object.keys(command?.args ?? {}).length > 1,
    };
  });
}

/** `topic:create` -> ``, `topic`, `topic:create`. */
function prefixesOf(id: string): string[] {
  const parts = id.split(':');
  return parts.map((_, i) => parts.slice(0, i).join(':')).concat(id);
}

function parentOf(id: string): string {
  return id.includes(':') ? id.slice(0, id.lastIndexOf(':')) : '';
}

function aboutOf(id: string, commands: readonly Command.Loadable[], config: Interfaces.Config): string {
  const command = commands.find((one) => one.id === id);
  const text = command?.summary ?? command?.description ?? config.findTopic(id)?.description ?? '';
  return (text.split('\n')[0] ?? '').replaceAll('<%= config.bin %>', config.bin);
}

function flagsOf(command: Command.Loadable | undefined): FlagModel[] {
  return Object.values(command?.flags ?? {})
    .filter(({ hidden }) => !hidden)
    .map((flag) => ({
      names: [`--${flag.name}`, ...(flag.char ? [`-${flag.char}`] : [])],
      about: (flag.description ?? '').split('\n')[0] ?? '',
      value: flag.type === 'boolean' ? undefined : (flag.options ?? kindOf(flag.helpValue, flag.name)),
    }));
}

/** Flags say in their help what they take. */
function kindOf(helpValue: string | string[] | undefined, name: string): Candidates {
  const shown = String(helpValue ?? '');
  if (shown.includes('DIR')) return 'directory';
  return shown.includes('FILE') || name === 'file' ? 'file' : 'nothing';
}

/** A topic where one is wanted that is there; else files, where a command takes any. */
function argumentOf(command: Command.Loadable | undefined): Candidates {
  const [first] = Object.values(command?.args ?? {});
  if (!command || !first) return 'nothing';
  if (first.options) return first.options;
  const isTopic = first.name === 'topic' || (command.id.startsWith('topic:') && first.name === 'name');
  if (isTopic) return command.id === 'topic:create' ? 'nothing' : 'topic';
  return 'file';
}
