import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { ExitCode, LanceError } from '../errors.js';
import { didYouMean } from './did-you-mean.js';
import { lineOf } from './line-of.js';
import { type AnyField, allFields, camel, type LanceConfig, NOT_ACTIVE, SCHEMA } from './schema.js';

/** Where a value in force came from. */
export type Origin =
  | { kind: 'flag'; name: string }
  | { kind: 'variable'; name: string }
  | { kind: 'file'; path: string; line: number | undefined }
  | { kind: 'default' };

/** One thing that is wrong with a configuration. `key` is `section.name`, where there is one. */
export interface Problem {
  key: string | undefined;
  line: number | undefined;
  /** One sentence that says where it stands, too. */
  message: string;
  hint: string | undefined;
}

/** A configuration, valid or not, with everything that can be said about it. */
export interface Examined {
  /** The file that was read, absolute; undefined when there is none. */
  file: string | undefined;
  config: LanceConfig;
  /** By `section.name`, every key of the schema. */
  origins: ReadonlyMap<string, Origin>;
  problems: readonly Problem[];
  /** Sentences about keys that are set and do nothing in this release. */
  notActive: readonly string[];
}

/** What a configuration is made from; all parts are optional. */
export interface Sources {
  /** A file that must exist (`-c`, `lance config check FILE`); it wins over LANCE_CONFIG and the usual places. */
  file?: string | undefined;
  /** Flags by `section.name`; undefined ones do not count. `name` is what the person typed, such as `--bind`. */
  flags?: Readonly<Record<string, { name: string; value: string | undefined }>>;
  /** Variables; `process.env` unless told. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Where relative paths start; the working directory unless told. */
  cwd?: string;
}

/** A configuration that cannot be used. Its message is the first problem; all of them are in `problems`. */
export class ConfigError extends LanceError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const [first, ...more] = problems;
    const others = more.length === 0 ? '' : ` (and ${more.length} more: see \`lance config check\`)`;
    super(`${first?.message ?? 'The configuration cannot be used.'}${others}`, {
      code: 'CONFIG_INVALID',
      hint: first?.hint,
      exitCode: ExitCode.usage,
    });
    this.problems = problems;
  }
}

/** What to do about a flag or variable that cannot be read. */
const SPELLING =
  'Correct it there; `lance config show` prints every key with the value in force and where it came from.';

/** The configuration in force. Throws ConfigError when anything in it is wrong. */
export function loadConfig(sources: Sources = {}): Examined {
  const examined = examineConfig(sources);
  if (examined.problems.length > 0) throw new ConfigError(examined.problems);
  return examined;
}

/** Reads flags, variables, file and defaults, in this precedence, and says all that is wrong instead of throwing. */
export function examineConfig(sources: Sources = {}): Examined {
  const { env = process.env, flags = {}, cwd = process.cwd() } = sources;
  const problems: Problem[] = [];
  const file = findFile(sources.file, env, cwd, problems);
  const toml = file ? readToml(file, problems) : { source: '', tables: {} };
  if (file) problems.push(...unknownKeys(toml, file));
  problems.push(...unknownVariables(env));

  const config: Record<string, Record<string, unknown>> = {};
  const origins = new Map<string, Origin>();
  for (const [section, name, field] of allFields()) {
    const key = `${section}.${name}`;
    const variable = variableOf(section, name);
    const table = toml.tables[section];
    const flag = flags[key];
    let origin: Origin = { kind: 'default' };
    let raw: unknown;
    if (flag?.value !== undefined) {
      origin = { kind: 'flag', name: flag.name };
      raw = field.read(flag.value);
    } else if (env[variable] !== undefined) {
      origin = { kind: 'variable', name: variable };
      raw = field.read(env[variable]);
    } else if (file && isTable(table) && Object.hasOwn(table, name)) {
      origin = { kind: 'file', path: file, line: lineOf(toml.source, section, name) };
      raw = table[name];
    }
    const checked = origin.kind === 'default' ? { value: field.fallback } : check(key, field, raw, origin);
    if ('problem' in checked) problems.push(checked.problem);
    config[section] ??= {};
    config[section][camel(name)] = 'value' in checked ? checked.value : field.fallback;
    origins.set(key, origin);
  }
  problems.push(...contradictions(config as LanceConfig));
  return { file, config: config as LanceConfig, origins, problems, notActive: notActiveYet(origins) };
}

