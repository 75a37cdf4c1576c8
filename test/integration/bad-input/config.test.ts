/** Configuration that cannot be used (cli.md, "Configuration", "Exit codes"): exit 2 with the key's name, before anything is touched. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Exit, runLance, runServeExpectingExit } from '../../harness/node.js';
import { tempDir } from '../../harness/temp.js';

/** The one line of JSON that a failed command leaves on stdout under `--json`. */
function errorOf(exit: Exit): { code: string; message: string; hint?: string } {
  const lines = exit.stdout.trim().split('\n');
  expect(lines, `stdout: ${exit.stdout}\nstderr: ${exit.stderr}`).toHaveLength(1);
  const { error } = JSON.parse(lines[0] as string) as {
    error: { code: string; message: string; hint?: string };
  };
  expect(error.message).toMatch(/\S/);
  expect(exit.stdout + exit.stderr, 'no stack trace').not.toMatch(/^\s+at .+:\d+:\d+/m);
  return error;
}

const unusable: ReadonlyArray<readonly [string, string, RegExp]> = [
  ['a text that is no size', '[segment]\nmax_bytes = "many"\n', /segment\.max_bytes/],
  ['a text where a number belongs', '[limits]\nconnections = "a few"\n', /limits\.connections/],
  ['a number where a text belongs', '[network]\nbind = 1992\n', /network\.bind/],
  ['a list where a boolean belongs', '[io]\no_direct = [1]\n', /io\.o_direct/],
  ['a table where a value belongs', '[node]\nid = { a = 1 }\n', /node\.id/],
  [
    'a value that is not one of the words',
    '[io]\ndurability = "sometimes"\n',
    /io\.durability.*(durable|written)/s,
  ],
  ['a backend that is none', '[io]\nbackend = "aio"\n', /io\.backend.*(pwritev2|io_uring)/s],
  ['a duration that is none', '[limits]\nframe_timeout = "soon"\n', /limits\.frame_timeout/],
  ['a negative size', '[segment]\nmax_bytes = -5\n', /segment\.max_bytes/],
  ['a segment below 1 MiB', '[segment]\nmax_bytes = "512KiB"\n', /segment\.max_bytes.*1 ?MiB/s],
  [
    'an unknown key, with the one that was meant',
    '[segment]\nmax_byte = "1GiB"\n',
    /max_byte\b.*did you mean.*max_bytes/is,
  ],
  [
    'an unknown section, with the one that was meant',
    '[segmnt]\nmax_bytes = "1GiB"\n',
    /segmnt.*did you mean.*segment/is,
  ],
  ['toml that cannot be read, with its line', '[node]\nid = \n', /line 2|:2/i],
  ['an address without port', '[network]\nbind = "nonsense"\n', /network\.bind/],
  ['an address with an impossible port', '[network]\nbind = "127.0.0.1:70000"\n', /network\.bind/],
];

describe('lance serve -c FILE', () => {
  it.each(unusable)('exits with 2: %s', async (_, config, says) => {
    const dataDir = join(tempDir(), 'never-made');
    const file = join(tempDir(), 'lance.toml');
    writeFileSync(file, config);
    // Not through startNode: flags would win over the addresses of the file.
    const exit = await runLance(['serve', '--json', '-c', file, '--data-dir', dataDir]);
    const error = errorOf(exit);
    expect(error.hint).toMatch(/\S/);
    expect(`${error.message}\n${error.hint}`).toMatch(says);
    expect(exit.code).toBe(2);
    expect(readdirSync(join(dataDir, '..'))).toEqual([]);
  });

  it.each(unusable)('and lance config check says the same: %s', async (_, config, says) => {
    const file = join(tempDir(), 'lance.toml');
    writeFileSync(file, config);
    const exit = await runLance(['config', 'check', file]);
    expect(exit.code).toBe(2);
    expect(exit.stdout + exit.stderr).toMatch(says);
  });

  it('exits with 2 when the file is not there', async () => {
    const file = join(tempDir(), 'absent.toml');
    const exit = await runLance(['serve', '--json', '-c', file, '--data-dir', tempDir()]);
    expect(errorOf(exit).message).toContain('absent.toml');
    expect(exit.code).toBe(2);
  });
});

describe('flags and variables', () => {
  it.each(['nonsense', '127.0.0.1', '127.0.0.1:99999', ':-1'])('exit with 2 for --bind %s', async (bind) => {
    const exit = await runServeExpectingExit({ bind });
    expect(errorOf(exit).message).toMatch(/bind/);
    expect(exit.code).toBe(2);
  });

  it('exit with 2 for a variable of the wrong kind, naming the variable', async () => {
    const exit = await runServeExpectingExit({ env: { LANCE_SEGMENT_MAX_BYTES: 'many' } });
    const error = errorOf(exit);
    expect(`${error.message} ${error.hint}`).toContain('LANCE_SEGMENT_MAX_BYTES');
    expect(exit.code).toBe(2);
  });

  it('say what to do next', async () => {
    for (const options of [{ bind: 'nonsense' }, { env: { LANCE_SEGMENT_MAX_BYTES: 'many' } }]) {
      expect(errorOf(await runServeExpectingExit(options)).hint).toMatch(/\S/);
    }
  });

  it('exit with 2 for an unknown flag', async () => {
    const exit = await runServeExpectingExit({ args: ['--data-dirr', '/tmp'] });
    expect(exit.stdout + exit.stderr).toContain('data-dirr');
    expect(exit.code).toBe(2);
  });
});

describe('an address that cannot be had', () => {
  it('is exit 1 when another process listens there, and says which', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const exit = await runServeExpectingExit({ bind: `127.0.0.1:${port}` });
    const error = errorOf(exit);
    expect(error.message).toContain(String(port));
    expect(error.message).toMatch(/in use/i);
    expect(exit.code).toBe(1);
    other.close();
  });

  it('is refused when it is not of this machine', async () => {
    const exit = await runServeExpectingExit({ bind: '203.0.113.7:19920' });
    expect(errorOf(exit).message).toContain('203.0.113.7');
    expect(exit.code).not.toBe(0);
  });
});

describe('a configuration of the original', () => {
  it('is accepted as it stands', async () => {
    const file = join(tempDir(), 'lance.toml');
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(
      file,
      `[node]
id = 1
data_dir = "${tempDir()}"
[network]
bind = "0.0.0.0:9000"
nic_pci_addr = "0000:3b:00.0"
[io]
uring_sq_depth = 4096
batch_size = 262144
o_direct = true
[numa]
enabled = true
nic_node = 0
nvme_node = 0
[replication]
mode = "L1"
peers = ["lance-2:9000", "lance-3:9000"]
`,
    );
    const exit = await runLance(['config', 'check', file]);
    expect(exit.stdout + exit.stderr).toMatch(/not active yet/);
    expect(exit.code).toBe(0);
  });
});
