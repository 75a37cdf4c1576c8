import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ExitCode, LanceError } from '../errors.js';
import { describeOrigin, type Examined } from './load.js';
import { type AnyField, allFields, camel, NOT_ACTIVE, SCHEMA } from './schema.js';

/** The commented file that `lance config init` writes: every key with what it means and its default, all commented out. */
export function exampleToml(): string {
  const parts = [
    '# lance.toml: the configuration of a LANCE node. Every key is shown with its default; take the # away to change one.',
    '# Sizes are written 256KiB, times 250ms, 30s or 7d. Flags win over variables (LANCE_SECTION_KEY), variables over',
    '# this file. `lance config check` validates it, `lance config show` prints what is in force and why.',
  ];
  for (const [section, fields] of Object.entries(SCHEMA)) {
    parts.push(
      '',
      NOT_ACTIVE.includes(section) ? `[${section}]   # checked, not active yet` : `[${section}]`,
    );
    for (const [name, field] of Object.entries(fields) as [string, AnyField][]) {
      parts.push(`# ${field.about}`, `#${name} = ${field.write(field.fallback)}`);
    }
  }
  return `${parts.join('\n')}\n`;
}

/** One key as it is in force. `value` is TOML, null when the key is absent, and hidden when it is a secret. */
export interface InForce {
  key: string;
  value: string | null;
  origin: string;
}

/** Every key with its value and where that came from. */
export function inForce({ config, origins }: Examined): InForce[] {
  const values = config as unknown as Record<string, Record<string, unknown>>;
  return allFields().map(([section, name, field]) => {
    const key = `${section}.${name}`;
    const value = values[section]?.[camel(name)];
    const origin = origins.get(key) ?? { kind: 'default' };
    const shown = field.secret && value !== undefined ? '"(hidden)"' : field.write(value);
    return {
      key,
      value: value === undefined ? null : shown,
      origin: origin.kind === 'default' ? 'default' : describeOrigin(origin).replace(/^the /, ''),
    };
  });
}

/** Writes the commented file to `path` and returns it absolute. Refuses to replace one unless `force`. */
export async function writeExample(path: string, force: boolean): Promise<string> {
  const file = resolve(path);
  try {
    await writeFile(file, exampleToml(), { flag: force ? 'w' : 'wx' });
    return file;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') {
      throw new LanceError(`${file} is there already.`, {
        code: 'FILE_EXISTS',
        hint: 'Replace it with --force, or name another file.',
        exitCode: ExitCode.failed,
      });
    }
    throw new LanceError(`${file} cannot be written (${code ?? error}).`, {
      code: 'FILE_UNWRITABLE',
      hint: 'Name a file in a directory that is there and that you may write.',
      cause: error,
    });
  }
}
