import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lance } from '../support/cli.js';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lance-cli-config-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('lance config', () => {
  it('check ends with 2 and names key, line and fix when the form is wrong', async () => {
    const file = join(dir, 'bad.toml');
    writeFileSync(file, '[network]\nbnid = "127.0.0.1:1"\n');
    const plain = await lance(['config', 'check', file]);
    expect(plain.code).toBe(2);
    expect(plain.stdout).toBe('');
    expect(plain.stderr).toContain('There is no key "bnid" in [network] (line 2');
    expect(plain.stderr).toContain('Did you mean bind?');
    const json = await lance(['config', 'check', file, '--json']);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      error: { code: 'CONFIG_INVALID', hint: 'Did you mean bind?' },
      valid: false,
      problems: [{ key: 'network.bnid', line: 2 }],
    });
  });

  it('check warns of what the machine lacks, reports what is not active, and ends with 0', async () => {
    const file = join(dir, 'warn.toml');
    writeFileSync(file, '[network]\nnic_pci_addr = "ffff:1f:1f.7"\n[replication]\nmode = "L2"\n');
    const { code, stdout } = await lance(['config', 'check', file, '--json']);
    expect(code).toBe(0);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ valid: true, warnings: [{ key: 'network.nic_pci_addr' }] });
    expect(document.notActive[0]).toContain('[replication] is not active yet');
  });

  it('init writes a file once, check accepts it, show names it', async () => {
    expect((await lance(['config', 'init'], { cwd: dir })).code).toBe(0);
    expect(existsSync(join(dir, 'lance.toml'))).toBe(true);
    const again = await lance(['config', 'init'], { cwd: dir });
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('is there already');
    expect((await lance(['config', 'check'], { cwd: dir })).code).toBe(0);
    const shown = JSON.parse((await lance(['config', 'show', '--json'], { cwd: dir })).stdout);
    expect(shown.file).toBe(join(dir, 'lance.toml'));
  });

  it('show ends with 2 on an unusable configuration, in the error shape of --json', async () => {
    const { code, stdout } = await lance(['config', 'show', '--json'], {
      cwd: dir,
      env: { LANCE_NODE_ID: 'x' },
    });
    expect(code).toBe(2);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(JSON.parse(stdout).error.message).toContain('the variable LANCE_NODE_ID');
  });
});

describe('the command line', () => {
  it('ends with 2 on an unknown command, flag and argument, without a stack trace', async () => {
    for (const args of [['nonsense'], ['config', 'check', '--nope'], ['config', 'show', 'extra']]) {
      const { code, stderr } = await lance(args);
      expect(code, args.join(' ')).toBe(2);
      expect(stderr).toContain('Error: ');
      expect(stderr).not.toMatch(/\n\s+at /);
    }
    expect((await lance(['tpoic', 'list'])).stderr).toContain('Did you mean `lance topic list`?');
    expect((await lance(['config', 'show', 'extra'])).stderr).toContain('See `lance config show --help`.');
    const json = await lance(['config', 'check', '--nope', '--json']);
    expect(JSON.parse(json.stdout).error.code).toBe('USAGE');
  });

  it('every command has a help page that starts with an example', async () => {
    const { default: manifest } = await import('../../oclif.manifest.json', { with: { type: 'json' } });
    const without = Object.values(manifest.commands as Record<string, { id: string; examples?: unknown[] }>)
      .filter(({ examples }) => !examples || examples.length === 0)
      .map(({ id }) => id);
    expect(without).toEqual([]);
    const { code, stdout } = await lance(['config', 'check', '--help']);
    expect(code).toBe(0);
    expect(stdout.split('\n')[1]).toBe('  $ lance config check');
  });
});
