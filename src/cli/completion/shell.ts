import type { Candidates, CommandModel } from './model.js';

/** Text as one word of a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** How the scripts write what a value may be: words, or `@file`, `@directory`, `@topic`, `@nothing`. */
export function written(candidates: Candidates): string {
  return typeof candidates === 'string' ? `@${candidates}` : candidates.join(' ');
}

/**
 * Shell functions that both scripts share, over `$1`, a command's words: `_lance_value COMMAND FLAG` prints what may follow a
 * flag, nothing for one without a value; `_lance_argument COMMAND` what its argument may be; `_lance_is COMMAND` tells
 * whether there is such a command or topic; `_lance_topics` asks the node.
 */
export function sharedFunctions(model: readonly CommandModel[]): string {
  const values = model.flatMap(({ words, flags }) =>
    flags.flatMap(({ names, value }) =>
      value === undefined
        ? []
        : [
            `    ${names.map((name) => quote(`${words} ${name}`)).join('|')}) echo ${quote(written(value))} ;;`,
          ],
    ),
  );
  const known = model.filter(({ words }) => words !== '').map(({ words }) => quote(words));
  const args = model
    .filter(({ argument }) => argument !== 'nothing')
    .map(
      ({ words, argument, repeats }) =>
        `    ${quote(words)}) echo ${quote(`${repeats ? '*' : ''}${written(argument)}`)} ;;`,
    );
  return `_lance_is() {
  case "$1" in
    ${known.join('|')}) return 0 ;;
  esac
  return 1
}

_lance_value() {
  case "$1 $2" in
${values.join('\n')}
  esac
}

_lance_argument() {
  case "$1" in
${args.join('\n')}
  esac
}

_lance_topics() {
  lance topic list --json --timeout 2s 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4
}
`;
}
