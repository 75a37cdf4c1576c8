/** The log of a real node: on a terminal, in a pipe, in a file that is rotated, and where it cannot be written. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pty from '@lydell/node-pty';
import { afterAll, describe, expect, it } from 'vitest';
import { LogFile } from '../../src/server/log-file.js';
import { ROOT, startNode } from '../harness/node.js';
import { hasProgram, needs } from '../harness/programs.js';
import { tempDir } from '../harness/temp.js';

const RUN = join(ROOT, 'bin', 'run.js');
const serveArgs = (dataDir: string) => [
  ...[RUN, 'serve', '--data-dir', dataDir, '--bind', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
];

async function until(done: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !done(); waited++) {
    if (waited > 2_000) throw new Error(`never: ${what}`);
    await sleep(50);
  }
}

const linesOf = (path: string): { msg: string; level: string; time: string }[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** A node on a terminal; gives what it wrote, and closes the terminal under it. */
function onTerminal(dataDir: string, env: Record<string, string> = {}) {
  const child = pty.spawn(process.execPath, serveArgs(dataDir), {
    cols: 160,
    rows: 40,
    name: 'xterm-256color',
    env: { PATH: process.env.PATH ?? '', TERM: 'xterm-256color', ...env },
  });
  let text = '';
  child.onData((data) => {
    text += data;
  });
  const exited = new Promise<number>((end) => child.onExit(({ exitCode }) => end(exitCode)));
  return { child, exited, text: () => text };
}

describe('on a terminal the log', { timeout: 240_000 }, () => {
  it('is for people: a time, a level, a sentence, in colours', async () => {
    const { child, exited, text } = onTerminal(tempDir());
    await until(() => text().includes('ready: clients on'), text());
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
    expect(text()).toMatch(/\[\d\d:\d\d:\d\d\.\d{3}\] /);
    expect(text()).toMatch(/: .*ready: clients on 127\.0\.0\.1:\d+/);
    expect(text()).toContain('\u001b[32mINFO\u001b[39m: ');
    expect(text()).not.toContain('{"level"');
  });

  it('has no colours under NO_COLOR, and is JSON where log.format says so', async () => {
    const plain = onTerminal(tempDir(), { NO_COLOR: '1' });
    await until(() => plain.text().includes('ready: clients on'), plain.text());
    expect(plain.text()).not.toContain('\x1b[');
    plain.child.kill('SIGTERM');
    expect(await plain.exited).toBe(0);
    const json = onTerminal(tempDir(), { LANCE_LOG_FORMAT: 'json' });
    await until(() => json.text().includes('"msg":"ready: clients on'), json.text());
    json.child.kill('SIGTERM');
    expect(await json.exited).toBe(0);
  });

  it('ends with the terminal, and the node drains when somebody closes it', async () => {
    const dataDir = tempDir();
    const { child, text } = onTerminal(dataDir);
    await until(() => text().includes('ready: clients on'), text());
    const { pid } = child;
    (child as pty.IPty & { destroy(): void }).destroy();
    await until(() => !existsSync(`/proc/${pid}`), 'the node ends');
    const said = linesOf(join(dataDir, 'lance.log')).map(({ msg }) => msg);
    expect(said.at(-1)).toBe('drained: everything acknowledged is in its segments');
  });
});

describe('in a pipe the log', { timeout: 240_000 }, () => {
  it('is one JSON document a line, and pretty where log.format says so', async () => {
    const node = await startNode();
    const { stderr } = await node.stop();
    const documents = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(documents.length).toBeGreaterThan(2);
    for (const { level, time, msg } of documents) {
      expect(level).toMatch(/^(info|warn|debug)$/);
      expect(new Date(time).toISOString()).toBe(time);
      expect(msg).toMatch(/\S/);
    }
    const pretty = await startNode({ args: ['--log-format', 'pretty'] });
    expect((await pretty.stop()).stderr).toMatch(/^\[.*\] INFO: .*\n/);
  });

  it('is not flooded: a hundred bad peers are a few lines, which count the others', async () => {
    const node = await startNode();
    const { host, port } = node.lwp;
    for (let i = 0; i < 100; i++) {
      await new Promise((closed) => {
        const socket = createConnection({ host, port }, () => socket.write('GET / HTTP/1.1\r\n\r\n'));
        socket.on('error', () => undefined).on('close', closed);
        socket.resume();
      });
    }
    await sleep(1_100);
    await new Promise((closed) => {
      const socket = createConnection({ host, port }, () => socket.write('GET / HTTP/1.1\r\n\r\n'));
      socket.on('error', () => undefined).on('close', closed);
      socket.resume();
    });
    const { stderr } = await node.stop();
    const said = stderr.split('\n').filter((line) => line.includes('its first bytes are not LWP'));
    const held = said.map((line) => Number(/(\d+) more since the last such line/.exec(line)?.[1] ?? 0));
    expect(said.length + held.reduce((a, b) => a + b, 0)).toBe(101);
    expect(said.length).toBeLessThan(20);
  });
});

