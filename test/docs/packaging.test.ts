/** What packaging/ offers: the systemd unit, the container file, and a node behind the walls that both put up. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { tooFewFiles } from '../../src/server/open-files.js';
import { type Ready, ROOT, runLance, startNode } from '../harness/node.js';
import { freePort } from '../harness/ports.js';
import { hasProgram, missingForMounts, needs } from '../harness/programs.js';
import { tempDir } from '../harness/temp.js';

const RUN = join(ROOT, 'bin', 'run.js');
const packaging = (name: string) => readFileSync(join(ROOT, 'packaging', name), 'utf8');
const unit = packaging('lance.service');

/** The values of a key of the unit. */
const valuesOf = (key: string): string[] =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value ?? '');

function run(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, output: stdout + stderr };
}

/** The unit with a `lance` that is there: systemd looks for the program, and it is not installed here. */
function unitForThisMachine(): string {
  const bin = join(tempDir('lance-unit'), 'bin');
  mkdirSync(bin);
  symlinkSync(RUN, join(bin, 'lance'));
  const file = join(bin, '..', 'lance.service');
  writeFileSync(file, unit.replace('/usr/local/bin/', `${bin}/`));
  return file;
}

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
});

/** Starts a program whose first line of stdout is a node's ready event. */
async function readyAfter(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  children.push(child);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ended = new Promise<number | null>((end) => child.on('close', end));
  const lines = createInterface({ input: child.stdout });
  // With --json an error is a document on stdout: part of what explains a failure.
  lines.on('line', (text) => {
    log += `${text}\n`;
  });
  const line = await new Promise<string>((done) => {
    lines.once('line', done);
    lines.once('close', () => done(''));
  });
  // The log comes through another pipe: what stood in it before that line has been read after this turn of the loop.
  await new Promise((turn) => setImmediate(turn));
  expect(line, log).toContain('"event":"ready"');
  return { child, ended, ready: JSON.parse(line) as Ready, log: () => log };
}

/** Names of all system calls in a systemd group, groups within it included. */
function systemCalls(group: string): string[] {
  const { output } = run('systemd-analyze', ['syscall-filter', group]);
  const words = output
    .split('\n')
    .slice(1)
    .map((word) => word.trim());
  return words.flatMap((word) =>
    word.startsWith('@') ? systemCalls(word) : /^\w+$/.test(word) ? [word] : [],
  );
}

