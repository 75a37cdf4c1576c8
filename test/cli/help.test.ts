/** What a person sees who asks for help, or mistypes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HELP_GROUPS, START_HERE } from '../../src/cli/help-groups.js';
import { ROOT } from '../harness/node.js';
import { lance } from '../support/cli.js';
import { COMMANDS, commandOf, lanceCommandsIn, parse, unknownNames } from '../support/command-lines.js';

describe('lance alone, and lance --help', { timeout: 240_000 }, () => {
  it('say where to start, then every command by what it is for, in 80 columns', async () => {
    const [alone, asked] = [await lance([]), await lance(['--help'])];
    expect([alone.code, asked.code]).toEqual([0, 0]);
    expect(alone.stdout).toBe(asked.stdout);
    const lines = asked.stdout.split('\n');
    expect(lines[0]).toBe('START HERE');
    expect(lines.slice(1, 3)).toEqual([
      '  # a node on 127.0.0.1:1992, its data in ./lance-data',
      '  $ lance serve',
    ]);
    for (const { title, commands } of HELP_GROUPS) {
      const from = lines.indexOf(title);
      expect(from, title).toBeGreaterThan(0);
      const group = lines.slice(from + 1, lines.indexOf('', from));
      for (const id of commands) {
        expect(
          group.some((line) => line.startsWith(`  ${id.replaceAll(':', ' ')} `)),
          id,
        ).toBe(true);
      }
    }
    const wide = lines.filter((line) => line.length > 80 && !line.includes(ROOT));
    expect(wide).toEqual([]);
  });

  it('have the short ways that people try', async () => {
    expect((await lance(['-h'])).stdout).toBe((await lance(['help'])).stdout);
    for (const flag of ['-v', '-V', '--version']) {
      expect((await lance([flag])).stdout).toMatch(/^lance\/\d+\.\d+\.\d+ linux-\w+ node-v\d+/);
    }
  });

  it('leave no command out, and name none twice', () => {
    const shown = HELP_GROUPS.flatMap(({ commands }) => commands);
    expect(new Set(shown).size).toBe(shown.length);
    const missing = Object.keys(COMMANDS).filter(
      (id) => !shown.includes(id) && !shown.includes(id.split(':')[0] ?? ''),
    );
    expect(missing).toEqual([]);
  });

  it('start with commands that are read as they stand', async () => {
    for (const { command } of START_HERE) for (const words of lanceCommandsIn(command)) await parse(words);
  });
});

describe('help about one thing', { timeout: 240_000 }, () => {
  it('is the same by `help` and `--help`, an example first', async () => {
    const [help, flag] = [
      await lance(['help', 'topic', 'create']),
      await lance(['topic', 'create', '--help']),
    ];
    expect(help.stdout).toBe(flag.stdout);
    expect(help.stdout).toMatch(/^ {2}# .*\n {2}\$ lance topic create events\n/);
  });

  it('of a topic shows an example of each command', async () => {
    for (const args of [['segment'], ['segment', '--help'], ['help', 'segment']]) {
      const { code, stdout } = await lance(args);
      expect([args, code]).toEqual([args, 0]);
      for (const verb of ['inspect', 'verify', 'repair', 'export'])
        expect(stdout).toContain(`$ lance segment ${verb} `);
    }
  });
});

describe('a word that is no command', { timeout: 240_000 }, () => {
  it.each([
    [['hlep'], 'hlep is not a command of lance.', 'Did you mean `lance help`?'],
    [['prodcue', 'events'], 'prodcue events is not a command of lance.', 'Did you mean `lance produce`?'],
    [
      ['topci', 'create', 'x'],
      'topci create is not a command of lance.',
      'Did you mean `lance topic create`?',
    ],
    [['topic', 'delet', 'x'], 'topic delet is not a command of lance.', 'Did you mean `lance topic delete`?'],
    [['help', 'tpoic'], 'tpoic is not a command of lance.', 'Did you mean `lance topic`?'],
    [['topic', 'zzz'], 'topic zzz is not a command of lance.', '`lance topic --help` lists its commands.'],
    [['version'], 'version is not a command of lance.', '`lance --version` tells it.'],
    [['--hlep'], '--hlep is not a flag of lance.', '`lance --help` lists the commands.'],
    [['xyzzyxyzzy'], 'xyzzyxyzzy is not a command of lance.', '`lance --help` lists the commands.'],
  ])('%j ends with 2, once, with the nearest one', async (args, said, hint) => {
    expect(await lance(args)).toMatchObject({ code: 2, stdout: '', stderr: `Error: ${said}\n${hint}\n` });
  });
});

describe('the README and docs/', () => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
  ];
  it.each(pages.filter((name) => name.endsWith('.md')))(
    '%s names no command and no flag that is not there',
    (page) => {
      const text = readFileSync(join(ROOT, page), 'utf8');
      const fenced = [...text.matchAll(/^```(?:sh.*)?\n([\s\S]*?)^```/gm)].map(([, code = '']) => code);
      const inline = [
        ...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`((?:npx |sudo )?lance [^`]*)`/g),
      ].map(([, code = '']) => code);
      const commands = [...fenced, ...inline].flatMap(lanceCommandsIn);
      // `lance bench`, `lance segment inspect|verify`: a name alone is prose.
      const named = commands.filter(
        (words) => commandOf(words) || words.some((word) => word.startsWith('-')),
      );
      expect(named.flatMap(unknownNames)).toEqual([]);
    },
  );
});
