/** Completion as a person has it: TAB in a real bash and a real zsh on a terminal, in a home of their own. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pty from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LanceNode, ROOT, runLance, startNode } from '../harness/node.js';
import { hasProgram, needs } from '../harness/programs.js';
import { tempDir } from '../harness/temp.js';
import { lance } from '../support/cli.js';

const PATIENCE_MS = 90_000;
const home = tempDir('lance-home');
let node: LanceNode;

/** How each shell is started without anybody's own settings, and made to list candidates without a question. */
const SHELLS = {
  bash: {
    args: ['--norc', '--noprofile', '-i'],
    setUp:
      "PS1='> '; bind 'set bell-style none'; bind 'set completion-query-items 0'; bind 'set page-completions off'",
  },
  zsh: {
    args: ['-f', '-i'],
    setUp: "PS1='> '; LISTMAX=1000; unsetopt beep; autoload -Uz compinit; compinit -u -D",
  },
};

beforeAll(async () => {
  const bin = join(home, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'lance'),
    `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'bin/run.js')}" "$@"\n`,
  );
  chmodSync(join(bin, 'lance'), 0o755);
  mkdirSync(join(home, 'lance-data'));
  writeFileSync(join(home, 'access.log'), '');
  node = await startNode();
  for (const name of ['orders-2026', 'clicks']) {
    await runLance(['topic', 'create', name, '--endpoint', node.endpoint]);
  }
}, 240_000);
afterAll(() => node.stop());

/** A shell on a terminal. */
class Shell {
  readonly #screen = new xterm.Terminal({ cols: 120, rows: 60, allowProposedApi: true });
  readonly #child: pty.IPty;

  constructor(readonly name: keyof typeof SHELLS) {
    this.#child = pty.spawn(name, SHELLS[name].args, {
      cols: 120,
      rows: 60,
      cwd: home,
      name: 'xterm',
      env: {
        HOME: home,
        PATH: `${join(home, 'bin')}:${process.env.PATH}`,
        TERM: 'xterm',
        LANG: 'C.UTF-8',
        LANCE_ENDPOINT: node.endpoint,
      },
    });
    this.#child.onData((data) => this.#screen.write(data));
  }

  get text(): string {
    const { active } = this.#screen.buffer;
    const lines = Array.from({ length: 60 }, (_, y) => active.getLine(y)?.translateToString(true) ?? '');
    return lines.join('\n').trimEnd();
  }

  /** Types, and waits until the screen is as wanted. */
  async type(keys: string, wanted: (text: string) => boolean): Promise<void> {
    this.#child.write(keys);
    for (const end = Date.now() + PATIENCE_MS; !wanted(this.text); ) {
      if (Date.now() > end) throw new Error(`after ${JSON.stringify(keys)} ${this.name} shows\n${this.text}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** Sets the completion up as `lance autocomplete` says. */
  async ready(): Promise<void> {
    const { setUp } = SHELLS[this.name];
    await this.type(`${setUp}; source <(lance autocomplete ${this.name}); echo set''up\r`, (text) =>
      /^setup$/m.test(text),
    );
  }

  /** An empty line on an empty screen. */
  clear(): Promise<void> {
    return this.type('\x15\x0c', (text) => text === '>');
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

describe.each(Object.keys(SHELLS) as (keyof typeof SHELLS)[])('in %s', { timeout: 240_000 }, (name) => {
  it('TAB completes commands, flags behind arguments, what flags take, files, and the topics of the node', async (context) => {
    needs(context, hasProgram(name) ? undefined : name);
    const shell = new Shell(name);
    try {
      await shell.ready();
      for (const [typed, line] of [
        ['lance supp', 'lance support-bundle'],
        ['lance topic cre', 'lance topic create'],
        ['lance consume clicks --fr', 'lance consume clicks --from'],
        ['lance topic create new --dur', 'lance topic create new --durability'],
        ['lance topic create new --durability w', 'lance topic create new --durability written'],
        ['lance produce clicks --format=bl', 'lance produce clicks --format=blob'],
        ['lance produce clicks --file acc', 'lance produce clicks --file access.log'],
        ['lance serve --data-dir la', 'lance serve --data-dir lance-data/'],
        ['lance segment verify acc', 'lance segment verify access.log'],
        ['lance topic describe ord', 'lance topic describe orders-2026'],
        ['lance consume --count 3 cl', 'lance consume --count 3 clicks'],
      ]) {
        await shell.clear();
        await shell.type(`${typed}\t`, (text) => text.trimEnd() === `> ${line}`);
      }
      for (const [typed, candidates] of [
        ['lance ', ['serve', 'topic', 'produce', 'consume', 'top', 'topology', 'autocomplete', 'help']],
        ['lance topic ', ['create', 'delete', 'describe', 'list', 'set']],
        ['lance produce x --format ', ['lines', 'json', 'blob']],
        [
          'lance topic set clicks --',
          ['--max-age', '--max-bytes', '--durability', '--json', '--endpoint', '--help'],
        ],
        ['lance consume ', ['clicks', 'orders-2026', 'default']],
      ] as const) {
        await shell.clear();
        await shell.type(`${typed}\t\t`, (text) => {
          const words = text.split('\n').slice(1).join(' ').split(/\s+/);
          return candidates.every((candidate) => words.includes(candidate));
        });
      }
    } finally {
      shell.end();
    }
  });
});

describe('lance autocomplete', { timeout: 240_000 }, () => {
  it('without a shell says what to do for each, and refuses one that it does not know', async () => {
    const { code, stdout } = await lance(['autocomplete']);
    expect(code).toBe(0);
    expect(stdout).toContain("echo 'source <(lance autocomplete bash)' >> ~/.bashrc");
    expect(stdout).toContain("echo 'source <(lance autocomplete zsh)' >> ~/.zshrc");
    const fish = await lance(['autocomplete', 'fish']);
    expect([fish.code, fish.stderr]).toEqual([2, expect.stringContaining('one of: bash, zsh')]);
  });
});
