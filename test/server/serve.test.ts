import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import type { Ready } from '../../src/cli/ready.js';
import { readCounters, total } from '../../src/counters/index.js';
import { temporaryFolder } from './support.js';

const entry = resolve(import.meta.dirname, '../../bin/run.js');
const running: ChildProcess[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

/** Starts `lance serve` on free ports; `line` is the first one of stdout, empty when there was none. */
async function serve(
  dataDir: string,
  args: readonly string[] = ['--json'],
  { env = {}, admin = '127.0.0.1:0' }: { env?: Record<string, string>; admin?: string } = {},
) {
  const child = spawn(
    process.execPath,
    [entry, 'serve', '--data-dir', dataDir, '--bind', '127.0.0.1:0', '--admin', admin, ...args],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  running.push(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed = new Promise<number | null>((done) => child.on('close', (code) => done(code)));
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const lines = createInterface({ input: child.stdout });
  const line = await new Promise<string>((done) => {
    lines.once('line', done);
    lines.once('close', () => done(''));
  });
  return { child, line, closed, stdout: () => stdout, stderr: () => stderr };
}

async function ready(dataDir: string) {
  const node = await serve(dataDir);
  const document = JSON.parse(node.line || '{}') as Ready & { event?: string; pid?: number };
  if (document.event !== 'ready') throw new Error(`not ready: ${node.line} ${node.stderr()}`);
  const get = async (path: string) => {
    const response = await fetch(`http://${document.admin}${path}`);
    return { status: response.status, text: await response.text() };
  };
  return { ...node, document, get };
}

// Each test starts processes; on a busy machine they take their time.
describe('lance serve', { timeout: 240_000 }, () => {
  it('says where it serves on the first line, answers health and metrics, and drains with 0', async () => {
    const dataDir = temporaryFolder();
    const { child, document, closed, get, stderr } = await ready(dataDir);
    expect(document).toEqual({
      event: 'ready',
      lwp: expect.stringMatching(/^127\.0\.0\.1:[1-9]\d*$/),
      admin: expect.stringMatching(/^127\.0\.0\.1:[1-9]\d*$/),
      pid: child.pid,
      nodeId: 1,
      dataDir,
      backend: expect.stringMatching(/^(io_uring|pwritev2)$/),
      durability: 'durable',
    });
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
    expect(JSON.parse((await get('/v1/topics')).text).topics).toMatchObject([{ id: 0, name: 'default' }]);
    expect((await get('/metrics')).text).toMatch(/^lance_connections_open.* \d+$/m);
    const { pid } = JSON.parse((await get('/v1/counters')).text);
    expect(pid).toBe(child.pid);
    child.kill('SIGTERM');
    expect(await closed).toBe(0);
    expect(stderr()).toContain('drained');
    const copy = readCounters(readFileSync(join(dataDir, 'counters.lcf')));
    expect(copy.pid).toBe(child.pid);
    expect(total(copy, 'topics')).toBe(1);
    const { counters } = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8'));
    expect(existsSync(counters)).toBe(false);
  });

  it('tells a person where it listens and what to try next', async () => {
    const { child, line, closed, stdout } = await serve(temporaryFolder(), []);
    expect(line).toMatch(/^LANCE .* is ready/);
    child.kill('SIGINT');
    expect(await closed).toBe(0);
    expect(stdout()).toMatch(/clients {2}127\.0\.0\.1:\d+\n/);
    expect(stdout()).toMatch(/lance topic create events --endpoint 127\.0\.0\.1:\d+\n/);
  });

  it('refuses a data directory that a node uses, names the process, and leaves that node alone', async () => {
    const dataDir = temporaryFolder();
    const first = await ready(dataDir);
    const second = await serve(dataDir);
    expect(await second.closed).toBe(1);
    const { error } = JSON.parse(second.line);
    expect(error).toMatchObject({ code: 'DATA_DIR_IN_USE' });
    expect(error.message).toContain(`process ${first.child.pid}`);
    expect((await first.get('/healthz')).status).toBe(200);
    first.child.kill('SIGTERM');
    expect(await first.closed).toBe(0);
  });

  it('takes over the directory of a node that was killed', async () => {
    const dataDir = temporaryFolder();
    const first = await ready(dataDir);
    first.child.kill('SIGKILL');
    await first.closed;
    const second = await ready(dataDir);
    expect(second.document.nodeId).toBe(1);
    second.child.kill('SIGTERM');
    expect(await second.closed).toBe(0);
  });

  it('with its live counters where they can be had, if another user has a file of that name, and drains with 0', async () => {
    const dataDir = temporaryFolder();
    const { dev, ino } = statSync(dataDir, { bigint: true });
    // In place of a file that a sticky /dev/shm keeps for its owner: no rename and no removal goes over it either.
    const taken = `/dev/shm/lance-${dev.toString(16)}-${ino.toString(16)}.lcf`;
    mkdirSync(join(taken, 'kept'), { recursive: true });
    try {
      const node = await ready(dataDir);
      const { counters } = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8'));
      expect(counters).toBe(join(dataDir, 'counters.live.lcf'));
      expect(readCounters(readFileSync(counters)).pid).toBe(node.document.pid);
      node.child.kill('SIGTERM');
      expect(await node.closed, node.stderr()).toBe(0);
      expect([existsSync(counters), existsSync(join(taken, 'kept'))]).toEqual([false, true]);
    } finally {
      rmSync(taken, { recursive: true });
    }
  });

  it('with its admin address in use ends with 1 and says so', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { line, closed } = await serve(temporaryFolder(), ['--json'], {
      admin: `127.0.0.1:${port}`,
    });
    expect(await closed).toBe(1);
    expect(JSON.parse(line).error).toMatchObject({ code: 'ADDRESS_IN_USE' });
    other.close();
  });

  it('reports sections that are not active yet, and tells systemd when it is ready', async () => {
    const { child, stderr, closed } = await serve(temporaryFolder(), ['--json'], {
      env: { LANCE_REPLICATION_MODE: 'L2', NOTIFY_SOCKET: '/nonexistent/socket' },
    });
    child.kill('SIGTERM');
    expect(await closed).toBe(0);
    expect(stderr()).toContain('[replication] is not active yet');
  });
});
