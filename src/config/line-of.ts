/**
 * The line, from 1, on which `section.name` is written in TOML source that is known to parse; the section's own line
 * when `name` is undefined. undefined when it is written in a way that is not looked for (inline tables, quoted keys).
 */
export function lineOf(source: string, section: string, name: string | undefined): number | undefined {
  let current = '';
  for (const [index, line] of source.split('\n').entries()) {
    const header = /^\s*\[\s*([\w-]+)\s*\]/.exec(line);
    if (header) {
      current = header[1] ?? '';
      if (name === undefined && current === section) return index + 1;
      continue;
    }
    const key = /^\s*([\w-]+)(?:\s*\.\s*([\w-]+))?\s*=/.exec(line);
    if (!key) continue;
    const [, first, second] = key;
    if (current === '' && first === section && (name === undefined || second === name)) return index + 1;
    if (current === section && name !== undefined && first === name && second === undefined) return index + 1;
  }
  return undefined;
}
