/** The segment browser: its screen as a rendered frame, and the whole of it in a real terminal on a damaged file. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderToString } from 'ink';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrowserScreen } from '../../src/tui/segment/screen.js';
import { ROOT, runLance } from '../harness/node.js';
import { type SeededDirectory, seededDirectory } from '../harness/seeded-directory.js';
import { readSegment } from '../harness/segment-file.js';
import { flipBit, truncate } from '../harness/spoil.js';
import { tempDir } from '../harness/temp.js';
import { segmentPaths } from '../harness/topic-files.js';

// A server that is told to end does so a moment later: each terminal has one of its own.
let terminals = 0;
const tmux = (...args: string[]) =>
  spawnSync('tmux', ['-L', `lance-test-${process.pid}-${terminals}`, ...args], { encoding: 'utf8' });
const hasTmux = tmux('-V').status === 0;

afterAll(() => {
  tmux('kill-server');
});

async function until(shown: RegExp): Promise<string> {
  let screen = '';
  for (let look = 0; look < 1_500; look++) {
    screen = tmux('capture-pane', '-p').stdout;
    if (shown.test(screen)) return screen;
    await sleep(100);
  }
  throw new Error(`${shown} did not appear:\n${screen}`);
}

describe("the browser's screen", () => {
  it.each([
    [80, 24],
    [40, 12],
    [200, 60],
  ])(
    'of %i columns and %i rows holds list, bytes, status and keys, and no escape sequence',
    (columns, rows) => {
      const text = renderToString(
        <BrowserScreen
          title="a/segment.lnc"
          heading="  BYTE"
          lines={[
            { text: '0', damage: false },
            { text: 'bytes 5 to 9', damage: true },
          ]}
          cursor={1}
          detail={['  00000005  aa']}
          status="search: x_"
          help={false}
          columns={columns}
          rows={rows}
        />,
        { columns },
      );
      expect(text.split('\n').length).toBe(rows);
      for (const line of text.split('\n')) expect([...line].length).toBeLessThanOrEqual(columns);
      for (const part of ['> ! bytes 5 to 9', '00000005  aa', 'search: x_', 'q quit'])
        expect(text).toContain(part);
      expect(text).not.toContain('\u001b');
    },
  );
});

/** Runs the browser on a path in a terminal of its own; `env` goes before it. */
function browse(path: string, columns: number, rows: number, env: readonly string[] = []): void {
  tmux('kill-server');
  terminals += 1;
  // Ink draws nothing until the end where it believes to be in CI.
  const command = `env -u CI ${env.join(' ')} ${process.execPath} ${join(ROOT, 'bin/run.js')} segment inspect ${path} --tui; echo "left with $?"; sleep 60`;
  tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), command);
}

const press = (...keys: string[]) => {
  for (const key of keys) tmux('send-keys', key);
};

async function ask(key: 'g' | '/', text: string): Promise<void> {
  tmux('send-keys', key);
  await until(key === 'g' ? /jump to/ : /search:/);
  tmux('send-keys', '-l', text);
  await until(new RegExp(`${text.slice(-8)}_`));
  tmux('send-keys', 'Enter');
}