/** Keys that make no sense without each other. */
function contradictions({ tls, auth }: LanceConfig): Problem[] {
  const problem = (key: string, message: string, hint: string): Problem => ({
    key,
    line: undefined,
    message,
    hint,
  });
  const found: Problem[] = [];
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    const [have, lack] = tls.cert === undefined ? ['tls.key', 'tls.cert'] : ['tls.cert', 'tls.key'];
    found.push(problem(lack, `${have} is set and ${lack} is not.`, 'TLS needs both, or neither.'));
  }
  if (tls.clientAuth !== 'none' && tls.ca === undefined) {
    found.push(
      problem(
        'tls.ca',
        `tls.client_auth is "${tls.clientAuth}" and tls.ca is not set.`,
        'Name the authorities.',
      ),
    );
  }
  if (auth.enabled && auth.tokensFile === undefined) {
    found.push(
      problem('auth.tokens_file', 'auth.enabled is true and auth.tokens_file is not set.', 'Name the file.'),
    );
  }
  return found;
}

/** `LANCE_IO_BATCH_SIZE` for `io.batch_size`. */
export function variableOf(section: string, name: string): string {
  return `LANCE_${section}_${name}`.toUpperCase();
}

/** "line 4 of /etc/lance/lance.toml", "the flag --bind". */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'flag':
      return `the flag ${origin.name}`;
    case 'variable':
      return `the variable ${origin.name}`;
    case 'file':
      return origin.line === undefined ? origin.path : `line ${origin.line} of ${origin.path}`;
    case 'default':
      return 'the default';
  }
}

function findFile(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
  problems: Problem[],
): string | undefined {
  const named = given ?? (env.LANCE_CONFIG || undefined);
  if (named === undefined) {
    return [resolve(cwd, 'lance.toml'), '/etc/lance/lance.toml'].find((path) => existsSync(path));
  }
  const path = resolve(cwd, named);
  if (existsSync(path)) return path;
  problems.push({
    key: undefined,
    line: undefined,
    message: `There is no configuration file ${path}${given === undefined ? ', which LANCE_CONFIG names' : ''}.`,
    hint: `Write one with \`lance config init ${named}\`, or leave it out to use the defaults.`,
  });
  return undefined;
}

interface Toml {
  source: string;
  tables: Record<string, unknown>;
}

function readToml(path: string, problems: Problem[]): Toml {
  try {
    const source = readFileSync(path, 'utf8');
    return { source, tables: parse(source) };
  } catch (error) {
    const parsed = error instanceof TomlError;
    const line = parsed ? error.line : undefined;
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    problems.push({
      key: undefined,
      line,
      message: parsed
        ? `Line ${error.line}, column ${error.column} of ${path} is no TOML: ${reason.replace(/^Invalid TOML document: /, '')}.`
        : `${path} cannot be read: ${reason}.`,
      hint: parsed
        ? 'Mend that line; `lance config init -` prints a complete example.'
        : 'Check the path and who may read it.',
    });
    return { source: '', tables: {} };
  }
}

function unknownKeys(toml: Toml, file: string): Problem[] {
  const sections = Object.keys(SCHEMA);
  return Object.entries(toml.tables).flatMap(([section, table]): Problem[] => {
    const line = lineOf(toml.source, section, undefined);
    const place = describeOrigin({ kind: 'file', path: file, line });
    if (!sections.includes(section)) {
      const what = isTable(table) ? `[${section}]` : `"${section}"`;
      return [
        unknown(
          `There is no ${isTable(table) ? 'section' : 'key'} ${what} (${place}).`,
          section,
          line,
          suggestKey(section, isTable(table)),
        ),
      ];
    }
    if (!isTable(table)) {
      return [
        unknown(
          `"${section}" must be a section, written [${section}] (${place}).`,
          section,
          line,
          `[${section}]`,
        ),
      ];
    }
    const names = Object.keys(SCHEMA[section as keyof typeof SCHEMA]);
    return Object.keys(table)
      .filter((name) => !names.includes(name))
      .map((name) => {
        const at = lineOf(toml.source, section, name);
        const where = describeOrigin({ kind: 'file', path: file, line: at });
        const near = didYouMean(name, names) ?? elsewhere(name);
        return unknown(
          `There is no key "${name}" in [${section}] (${where}).`,
          `${section}.${name}`,
          at,
          near,
        );
      });
  });
}

