/** Every example of every help page: it is read by the command it names, and runs, but for the few that steer this machine or load it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LanceNode, ROOT, startNode } from '../harness/node.js';
import { hasProgram, needs } from '../harness/programs.js';
import { tempDir } from '../harness/temp.js';
import { COMMANDS, lanceCommandsIn, parse } from '../support/command-lines.js';

const examples = Object.values(COMMANDS).flatMap(({ id, examples = [] }) =>
  examples.map((example) => ({ id, command: typeof example === 'string' ? example : example.command })),
);

/** Examples that are read, not run, and why. */
const NOT_RUN: readonly (readonly [RegExp, string])[] = [
  [/^lance bench /, 'they load the machine for minutes; test/bench runs them shortened'],
  [/--apply|--revert/, "they steer this machine's interrupts"],
  [/^lance top(?! --once)|--tui/, 'they fill a terminal; test/tui looks at it'],
];

/** What must hold before an example, as a script; a topic `events` with records is there always. */
const GIVEN: Readonly<Record<string, string>> = {
  'topic:create': 'lance topic delete events --yes; lance topic delete logs --yes',
  'config:check': 'lance config init',
};

const dir = tempDir('lance-examples');
const bin = join(dir, 'bin');
/** Files of a node that is not running, with a topic `events`; see `freshFiles`. */
const files = join(dir, 'files');
let node: LanceNode;

const shell = (script: string, cwd: string): ChildProcess =>
  spawn('bash', ['-o', 'pipefail', '-c', script], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // an interrupt reaches all of a pipe, as from a terminal
    env: {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}`,
      HOME: dir,
      LANCE_ENDPOINT: node.endpoint,
      LANCE_ADMIN: node.ready.admin,
      LANCE_ADMIN_BIND: node.ready.admin,
      LANCE_NODE_DATA_DIR: node.dataDir,
      NO_COLOR: '1',
    },
  });

function outputOf(child: ChildProcess) {
  const text = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text.out += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text.err += chunk;
  });
  return text;
}

const endOf = (child: ChildProcess): Promise<number | null> => new Promise((end) => child.on('close', end));

async function run(script: string, cwd: string) {
  const child = shell(script, cwd);
  const text = outputOf(child);
  return { code: await endOf(child), ...text };
}

/** Runs until it has written something to stdout, then ends it by `signal`. */
async function runUntilOutput(script: string, cwd: string, signal: NodeJS.Signals, nudge = '') {
  const child = shell(`exec ${script}`, cwd);
  const text = outputOf(child);
  const ended = endOf(child);
  while (text.out === '' && child.exitCode === null) {
    if (nudge) await run(nudge, cwd);
    await sleep(100);
  }
  child.kill(signal);
  return { code: await ended, ...text };
}

const SEED = "seq 1 200 | lance produce events --create && echo '[]' | lance produce logs --create";

/** Makes `files` when the first example asks for them: some look for records of the last quarter of an hour. */
let made: Promise<void> | undefined;
function freshFiles(): Promise<void> {
  made ??= (async () => {
    const own = await startNode({ dataDir: files });
    expect((await run(`export LANCE_ENDPOINT=${own.endpoint}; ${SEED}`, dir)).code).toBe(0);
    await own.stop();
  })();
  return made;
}

/** A folder of its own for an example, with the files that examples name. */
async function folder(id: string): Promise<string> {
  const cwd = tempDir('lance-example');
  writeFileSync(join(cwd, 'access.log'), 'GET /\nGET /favicon.ico\n');
  writeFileSync(join(cwd, 'events.jsonl'), '{"a":1}\n{"a":2}\n');
  if (id.startsWith('segment:')) await freshFiles();
  if (id.startsWith('segment:')) cpSync(files, join(cwd, 'lance-data'), { recursive: true });
  else if (id !== 'serve') symlinkSync(node.dataDir, join(cwd, 'lance-data'));
  return cwd;
}

beforeAll(async () => {
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'lance'),
    `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'bin/run.js')}" "$@"\n`,
  );
  writeFileSync(join(bin, 'sudo'), '#!/bin/sh\nexec "$@"\n');
  for (const name of ['lance', 'sudo']) chmodSync(join(bin, name), 0o755);
  node = await startNode();
  expect((await run(SEED, dir)).code).toBe(0);
}, 240_000);

afterAll(() => node.stop());

describe('an example of a help page', { timeout: 240_000 }, () => {
  it('is there for every command, and there are many', () => {
    expect(examples.length).toBeGreaterThan(60);
    expect(new Set(examples.map(({ id }) => id)).size).toBe(Object.keys(COMMANDS).length);
  });

  for (const { id, command } of examples) {
    it(`is read as it stands: ${command}`, async () => {
      const commands = lanceCommandsIn(command);
      expect(commands.length).toBeGreaterThan(0);
      for (const words of commands) await parse(words);
    });

    if (NOT_RUN.some(([pattern]) => pattern.test(command))) continue;
    it(`runs: ${command}`, async (context) => {
      needs(context, /\bjq\b/.test(command) && !hasProgram('jq') ? 'jq' : undefined);
      const cwd = await folder(id);
      if (GIVEN[id]) await run(GIVEN[id], cwd);
      if (/-c \/etc\/lance/.test(command)) await run('lance config init', cwd);
      if (id === 'topic:delete') await run('lance topic create events', cwd);
      const own = command.replace(/\/(etc\/lance|tmp|etc\/systemd\/system)\//g, `${cwd}/`);
      if (id === 'serve') {
        const any = own.includes('127.0.0.1:0')
          ? own
          : `${own} --bind 127.0.0.1:0 --admin 127.0.0.1:0 --data-dir data`;
        expect(await runUntilOutput(any, cwd, 'SIGTERM')).toMatchObject({ code: 0 });
      } else if (command.includes('--follow')) {
        const followed = await runUntilOutput(own, cwd, 'SIGINT', 'echo more | lance produce events');
        expect(followed).toMatchObject({ code: 130, err: '' });
        expect(JSON.parse(followed.out.split('\n')[0] ?? '')).toMatchObject({ value: 'more' });
      } else if (command === 'lance topic delete events') {
        const asked = await run(own, cwd);
        expect([asked.code, asked.err]).toEqual([2, expect.stringContaining('Add --yes.')]);
      } else {
        const ran = await run(own, cwd);
        expect(ran.code, `${ran.out}${ran.err}`).toBe(0);
      }
      if (id === 'topic:create') await run('seq 1 200 | lance produce events --create', cwd);
      if (id === 'topic:delete') await run('seq 1 200 | lance produce events --create', cwd);
    });
  }
});
