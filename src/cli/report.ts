import { ExitCode, LanceError } from '../errors.js';
import { commandIn, insteadOf } from './known-commands.js';

/** What a failed command says, the same for people and for machines (cli.md, "--json"). */
export interface ErrorReport {
  code: string;
  message: string;
  hint: string | undefined;
  exitCode: number;
  data?: Readonly<Record<string, unknown>>;
}

/** Writes `error` where it belongs (JSON on stdout with `--json`, a sentence on stderr without) and returns the exit code. */
export function report(error: unknown, argv: readonly string[]): number {
  const known = describeError(error, argv);
  if (!known) return exitCodeOf(error);
  const end = argv.indexOf('--');
  const flags = end < 0 ? argv : argv.slice(0, end);
  if (flags.includes('--json')) {
    const { code, message, hint, data } = known;
    process.stdout.write(
      `${JSON.stringify({ error: { code, message, ...(hint ? { hint } : {}) }, ...data })}\n`,
    );
  } else {
    process.stderr.write(`${bold('Error:')} ${known.message}\n${known.hint ? `${known.hint}\n` : ''}`);
  }
  if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${withCauses(error)}\n`);
  return known.exitCode;
}

/** The words for `error`; undefined for an exit that has nothing left to say (`this.exit()` of oclif). */
export function describeError(error: unknown, argv: readonly string[]): ErrorReport | undefined {
  if (error instanceof LanceError) {
    const { code, hint, exitCode, data } = error;
    return { code, message: withoutOclif(error.message), hint, exitCode, data };
  }
  if (!(error instanceof Error)) {
    return { code: 'INTERNAL', message: String(error), hint: undefined, exitCode: ExitCode.failed };
  }
  if ('code' in error && error.code === 'EEXIT') return undefined;
  if ('oclif' in error) return describeUsage(error, argv);
  return {
    code: 'INTERNAL',
    message: sentence(error.message || error.name),
    hint: 'This is not expected: run it again with DEBUG=1 for the details and report them.',
    exitCode: ExitCode.failed,
  };
}

/** oclif's own errors are all about how the command was called: a flag, an argument, an unknown command. */
function describeUsage(error: Error, argv: readonly string[]): ErrorReport {
  const message = withoutOclif(error.message);
  if (/^command .* not found\.?$/i.test(strip(message))) {
    const given = argv.slice(0, firstFlag(argv));
    const words = given[0] === 'help' ? given.slice(1) : given;
    const known = commandIn(words);
    if (known) {
      const extra = words.slice(known.split(' ').length).join(' ');
      const message = `\`lance ${known}\` takes no argument "${extra}".`;
      return { code: 'USAGE', message, hint: `See \`lance ${known} --help\`.`, exitCode: ExitCode.usage };
    }
    return {
      code: 'UNKNOWN_COMMAND',
      message: `${words.slice(0, 2).join(' ') || argv[0]} is not a ${words.length === 0 ? 'flag' : 'command'} of lance.`,
      hint: insteadOf(words),
      exitCode: ExitCode.usage,
    };
  }
  const command = commandIn(argv);
  const plain = strip(message).replace(/^The following errors? occurred:\s*/, '');
  return {
    code: 'USAGE',
    message: sentence(plain.replace(/\s*\n\s*/g, ' ')),
    hint: `See \`lance ${command ? `${command} ` : ''}--help\`.`,
    exitCode: ExitCode.usage,
  };
}

function firstFlag(argv: readonly string[]): number {
  const at = argv.findIndex((word) => word.startsWith('-'));
  return at < 0 ? argv.length : at;
}

/** A message without what oclif wraps around it while it reads flags; the flag's name stays where it is not said again. */
function withoutOclif(message: string): string {
  const [, flag, rest] = /^Parsing (--\S+)\s+([\s\S]*)$/.exec(message) ?? [];
  const plain = rest === undefined ? message : rest.startsWith(`${flag} `) ? rest : `${flag}: ${rest}`;
  return plain.replace(/\n?See more help with --help\s*$/, '').trim();
}

function exitCodeOf(error: unknown): number {
  const exit = (error as { oclif?: { exit?: number } }).oclif?.exit;
  return typeof exit === 'number' ? exit : ExitCode.failed;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function withCauses(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\ncaused by ${withCauses(error.cause)}` : stack;
}

function bold(text: string): string {
  return process.stderr.isTTY && !process.env.NO_COLOR ? `\u001b[1;31m${text}\u001b[0m` : text;
}

function strip(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours begin with ESC.
  return text.replace(/\u001b\[[0-9;]*m/g, '');
}
