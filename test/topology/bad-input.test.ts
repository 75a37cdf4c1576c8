import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { JournalFile } from '../../src/topology/apply/journal.js';
import { discover, planFor, readSnapshot } from '../../src/topology/index.js';
import { apply, check, previewApply, revertAll } from '../../src/topology/steer.js';
import { type SurveyRequest, survey } from '../../src/topology/survey.js';
import { MachineBuilder } from './fixtures/builder.js';
import { twoSockets } from './fixtures/machines.js';
import { onDisk, steeringBytes, wholeTree } from './support.js';

const never = new AbortController().signal;
const at = (root: string): SurveyRequest => ({ root, defaultDataDir: '/var/lib/lance' });
const entry = resolve(import.meta.dirname, '../../bin/run.js');

/** `lance topology` as a user who may read only what all may: root reads everything. */
function asNobody(...args: string[]) {
  const user = process.geteuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const ended = spawnSync(process.execPath, [entry, 'topology', '--json', ...args], {
    ...user,
    cwd: '/',
    encoding: 'utf8',
    env: { ...process.env, HOME: '/nonexistent' },
  });
  return { code: ended.status, document: JSON.parse(ended.stdout) };
}

describe('no permission', () => {
  it('to read some files of /sys and /proc makes each a finding that names it, and a plan all the same', () => {
    const root = onDisk(twoSockets());
    chmodSync(root, 0o755);
    const closed = [
      '/proc/irq/59/smp_affinity_list',
      '/sys/devices/system/node/node1/cpulist',
      '/proc/self/limits',
    ];
    for (const path of closed) chmodSync(join(root, path), 0o000);
    const { code, document } = asNobody('--root', root);
    expect(code).toBe(0);
    for (const path of closed)
      expect(document.findings).toContainEqual(
        expect.objectContaining({ supported: false, what: expect.stringContaining(`${path}: `) }),
      );
    expect(document.plan.threads.length).toBeGreaterThanOrEqual(4);
  });

  it('to write the journal ends --apply with exit code 1 before it writes anything', () => {
    const root = onDisk(twoSockets());
    chmodSync(root, 0o755);
    const before = steeringBytes(root);
    const { code, document } = asNobody('--apply', '--root', root);
    expect(code).toBe(1);
    expect(document.error).toMatchObject({ code: 'JOURNAL_UNWRITABLE', hint: expect.any(String) });
    expect(steeringBytes(root)).toEqual(before);
  });
});

describe('files that come and go', () => {
  it('while they are read never end a snapshot', async () => {
    const root = onDisk(twoSockets());
    const spare = join(root, 'spare');
    cpSync(join(root, 'proc/irq'), spare, { recursive: true });
    // Another process takes interrupts and processors away and gives them back, as fast as it can.
    const churn = spawn(
      'sh',
      ['-c', 'while :; do rm -rf proc/irq/6* sys/devices/system/cpu/cpu3*; cp -r spare/6* proc/irq/; done'],
      { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], detached: true },
    );
    try {
      for (let round = 0; round < 40; round += 1) {
        const machine = discover(readSnapshot(root), '/var/lib/lance');
        expect(planFor(machine).threads.length).toBeGreaterThanOrEqual(4);
        await new Promise((done) => setImmediate(done));
      }
    } finally {
      // The shell and what it runs: its `cp` would write on while the folder is removed.
      const ended = new Promise((done) => churn.once('close', done));
      churn.stdout?.resume();
      if (churn.pid !== undefined) process.kill(-churn.pid, 'SIGKILL');
      await ended;
    }
  });
});

