import { CORPUS, type Damage } from './corpus.js';

/** The table of docs/segments.md. */
export function corpusTable(): string {
  const rows = Object.entries(CORPUS).flatMap(([part, all]) =>
    all.map(
      (one, n) =>
        `| ${n === 0 ? part : ''} | ${one.name} | \`${one.finds}\` | ${repairWords(one)} | ${serveWords(one)} |`,
    ),
  );
  return [
    '| in | what is wrong | inspect and verify | repair | serve |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function repairWords({ repair }: Damage): string {
  return { whole: 'whole again', left: 'left, exit 3', refuses: 'refuses, exit 1' }[repair];
}

function serveWords({ serve, closed }: Damage): string {
  if (serve === 'refuses') return 'refuses to start';
  const says = serve === 'silent' ? '' : `; logs \`${serve.says}\``;
  return `comes up${says}${closed ? '; the topic takes no writes' : ''}`;
}