/** What a misspelt section, or a key that stands outside any section, was meant to be. */
function suggestKey(word: string, table: boolean): string | undefined {
  const section = didYouMean(word, Object.keys(SCHEMA));
  return table ? section && `[${section}]` : (elsewhere(word) ?? section);
}

/** The full name of a key that another section has. */
function elsewhere(name: string): string | undefined {
  const found = allFields().find(([, other]) => other === name);
  return found && `${found[0]}.${found[1]}`;
}

function unknown(message: string, key: string, line: number | undefined, near: string | undefined): Problem {
  const hint = near ? `Did you mean ${near}?` : '`lance config init -` prints every key there is.';
  return { key, line, message, hint };
}

function unknownVariables(env: Readonly<Record<string, string | undefined>>): Problem[] {
  const known = allFields().map(([section, name]) => variableOf(section, name));
  const prefixes = Object.keys(SCHEMA).map((section) => `LANCE_${section.toUpperCase()}_`);
  return Object.keys(env)
    .filter((name) => env[name] !== undefined && prefixes.some((prefix) => name.startsWith(prefix)))
    .filter((name) => !known.includes(name))
    .map((name) => {
      const near = didYouMean(name, known);
      return {
        key: undefined,
        line: undefined,
        message: `The variable ${name} names no key of the configuration.`,
        hint: near
          ? `Did you mean ${near}?`
          : 'Variables are called LANCE_SECTION_KEY, such as LANCE_NETWORK_BIND.',
      };
    });
}

function check(
  key: string,
  field: AnyField,
  raw: unknown,
  origin: Origin,
): { value: unknown } | { problem: Problem } {
  const result = field.schema.safeParse(raw);
  if (result.success) return { value: result.data };
  const detail = result.error.issues[0]?.code === 'custom' ? result.error.issues[0].message : '';
  const name = key.slice(key.indexOf('.') + 1);
  const example = `${name} = ${field.write(field.fallback)}`;
  return {
    problem: {
      key,
      line: origin.kind === 'file' ? origin.line : undefined,
      message: `${key} must be ${field.expects}${detail && detail !== 'Invalid input' ? `, and ${detail}` : `, not ${nameValue(raw, field)}`} (${describeOrigin(origin)}).`,
      hint: origin.kind === 'file' ? `Write for instance \`${example}\`.` : SPELLING,
    },
  };
}

/** `the integer 9000`, `the text "yes"`: a value with its TOML type, since the type is often what is wrong. */
function nameValue(raw: unknown, field: AnyField): string {
  if (field.secret) return 'what it is';
  switch (typeof raw) {
    case 'string':
      return `the text ${JSON.stringify(raw)}`;
    case 'number':
    case 'bigint':
      return `the number ${raw}`;
    case 'boolean':
      return `${raw}`;
    default:
      if (Array.isArray(raw)) return `the list ${JSON.stringify(raw)}`;
      return raw instanceof Date ? `the date ${raw.toISOString()}` : 'a table';
  }
}

function notActiveYet(origins: ReadonlyMap<string, Origin>): string[] {
  return NOT_ACTIVE.flatMap((section) => {
    const set = [...origins].filter(([key, { kind }]) => key.startsWith(`${section}.`) && kind !== 'default');
    if (set.length === 0) return [];
    return [
      `[${section}] is not active yet: ${set.map(([key]) => key).join(', ')} ${set.length === 1 ? 'is' : 'are'} valid and without effect.`,
    ];
  });
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
