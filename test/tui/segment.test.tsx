/** The segment browser: its screen as a rendered frame, and the whole of it in a real terminal on a damaged file. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderToString } from 'ink';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrowserScreen } from '../../src/tui/segment/screen.js';
import { ROOT } from '../harness/node.js';
import { type SeededDirectory, seededDirectory } from '../harness/seeded-directory.js';
import { readSegment } from '../harness/segment-file.js';
import { flipBit } from '../harness/spoil.js';
import { segmentPaths } from '../harness/topic-files.js';

const socket = `lance-test-${process.pid}`;
const tmux = (...args: string[]) => spawnSync('tmux', ['-L', socket, ...args], { encoding: 'utf8' });
const hasTmux = tmux('-V').status === 0;

afterAll(() => {
  tmux('kill-server');
});

async function until(shown: RegExp): Promise<string> {
  let screen = '';
  for (let look = 0; look < 500; look++) {
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
      for (const part of ['> ! bytes 5 to 9', '00000005  aa', 'search: x_', 'up/down'])
        expect(text).toContain(part);
      expect(text).not.toContain('\u001b');
    },
  );
});

describe.skipIf(!hasTmux)('the browser in a terminal (needs tmux)', () => {
  let directory: SeededDirectory;
  beforeAll(async () => {
    directory = await seededDirectory('drained');
  });

  it('shows damage in place with its bytes, jumps, searches, survives wild keys and leaves with q', {
    timeout: 180_000,
  }, async () => {
    const path = segmentPaths(directory.dataDir, 'small')[0] as string;
    const second = readSegment(path).batches[1]?.position ?? 0;
    flipBit(path, second + 200);
    // Ink draws nothing until the end where it believes to be in CI.
    const command = `env -u CI ${process.execPath} ${join(ROOT, 'bin/run.js')} segment inspect ${path} --tui; echo "left with $?"; sleep 60`;
    tmux('new-session', '-d', '-x', '90', '-y', '24', command);
    await until(/1 segments/);
    tmux('send-keys', 'Enter');
    const batches = await until(/! bytes/);
    expect(batches).toContain(`! bytes ${second} to `);
    expect(batches).toContain('payload checksum does not hold');
    tmux('send-keys', 'j');
    await until(new RegExp(second.toString(16).padStart(8, '0')));
    tmux('send-keys', 'g');
    await until(/jump to/);
    tmux('send-keys', '-l', 'record:205');
    await until(/record:205_/);
    tmux('send-keys', 'Enter');
    await until(/> 205 /);
    tmux('send-keys', '/');
    await until(/search:/);
    tmux('send-keys', '-l', '102/250/');
    await until(/250\/_/);
    tmux('send-keys', 'Enter');
    await until(/> 250 /);
    tmux('send-keys', '?');
    await until(/Red lines/);
    tmux('resize-window', '-x', '60', '-y', '16');
    tmux('send-keys', '-l', randomBytes(400).toString('base64').replaceAll('q', ''));
    await sleep(500);
    for (const key of ['Escape', 'Escape', 'Escape', 'Up', 'PageDown', 'F5', 'Home', 'Escape'])
      tmux('send-keys', key);
    await sleep(300);
    for (let tries = 0; tries < 20 && !/left with/.test(tmux('capture-pane', '-p').stdout); tries++) {
      tmux('send-keys', 'Escape');
      await sleep(200);
      tmux('send-keys', 'q');
      await sleep(200);
    }
    await until(/left with 0/);
  });
});
