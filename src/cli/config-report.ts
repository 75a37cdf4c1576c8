import { ConfigError, type Examined, type InForce, type MachineFinding } from '../config/index.js';
import { table } from './table.js';

/** What `lance config check` says, for machines and for people. */
export function describeCheck(
  { file, problems, notActive }: Examined,
  warnings: readonly MachineFinding[],
): { document: Record<string, unknown>; text: string } {
  const first = problems.length > 0 ? new ConfigError(problems) : undefined;
  const error = first && { error: { code: first.code, message: first.message, hint: first.hint } };
  const valid = problems.length === 0;
  const document = { ...error, file: file ?? null, valid, problems, warnings, notActive };
  const name = file ?? 'The configuration (defaults and variables; there is no file)';
  const text = [
    ...problems.map(({ message, hint }) => `Error: ${withHint(message, hint)}`),
    ...warnings.map(({ key, message, hint }) => `Warning: ${key}: ${withHint(message, hint)}`),
    ...notActive.map((note) => `Note: ${note}`),
    valid
      ? `${name} is valid.`
      : `${name} has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}.`,
  ].join('\n');
  return { document, text };
}

/** What `lance config show` says to people: a table by section. */
export function describeInForce(file: string | undefined, values: readonly InForce[]): string {
  const rows = values.map(({ key, value, origin }) => [key, value ?? '(none)', origin]);
  return `${file ? `# from ${file}` : '# no configuration file'}\n${table(['KEY', 'VALUE', 'FROM'], rows)}`;
}

function withHint(message: string, hint: string | undefined): string {
  return hint ? `${message} ${hint}` : message;
}
