import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { lance } from '../support/cli.js';
import { container, offlineAndMemoryless, smallVirtio, twoSockets } from './fixtures/machines.js';
import { onDisk } from './support.js';

const document = (stdout: string) => JSON.parse(stdout);
const irqFile = (root: string, irq: number): string => join(root, `proc/irq/${irq}/smp_affinity_list`);

describe('lance topology', () => {
  it('prints the JSON of cli.md, every key of it', async () => {
    const { code, stdout } = await lance(['topology', '--json', '--root', onDisk(twoSockets())]);
    expect(code).toBe(0);
    const found = document(stdout);
    expect(Object.keys(found)).toEqual([
      'system',
      'cpus',
      'nodes',
      'nics',
      'nvme',
      'disks',
      'irqbalance',
      'findings',
      'plan',
    ]);
    expect(found.cpus[8]).toEqual({ id: 8, node: 1, core: 8, online: true, isolated: false });
    expect(found.nodes[1]).toMatchObject({ id: 1, memoryBytes: 131_072 * 1024 ** 2, distances: [21, 10] });
    expect(found.nics[1]).toMatchObject({
      name: 'ens2f0np0',
      pci: '0000:98:00.0',
      node: 1,
      driver: 'mlx5_core',
      speedMbps: 100_000,
      rxQueues: 16,
      txQueues: 16,
    });
    expect(found.nics[1].irqs[1]).toEqual({
      irq: 59,
      name: 'mlx5_comp0@pci:0000:98:00.0',
      affinity: '0-31',
      effective: '27',
      managed: false,
    });
    expect(found.nvme[0]).toMatchObject({
      name: 'nvme0',
      pci: '0000:17:00.0',
      node: 0,
      model: 'SAMSUNG MZWLR3T8HBLS-00007',
    });
    expect(found.irqbalance).toEqual({ running: true });
    for (const finding of found.findings)
      expect(Object.keys(finding)).toEqual(['severity', 'what', 'advice', 'supported', 'reason']);
    expect(found.plan.threads).toContainEqual({ role: 'io', cpu: 1, node: 0 });
    expect(found.plan.irqs).toContainEqual({ irq: 59, device: 'ens2f0np0', queue: 0, from: '0-31', to: '8' });
    expect(found.plan.queues).toContainEqual({
      path: '/sys/class/net/ens2f0np0/queues/tx-0/xps_cpus',
      from: '00000001',
      to: '00000100',
    });
  });

  it('shows this machine, and changes nothing', async () => {
    const before = spawnSync('cat', ['/proc/irq/default_smp_affinity']).stdout.toString();
    const { code, stdout, stderr } = await lance(['topology']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('node 0');
    expect(spawnSync('cat', ['/proc/irq/default_smp_affinity']).stdout.toString()).toBe(before);
  });

  it('steers, checks, notices a change by hand and reverts, by exit code', async () => {
    const root = onDisk(twoSockets());
    const run = (...args: string[]) => lance(['topology', '--root', root, ...args]);
    expect((await run('--check')).code).toBe(3);
    const dry = await run('--apply', '--dry-run');
    expect(dry).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('would write /proc/irq/59/smp_affinity_list:'),
    });
    expect(readFileSync(irqFile(root, 59), 'utf8')).toBe('0-31\n');
    const applied = await run('--apply', '--json');
    expect(applied.code).toBe(0);
    expect(document(applied.stdout).applied.changed).toContainEqual({
      path: '/proc/irq/59/smp_affinity_list',
      from: '0-31',
      to: '8',
    });
    expect((await run('--check')).code).toBe(0);
    writeFileSync(irqFile(root, 59), '0\n');
    const drifted = await run('--check', '--json');
    expect(drifted.code).toBe(3);
    expect(document(drifted.stdout).drift).toEqual([
      { path: '/proc/irq/59/smp_affinity_list', expected: '8', actual: '0' },
    ]);
    expect((await run('--revert')).code).toBe(0);
    expect(readFileSync(irqFile(root, 59), 'utf8')).toBe('0-31\n');
    expect(await run('--revert')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Nothing to put back'),
    });
  });

  it.each([
    [['--root', '/does/not/exist'], 'NOT_A_MACHINE'],
    [['--root', tmpdir()], 'NOT_A_MACHINE'],
    [['--nic', '0000:ff:1f.7'], 'NO_SUCH_NIC'],
    [['--apply', '--check'], 'USAGE'],
    [['--dry-run'], 'USAGE'],
  ])('%j is refused with exit code 2', async (args, code) => {
    const ended = await lance(['topology', '--json', ...args]);
    expect(ended.code).toBe(2);
    expect(document(ended.stdout).error).toMatchObject({ code, hint: expect.any(String) });
  });

  it('--apply on this machine needs root, and says so', async () => {
    // As nobody, so that even a broken check could write nothing.
    const given = process.geteuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const entry = resolve(import.meta.dirname, '../../bin/run.js');
    const child = spawn(process.execPath, [entry, 'topology', '--apply', '--json'], {
      ...given,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, HOME: '/nonexistent' },
    });
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    const code = await new Promise((done) => child.on('close', done));
    expect(code).toBe(1);
    expect(document(stdout).error).toMatchObject({
      code: 'NEEDS_ROOT',
      hint: expect.stringContaining('sudo'),
    });
  });

  it('a NIC of lance.toml that is not there is a finding, and the plan does without it', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lance-toml-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    writeFileSync(join(dir, 'lance.toml'), '[network]\nnic_pci_addr = "0000:3b:00.0"\n');
    const { code, stdout } = await lance([
      'topology',
      '--json',
      '-c',
      join(dir, 'lance.toml'),
      '--root',
      onDisk(twoSockets()),
    ]);
    expect(code).toBe(0);
    const found = document(stdout);
    expect(found.findings[0].what).toContain('0000:3b:00.0');
    expect(found.plan.irqs.some((irq: { device: string }) => irq.device === 'ens2f0np0')).toBe(true);
  });

  it('on a container says what is not supported from there, and --apply has nothing to do', async () => {
    const root = onDisk(container());
    const shown = document((await lance(['topology', '--json', '--root', root])).stdout);
    expect(
      shown.findings.filter((finding: { supported: boolean }) => !finding.supported).length,
    ).toBeGreaterThan(2);
    expect(await lance(['topology', '--apply', '--root', root])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('0 files changed'),
    });
  });

  it('emits a ban list, a policy script that bans by device, and a unit that steers before the node', async () => {
    const root = onDisk(twoSockets());
    const emit = async (what: string, ...more: string[]) =>
      (await lance(['topology', '--emit', what, '--root', root, ...more])).stdout;
    expect(await emit('irqbalance')).toMatch(
      /IRQBALANCE_BANNED_CPULIST="1-2,8"\nIRQBALANCE_ARGS="--banirq=8 /,
    );
    const dir = mkdtempSync(join(tmpdir(), 'lance-policy-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const policy = join(dir, 'policy');
    writeFileSync(policy, await emit('irqbalance-policy'), { mode: 0o755 });
    const ask = (path: string): string => spawnSync(policy, [path, '59'], { encoding: 'utf8' }).stdout;
    expect(ask('/sys/devices/pci0000:97/0000:97:02.0/0000:98:00.0')).toBe('ban=true\n');
    expect(ask('/sys/devices/pci0000:00/0000:00:1c.0/0000:01:00.0')).toBe('');
    const unit = await emit('systemd', '--nic', 'ens2f0np0');
    expect(unit).toMatch(/^Before=lance.service$/m);
    expect(unit).toMatch(/^ExecStart=\S+ topology --apply --nic ens2f0np0$/m);
    expect(unit).toMatch(/^WantedBy=.*\blance.service$/m);
    expect(unit).toMatch(/^ExecStop=\S+ topology --revert$/m);
  });

  it.each([
    ['is not asked to', {}, 'numa.enabled is false', true],
    ['is', { LANCE_NUMA_ENABLED: 'true' }, undefined, true],
    ['has two cores', { LANCE_NUMA_ENABLED: 'true' }, '2 usable cores', false],
  ] as const)('says whether `lance serve` would pin, and why not: it %s', async (_, env, why, large) => {
    const root = onDisk(large ? twoSockets() : smallVirtio());
    const { stdout } = await lance(['topology', '--json', '--root', root], { env });
    const told = document(stdout).findings.filter(({ what }: { what: string }) =>
      what.includes('`lance serve`'),
    );
    if (why === undefined) expect(told).toEqual([]);
    else expect(JSON.stringify(told)).toContain(why);
  });

  it('draws in ASCII where the locale is C, and without an escape sequence', async () => {
    const { stdout } = await lance(['topology', '--root', onDisk(twoSockets())], { env: { LC_ALL: 'C' } });
    expect(stdout).toMatch(/^[\n -~]*$/);
    expect(stdout).toContain('Changes (before -> after)');
  });

  it.each([
    ['smallVirtio', smallVirtio],
    ['offlineAndMemoryless', offlineAndMemoryless],
  ] as const)('prints %s as plain text into a pipe', async (_, build) => {
    const { stdout, stderr } = await lance(['topology', '--root', onDisk(build())]);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('Plan (');
    expect(stderr).toBe('');
  });

  it('two applies at once never both write: one waits its turn by being refused', async () => {
    const root = onDisk(twoSockets());
    const ends = await Promise.all(
      Array.from({ length: 4 }, () => lance(['topology', '--apply', '--json', '--root', root])),
    );
    const writers = ends.filter(({ stdout }) => (document(stdout).applied?.changed.length ?? 0) > 0);
    expect(writers).toHaveLength(1);
    for (const { code, stdout } of ends) if (code !== 0) expect(document(stdout).error.code).toBe('BUSY');
  });
});