describe('a log file', { timeout: 240_000 }, () => {
  it('in the data directory becomes lance.log.1 when it has grown, and nothing is between the two', () => {
    const dir = tempDir();
    const file = new LogFile(100);
    file.write('kept until it is open\n');
    file.open(dir);
    for (let i = 0; i < 20; i++) file.write(`line ${i}\n`);
    const [before, now] = ['lance.log.1', 'lance.log'].map((name) => readFileSync(join(dir, name), 'utf8'));
    expect(`${before}${now}`).toMatch(/line 17\nline 18\nline 19\n$/);
    expect(before?.length).toBeLessThan(120);
  });

  it('that was moved away is opened by its name again at SIGHUP, and the node goes on', async () => {
    const node = await startNode();
    const log = join(node.dataDir, 'lance.log');
    renameSync(log, `${log}.moved`);
    node.signal('SIGHUP');
    // The name is there a moment before its first line is.
    await until(
      () => existsSync(log) && readFileSync(log, 'utf8').includes('\n'),
      'lance.log has a line again',
    );
    expect(linesOf(log)[0]?.msg).toBe('SIGHUP: opened lance.log anew');
    expect((await node.adminGet('/readyz')).status).toBe(200);
    await node.stop();
    expect(linesOf(log).at(-1)?.msg).toContain('drained');
    expect(linesOf(`${log}.moved`).some(({ msg }) => msg.startsWith('ready:'))).toBe(true);
  });

  const children: ChildProcess[] = [];
  afterAll(() => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  });

  /** A node whose stderr is `path`, opened by a shell with >>. */
  async function into(path: string): Promise<{ child: ChildProcess; ended: Promise<number | null> }> {
    const child = spawn(process.execPath, [...serveArgs(tempDir()), '--json'], {
      stdio: ['ignore', 'pipe', openSync(path, 'a')],
    });
    children.push(child);
    const ended = new Promise<number | null>((end) => child.on('close', end));
    await new Promise((ready) => child.stdout?.once('data', ready));
    return { child, ended };
  }

  it('that stderr goes to is rotated by logrotate with packaging/lance.logrotate, and no line is lost or torn', async (context) => {
    needs(context, hasProgram('logrotate') ? undefined : 'logrotate');
    const dir = tempDir();
    const log = join(dir, 'lance.log');
    const { child, ended } = await into(log);
    const rules = readFileSync(join(ROOT, 'packaging', 'lance.logrotate'), 'utf8');
    writeFileSync(join(dir, 'rules'), rules.replaceAll('/var/log/lance.log', log), { mode: 0o644 });
    const rotated = spawnSync('logrotate', ['--force', '--state', join(dir, 'state'), join(dir, 'rules')], {
      encoding: 'utf8',
    });
    expect([rotated.status, rotated.stderr]).toEqual([0, '']);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(linesOf(`${log}.1`).some(({ msg }) => msg.startsWith('ready:'))).toBe(true);
    expect(linesOf(log).map(({ msg }) => msg)).toEqual([
      expect.stringContaining('SIGTERM: draining'),
      expect.stringContaining('drained'),
    ]);
  });

  it('that cannot be written does not end the node', async () => {
    const { child, ended } = await into('/dev/full');
    child.kill('SIGHUP');
    await sleep(300);
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});