describe.skipIf(!hasTmux)('the browser in a terminal (needs tmux)', () => {
  let directory: SeededDirectory;
  let path: string;
  let batches: readonly { position: number }[];
  beforeAll(async () => {
    directory = await seededDirectory('drained');
    path = segmentPaths(directory.dataDir, 'small')[0] as string;
    ({ batches } = readSegment(path));
    flipBit(path, (batches[5]?.position ?? 0) + 200);
  });
  const damaged = () => batches[5]?.position ?? 0;

  it.each([
    [80, 24],
    [80, 20],
    [200, 50],
  ])(
    'of %i columns and %i rows shows segments, batches, records, and damage in place with the bytes around it',
    {
      timeout: 600_000,
    },
    async (columns, rows) => {
      browse(directory.dataDir, columns, rows);
      const list = await until(/\d+ segments.*q quit/s);
      for (const topic of ['rotated', 'small', 'bystander']) expect(list).toContain(topic);
      expect(list).toMatch(/sealed.*active/s);
      press('End');
      await until(/> .*small/);
      press('Enter');
      await until(/BYTE +OFFSET.*\n> 0 /s);
      press('d');
      const shown = await until(/> ! bytes/);
      expect(shown).toContain(`! bytes ${damaged()} to ${batches[6]?.position}`);
      expect(shown).toContain('payload checksum');
      // Below it the line where it begins is marked, with what is still whole before it.
      const line = Math.floor(damaged() / 16) * 16;
      expect(shown).toContain(`> ${line.toString(16).padStart(8, '0')}  `);
      expect(shown).toContain(`  ${(line - 32).toString(16).padStart(8, '0')}  `);
      expect(shown.split('\n').every((text) => text.length <= columns)).toBe(true);
      press('Enter');
      await until(/HEXADECIMAL.*4c 4e 42 31/s);
      press('Escape');
      await until(/> ! bytes/);
      press('q');
      await until(/left with 0/);
    },
  );

  it('jumps, searches, opens records as bytes and as text, survives wild keys and leaves with q', {
    timeout: 600_000,
  }, async () => {
    browse(path, 110, 30);
    await until(/1 segment/);
    press('Enter');
    await until(/BYTE +OFFSET/);
    await ask('g', 'record:205');
    await until(/> 205 /);
    await ask('g', `byte:${damaged() + 300}`);
    await until(/> ! bytes/);
    await ask('g', 'offset:0');
    await until(/> 0 /);
    await ask('/', '102/350/');
    const found = await until(/> 350 /);
    expect(found).toMatch(/31 30 32 2f 33 35 30 2f/); // 102/350/
    press('x');
    await until(/\n102\/350\//);
    // In one piece, as from a terminal that was not read for a while.
    tmux('send-keys', '-l', 'x\r');
    await until(/HEXADECIMAL/);
    press('Escape');
    await until(/> 350 /);
    await ask('/', 'never there');
    await until(/not found/);
    await ask('g', 'nonsense');
    await until(/is no address/);
    press('?');
    await until(/Lines with !/);
    tmux('resize-window', '-x', '60', '-y', '16');
    tmux('send-keys', '-l', randomBytes(400).toString('base64').replaceAll('q', ''));
    await sleep(500);
    press('Escape', 'Escape', 'Escape', 'Up', 'PageDown', 'F5', 'Home', 'End', 'Escape');
    await sleep(300);
    for (let tries = 0; tries < 20 && !/left with/.test(tmux('capture-pane', '-p').stdout); tries++) {
      press('Escape');
      await sleep(200);
      press('q');
      await sleep(200);
    }
    await until(/left with 0/);
  });

  it('fits another size of the terminal, and shows a file that is cut while it is looked at', {
    timeout: 600_000,
  }, async () => {
    const copy = join(tempDir(), basename(path));
    copyFileSync(path, copy);
    browse(copy, 100, 40);
    await until(/1 segment/);
    press('Enter');
    await until(/BYTE +OFFSET/);
    await until(new RegExp(`\n +${batches[10]?.position} `));
    tmux('resize-window', '-x', '60', '-y', '18');
    await until(/BYTE +OFFSET.*Enter Esc/s);
    tmux('resize-window', '-x', '120', '-y', '45');
    await until(new RegExp(`\n +${batches[11]?.position} `));
    truncate(copy, (batches[3]?.position ?? 0) + 50);
    press('Escape');
    // In one piece with the next key it would be another.
    await until(/1 segment/);
    press('Enter');
    await until(/! bytes .*the file ends inside a batch/);
    press('g');
    await until(/jump to/);
    press('Escape');
    rmSync(copy);
    press('PageDown', 'PageUp', 'Enter', 'Escape', 'Escape', 'q');
    await until(/left with 0/);
  });

  it('draws with ASCII alone and no colour under NO_COLOR and LC_ALL=C, and Ctrl-C is exit 130', {
    timeout: 600_000,
  }, async () => {
    browse(directory.dataDir, 70, 24, ['NO_COLOR=1', 'LC_ALL=C', 'TERM=xterm']);
    await until(/segments.*q quit/s);
    press('End', 'Enter');
    await until(/BYTE +OFFSET/);
    press('d');
    await until(/> ! bytes/);
    const plain = tmux('capture-pane', '-p', '-e').stdout;
    expect(plain).toMatch(/^[\x20-\x7e\n]*$/);
    press('C-c');
    const left = await until(/left with/);
    expect(left).toContain('left with 130');
    expect(left).not.toContain('! bytes'); // the screen from before is back
  });

  it('of no terminal is exit 2, of a directory without segments an empty list', {
    timeout: 240_000,
  }, async () => {
    const refused = await runLance(['segment', 'inspect', path, '--tui']);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('terminal')]);
    browse(join(directory.dataDir, 'journal'), 80, 24);
    await until(/0 segments/);
    press('Enter', 'd', 'Down', 'PageDown');
    await until(/there is no segment/);
    press('q');
    await until(/left with 0/);
  });
});