const serveArgs = (dataDir: string) =>
  ['serve', '--data-dir', dataDir, '--bind', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--json'] as const;
const seccomp = join(ROOT, 'test', 'harness', 'seccomp.py');
const missingForSeccomp = hasProgram('python3')
  ? existsSync('/usr/include/x86_64-linux-gnu/asm/unistd_64.h')
    ? undefined
    : "the kernel's headers (linux-libc-dev)"
  : 'python3';
const missingSystemd = hasProgram('systemd-analyze') ? undefined : 'systemd-analyze (Debian: systemd)';

describe('the systemd unit', { timeout: 240_000 }, () => {
  it('has no line that systemd does not understand', (context) => {
    needs(context, missingSystemd);
    expect(run('systemd-analyze', ['--man=no', 'verify', unitForThisMachine()])).toEqual({
      status: 0,
      output: '',
    });
  });

  it('is rated hardened by systemd: an exposure of 2 or less', (context) => {
    needs(context, missingSystemd);
    const rated = run('systemd-analyze', [
      'security',
      '--offline=yes',
      '--threshold=20',
      unitForThisMachine(),
    ]);
    expect(rated.status, rated.output).toBe(0);
  });

  it('starts `lance serve` with flags that it has, and waits longer than a drain may take', async () => {
    const [program, command, ...flags] = (valuesOf('ExecStart')[0] ?? '').split(' ');
    expect([program, command]).toEqual(['/usr/local/bin/lance', 'serve']);
    const { stdout } = await runLance(['serve', '--help']);
    for (const flag of flags.filter((word) => word.startsWith('-'))) expect(stdout).toContain(flag);
    const { stdout: shown } = await runLance(['config', 'show', '--json']);
    const { values } = JSON.parse(shown) as { values: { key: string; value: string }[] };
    expect(values.find(({ key }) => key === 'drain.timeout')?.value).toBe('"30s"');
    expect(valuesOf('TimeoutStopSec')).toEqual(['60s']);
  });

  it('keeps walls behind which a node works: no privileges, a read-only system, its system calls, sd_notify', async (context) => {
    needs(context, missingSystemd ?? missingForSeccomp ?? missingForMounts());
    needs(context, hasProgram('setpriv') ? undefined : 'setpriv');
    const dataDir = join(tempDir('lance-walls'), 'data');
    mkdirSync(dataDir, { mode: 0o777 });
    chmodSync(dataDir, 0o777);
    chmodSync(join(dataDir, '..'), 0o755);
    const socket = join(dataDir, 'notify');
    const heard: string[] = [];
    const listen = `import socket, sys, os
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); print("bound", flush=True)
while True: print(s.recv(4096).decode().strip().replace("\\n", " "), flush=True)`;
    const manager = spawn('python3', ['-c', listen, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(manager);
    const told = createInterface({ input: manager.stdout });
    await new Promise((bound) => told.once('line', bound));
    told.on('line', (line: string) => heard.push(line));

    const filter = valuesOf('SystemCallFilter').flatMap(systemCalls);
    expect(filter).toContain('io_uring_setup');
    const walls = [
      `mount --bind '${dataDir}' '${dataDir}'`,
      'mount -o remount,bind,ro /',
      `exec python3 '${seccomp}' allow ${filter.join(' ')} -- setpriv --reuid=65534 --regid=65534 --clear-groups ` +
        `--no-new-privs --inh-caps=-all --bounding-set=-all "$@"`,
    ];
    const { child, ended, ready, log } = await readyAfter(
      'unshare',
      ['--mount', 'sh', '-ec', walls.join('\n'), 'sh', process.execPath, RUN, ...serveArgs(dataDir)],
      { NOTIFY_SOCKET: socket, HOME: '/nonexistent' },
    );
    expect(ready.backend, log()).toBe('io_uring');
    const status = readFileSync(`/proc/${ready.pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\s+65534/m);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
    const at = ['--endpoint', ready.lwp];
    expect((await runLance(['produce', 'events', '--create', ...at], { input: 'a\nb\n' })).code).toBe(0);
    expect((await runLance(['consume', 'events', ...at])).stdout).toBe('a\nb\n');
    child.kill('SIGTERM');
    expect(await ended, log()).toBe(0);
    for (let waited = 0; heard.length < 2 && waited < 1_000; waited++) await sleep(50);
    manager.kill();
    expect(heard).toEqual([`READY=1 STATUS=serving on ${ready.lwp}`, 'STOPPING=1 STATUS=draining']);
    expect(log()).not.toMatch(/"level":"(warn|error)"/);
  });

  it('makes the account that it runs under', (context) => {
    needs(context, hasProgram('systemd-sysusers') ? undefined : 'systemd-sysusers (Debian: systemd)');
    const root = tempDir('lance-root');
    mkdirSync(join(root, 'etc'));
    const made = run('systemd-sysusers', [`--root=${root}`, join(ROOT, 'packaging', 'lance.sysusers')]);
    expect(made.status, made.output).toBe(0);
    expect(readFileSync(join(root, 'etc', 'passwd'), 'utf8')).toMatch(
      /^lance:.*:\/var\/lib\/lance:\/usr\/sbin\/nologin$/m,
    );
    expect([valuesOf('User'), valuesOf('Group')]).toEqual([['lance'], ['lance']]);
  });
});

describe('a node whose limits are low', { timeout: 240_000 }, () => {
  it('serves, and says which limit to raise in the words of docs/operations.md', async (context) => {
    needs(context, hasProgram('setpriv') && hasProgram('prlimit') ? undefined : 'prlimit and setpriv');
    needs(context, process.getuid?.() === 0 ? undefined : 'root, to become somebody else');
    const dataDir = join(tempDir('lance-low'), 'data');
    mkdirSync(dataDir);
    chmodSync(dataDir, 0o777);
    chmodSync(join(dataDir, '..'), 0o755);
    const { child, ended, ready, log } = await readyAfter('prlimit', [
      ...['--memlock=65536', '--nofile=4096', 'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
      ...['--inh-caps=-all', '--bounding-set=-all', process.execPath, RUN],
      ...serveArgs(dataDir),
    ]);
    const page = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8').replaceAll('N open', '4096 open');
    for (const said of [
      'memory: slabs and counters are not locked',
      'io_uring does not serve: too little memory may be locked for its rings',
      'limits.connections is 8192, and 4096 open files (RLIMIT_NOFILE) leave room for about ',
    ]) {
      expect(log()).toContain(said);
      expect(page).toContain(said);
    }
    expect((await runLance(['topic', 'list', '--endpoint', ready.lwp])).code).toBe(0);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('is not warned of open files where there are enough, or nobody knows', () => {
    const limits = (files: number) =>
      `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${files}  ${files}  files\n`;
    expect(tooFewFiles(8192, limits(20_000))).toBeUndefined();
    expect(tooFewFiles(8192, undefined)).toBeUndefined();
    expect(tooFewFiles(8192, limits(1024))).toContain('room for about 314:');
    expect(tooFewFiles(8192, limits(100))).toContain('room for about 0:');
  });
});

describe('the kernel settings', () => {
  it('are settings that this kernel has', () => {
    const names = [...packaging('lance.sysctl').matchAll(/^([a-z][\w.]+) = \d+$/gm)].map(
      ([, name]) => name ?? '',
    );
    expect(names.length).toBeGreaterThan(3);
    // The one that came with Linux 6.6.
    const older = names.filter((name) => name !== 'kernel.io_uring_disabled');
    for (const name of older) expect(existsSync(`/proc/sys/${name.replaceAll('.', '/')}`), name).toBe(true);
  });
});

describe('the container file', { timeout: 240_000 }, () => {
  const instructions = packaging('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      return { name, rest };
    });
  const of = (name: string) => instructions.filter((one) => one.name === name).map(({ rest }) => rest);
  const env = Object.fromEntries(
    of('ENV').flatMap((rest) => rest.split(/\s+/).map((pair) => pair.split('='))),
  );

  it('consists of instructions that Docker knows, on a Node that the package accepts', () => {
    const known = 'FROM COPY RUN USER WORKDIR ENV VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD'.split(
      ' ',
    );
    expect(instructions.filter(({ name }) => !known.includes(name))).toEqual([]);
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const [, major] = /^node:(\d+)-bookworm/.exec(of('FROM')[0] ?? '') ?? [];
    expect(Number(major)).toBeGreaterThanOrEqual(Number(/\d+/.exec(engines.node)?.[0]));
    for (const command of of('RUN').flatMap((rest) => rest.split('&&'))) {
      expect(hasProgram(command.trim().split(' ')[0] ?? ''), command).toBe(true);
    }
  });

  it('sets variables that are keys of the configuration, in force when it starts', async () => {
    const { code, stdout } = await runLance(['config', 'show', '--json'], { env });
    expect(code).toBe(0);
    for (const value of Object.values(env)) expect(stdout).toContain(value);
    expect(of('EXPOSE')).toEqual(['1992 1993']);
    expect(of('VOLUME')).toEqual([env.LANCE_NODE_DATA_DIR]);
    expect([...of('ENTRYPOINT'), ...of('CMD')]).toEqual(['["lance"]', '["serve"]']);
  });

  it('asks for the health of a node in a way that tells a live one from a dead one', async () => {
    const [, list = '[]'] = /CMD (\[.*\])$/.exec(of('HEALTHCHECK')[0] ?? '') ?? [];
    const node = await startNode({ admin: `127.0.0.1:${await freePort()}` });
    const [program = '', ...args] = (JSON.parse(list) as string[]).map((word) =>
      word.replace('127.0.0.1:1993', node.ready.admin),
    );
    expect(run(program, args)).toEqual({ status: 0, output: '' });
    await node.kill();
    expect(run(program, args)).toEqual({ status: 1, output: '' });
  });

  it('works under a seccomp profile without io_uring, such as Docker has by default, and says so', async (context) => {
    needs(context, missingForSeccomp);
    const denied = ['io_uring_setup', 'io_uring_enter', 'io_uring_register'];
    const { child, ended, ready, log } = await readyAfter('python3', [
      ...[seccomp, 'deny', ...denied, '--', process.execPath, RUN],
      ...serveArgs(tempDir()),
    ]);
    expect(ready.backend).toBe('pwritev2');
    expect(log()).toContain('io_uring does not serve: the kernel has no io_uring or forbids it');
    const at = ['--endpoint', ready.lwp];
    expect((await runLance(['produce', 'events', '--create', ...at], { input: 'a\nb\n' })).code).toBe(0);
    expect((await runLance(['consume', 'events', ...at])).stdout).toBe('a\nb\n');
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});