describe('more than 1,024 CPUs', () => {
  it('are applied, checked and put back byte for byte', async () => {
    const cpus = Array.from({ length: 1536 }, (_, cpu) => cpu);
    const mask = Array(48).fill('ffffffff').join(',');
    const root = onDisk(
      new MachineBuilder({
        hostname: 'huge',
        kernel: '6.1.0',
        model: 'x',
        online: '0-1535',
        memoryMiB: 1024,
      })
        .cores(
          0,
          cpus.map((cpu) => [cpu]),
        )
        .nodes([
          { cpus: '0-767', memoryMiB: 512, distances: [10, 20] },
          { cpus: '768-1535', memoryMiB: 512, distances: [20, 10] },
        ])
        .nic({
          name: 'eth0',
          pci: ['0000:98:00.0'],
          node: 1,
          driver: 'ice',
          queues: 8,
          vectors: cpus.slice(0, 8).map((queue) => `ice-eth0-TxRx-${queue}`),
          defaultRoute: true,
        }),
    );
    for (const path of steeringBytes(root).keys())
      if (/smp_affinity$/.test(path)) writeFileSync(join(root, path), `${mask}\n`);
    const before = steeringBytes(root);
    const { plan } = await apply(at(root), never);
    expect(plan.threads.find((thread) => thread.role === 'network')?.cpu).toBeGreaterThanOrEqual(768);
    const xps = readFileSync(join(root, 'sys/class/net/eth0/queues/tx-0/xps_cpus'), 'latin1').trim();
    expect(xps.split(',')).toHaveLength(48);
    expect(check(at(root)).checked.drift).toEqual([]);
    await revertAll(root, false);
    expect(steeringBytes(root)).toEqual(before);
  });
});

describe('CPUs that are unplugged', () => {
  it('between two applies leave the new plan without them, and the first state to go back to', async () => {
    const root = onDisk(twoSockets());
    const before = steeringBytes(root);
    await apply(at(root), never);
    writeFileSync(join(root, 'sys/devices/system/cpu/online'), '0-7,9-31\n');
    writeFileSync(join(root, 'sys/devices/system/node/node1/cpulist'), '9-15,24-31\n');
    writeFileSync(join(root, 'sys/devices/system/cpu/cpu8/online'), '0\n');
    rmSync(join(root, 'sys/devices/system/cpu/cpu8/topology'), { recursive: true });
    expect(check(at(root)).checked.drift.length).toBeGreaterThan(0);
    const again = await apply(at(root), never);
    expect(again.plan.threads.map((thread) => thread.cpu)).not.toContain(8);
    expect(check(at(root)).checked.drift).toEqual([]);
    await revertAll(root, false);
    expect(steeringBytes(root)).toEqual(before);
  });
});

describe('an --apply that is killed', () => {
  const files = (root: string) => [...wholeTree(root)].filter(([, is]) => is !== 'directory');
  /** Which file the process is killed at when it writes it, of those that it is about to write. */
  const file = (which: number) => (changed: readonly string[]) => ({
    calls: 'write,pwrite64',
    only: changed[Math.floor((changed.length - 1) * which)],
    when: 1,
  });
  const rename = (when: number) => () => ({ calls: '/^rename', only: undefined, when });

  it.for([
    ['as the journal is put in place', rename(1)],
    ['at its first file', file(0)],
    ['half-way', file(0.5)],
    ['at its last file', file(1)],
    ['before the journal says that all is done', rename(2)],
  ] as const)('%s is told of, finished by another, and undone to the byte', async ([_, moment], context) => {
    const looked = spawnSync('strace', ['-o', '/dev/null', 'true']);
    if (looked.error) context.skip('needs strace');
    if (looked.status !== 0) context.skip(`this container allows no ptrace: ${looked.stderr}`);
    for (const finish of [false, true]) {
      const root = onDisk(twoSockets());
      const before = files(root);
      const changed = previewApply(at(root)).applied.changed.map(({ path }) => path);
      const { calls, only, when } = moment(changed);
      const killed = spawnSync('strace', [
        ...['-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${calls}:signal=SIGKILL:when=${when}`],
        ...(only === undefined ? [] : ['-P', join(root, only)]),
        ...[process.execPath, entry, 'topology', '--root', root, '--apply'],
      ]);
      expect(killed.signal).toBe('SIGKILL');
      const journal = new JournalFile(root).read();
      if (journal !== undefined)
        expect(survey(at(root)).findings[0]).toMatchObject({ id: 'half-applied', severity: 'critical' });
      if (finish) {
        await apply(at(root), never);
        expect(check(at(root)).checked.drift).toEqual([]);
      }
      await revertAll(root, false);
      expect(files(root)).toEqual(before);
    }
  });
});
