import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { redact } from '../../src/bundle/index.js';
import { runLance, startNode } from '../harness/node.js';
import { freePort } from '../harness/ports.js';
import { tempDir } from '../harness/temp.js';

/** Takes a bundle and gives what is in it by name. */
async function bundle(dataDir: string, args: readonly string[], env = {}) {
  const path = join(tempDir('lance-bundle'), 'b.tar.gz');
  const ended = await runLance(
    ['support-bundle', '--data-dir', dataDir, '--output', path, '--json', ...args],
    { env },
  );
  const entry = (name: string) =>
    spawnSync('tar', ['-xzOf', path, `b/${name}`], { encoding: 'utf8', maxBuffer: 1 << 28 }).stdout;
  return { ended, path, entry, document: JSON.parse(ended.stdout || '{}') };
}

it('hides keys, tokens and passwords, and leaves the rest alone', () => {
  const key = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB\n-----END EC PRIVATE KEY-----';
  const text = `${key}\n{"token":"abc123","msg":"auth_token=xyz password: hunter2"}\nAuthorization: Bearer s3cr3t.s3cr3t`;
  const clean = redact(text);
  for (const secret of ['MHcCAQEEIB', 'abc123', 'xyz', 'hunter2', 's3cr3t'])
    expect(clean).not.toContain(secret);
  expect(clean).toContain('{"token":"(hidden)","msg":"auth_token=(hidden) password: (hidden)"}');
  expect(redact('{"sortKey":"0001","key":"orders"}')).toBe('{"sortKey":"0001","key":"orders"}');
});

it('a bundle holds config, counters, topology, segments and logs while the node runs, hangs and is gone', async () => {
  const node = await startNode({ admin: `127.0.0.1:${await freePort()}` });
  const at = ['--endpoint', node.endpoint];
  await runLance(['topic', 'create', 'orders', ...at]);
  await runLance(['produce', 'orders', ...at], { input: 'secret-record\n' });
  const admin = ['--admin', node.ready.admin];

  // Its admin port is not the default: the data directory tells.
  const up = await bundle(node.dataDir, []);
  expect(up.ended.code, up.ended.stderr).toBe(0);
  expect(up.document).toMatchObject({ node: 'running', problems: [] });
  expect(statSync(up.path).mode & 0o777).toBe(0o600);
  expect(JSON.parse(up.entry('admin/readyz')).ready).toBe(true);
  expect(JSON.parse(up.entry('counters.json')).pid).toBe(node.pid);
  expect(JSON.parse(up.entry('topology.json')).cpus.length).toBeGreaterThan(0);
  const { topics } = JSON.parse(up.entry('segments.json'));
  expect(topics.map(({ topic }: { topic: string }) => topic)).toEqual(['default', 'orders']);
  expect(up.entry('logs/lance.log')).toContain('"msg":"ready: clients on');
  expect(JSON.parse(up.entry('config.json')).values).toContainEqual(
    expect.objectContaining({ key: 'node.data_dir', value: JSON.stringify(node.dataDir) }),
  );
  const all = up.document.files.map((name: string) => up.entry(name)).join('');
  expect(all).not.toContain('secret-record');

  node.signal('SIGSTOP');
  await expect
    .poll(async () => (await bundle(node.dataDir, admin)).document.node, {
      timeout: 180_000,
      interval: 1_000,
    })
    .toBe('hangs');
  node.signal('SIGCONT');
  await node.kill();
  const gone = await bundle(node.dataDir, admin);
  expect(gone.ended.code).toBe(0);
  expect(gone.document.node).toBe('gone');
  expect(gone.document.problems.join()).toContain('does not answer');
  expect(gone.entry('logs/lance.log')).toContain('ready: clients on');
}, 400_000);

it('a bundle holds no token that a log or a variable brought, and takes a broken configuration', async () => {
  const dataDir = tempDir('lance-data');
  mkdirSync(join(dataDir, 'segments'));
  writeFileSync(join(dataDir, 'node.json'), '{"counters":"/nowhere"}');
  writeFileSync(join(dataDir, 'lance.log'), '{"msg":"login with token=t0ps3cret failed"}\n');
  const config = join(tempDir('lance-config'), 'lance.toml');
  writeFileSync(config, '[auth]\ntoken = "t0ps3cret"\n');
  const { ended, document, entry } = await bundle(dataDir, ['-c', config, '--admin', '127.0.0.1:1']);
  expect(ended.code, ended.stderr).toBe(0);
  const all = document.files.map((name: string) => entry(name)).join('');
  expect(all).toContain('auth.token');
  expect(all).not.toContain('t0ps3cret');
});

it('without a node there is no bundle: it ends with 1, and never writes over a file', async () => {
  const none = await bundle(tempDir('lance-empty'), ['--admin', '127.0.0.1:1']);
  expect([none.ended.code, none.document.error.code]).toEqual([1, 'NO_NODE']);
  const dataDir = tempDir('lance-data');
  writeFileSync(join(dataDir, 'node.json'), '{}');
  const file = join(dataDir, 'mine.tar.gz');
  writeFileSync(file, 'mine');
  const taken = await runLance([
    'support-bundle',
    '--data-dir',
    dataDir,
    '--admin',
    '127.0.0.1:1',
    '-o',
    file,
    '--json',
  ]);
  expect([taken.code, JSON.parse(taken.stdout).error.code]).toEqual([1, 'FILE_EXISTS']);
  const nowhere = [
    'support-bundle',
    '--data-dir',
    dataDir,
    '--admin',
    '127.0.0.1:1',
    '-o',
    '/proc/mine.tar.gz',
  ];
  const refused = await runLance([...nowhere, '--json']);
  expect([refused.code, JSON.parse(refused.stdout).error.code]).toEqual([1, 'FILE_UNWRITABLE']);
});
