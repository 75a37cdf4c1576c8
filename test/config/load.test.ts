import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ConfigError,
  checkMachine,
  examineConfig,
  exampleToml,
  inForce,
  loadConfig,
} from '../../src/config/index.js';
import { allFields } from '../../src/config/schema.js';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lance-config-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Examines `toml` as ./lance.toml of an otherwise empty world. */
function examine(toml: string, env: Record<string, string> = {}, flags = {}) {
  const file = join(dir, 'lance.toml');
  writeFileSync(file, toml);
  return examineConfig({ file, env, flags, cwd: dir });
}

const ORIGINAL = `
[node]
id = 1
data_dir = "/var/lib/lance"
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
mode = "L1"          # or "L2"
peers = ["lance-2:9000", "lance-3:9000"]   # the other nodes; M = peers + this one
`;

describe('a configuration', () => {
  it('without file, flag or variable is the documented defaults', () => {
    const empty = mkdtempSync(join(dir, 'empty-'));
    const { config, file, origins, problems } = examineConfig({ env: {}, cwd: empty });
    expect(problems).toEqual([]);
    expect(file).toBeUndefined();
    expect(config.node).toEqual({ id: 1, dataDir: './lance-data' });
    expect(config.network.bind).toEqual({ host: '127.0.0.1', port: 1992 });
    expect(config.admin.bind).toEqual({ host: '127.0.0.1', port: 1993 });
    expect(config.retention.interval).toBe(10_000);
    expect(config.journal.chunkBytes).toBe(64 * 2 ** 20);
    expect(config.index.everyBytes).toBe(64 * 2 ** 10);
    expect(config.limits).toMatchObject({ maxFrame: 16 * 2 ** 20, connections: 8192, frameTimeout: 30_000 });
    expect(config.limits.commitTtl).toBe(7 * 86_400_000);
    expect(new Set([...origins.values()].map(({ kind }) => kind))).toEqual(new Set(['default']));
  });

  it("accepts the original's file as it stands and says what is not active yet", () => {
    const { config, problems, notActive } = examine(ORIGINAL);
    expect(problems).toEqual([]);
    expect(config.io).toMatchObject({ uringSqDepth: 4096, batchSize: 262_144, oDirect: true });
    expect(config.replication.peers).toEqual([
      { host: 'lance-2', port: 9000 },
      { host: 'lance-3', port: 9000 },
    ]);
    expect(notActive).toHaveLength(1);
    expect(notActive[0]).toContain('[replication] is not active yet');
  });

  it('takes flags before variables, variables before the file, the file before defaults', () => {
    const toml = '[network]\nbind = "127.0.0.1:1"\n[admin]\nbind = "127.0.0.1:2"\n[node]\nid = 3\n';
    const env = { LANCE_NETWORK_BIND: '127.0.0.1:11', LANCE_ADMIN_BIND: '127.0.0.1:12' };
    const { config, origins } = examine(toml, env, {
      'network.bind': { name: '--bind', value: '127.0.0.1:21' },
    });
    expect([config.network.bind.port, config.admin.bind.port, config.node.id]).toEqual([21, 12, 3]);
    expect(origins.get('network.bind')).toEqual({ kind: 'flag', name: '--bind' });
    expect(origins.get('admin.bind')).toEqual({ kind: 'variable', name: 'LANCE_ADMIN_BIND' });
    expect(origins.get('node.id')).toMatchObject({ kind: 'file', line: 6 });
    expect(origins.get('node.data_dir')).toEqual({ kind: 'default' });
  });

  it('reads every kind of value from a variable', () => {
    const { config, problems } = examine('', {
      LANCE_IO_O_DIRECT: 'false',
      LANCE_LIMITS_TOPIC_SLABS: '1,2,3,4',
      LANCE_REPLICATION_PEERS: 'a:1, b:2',
      LANCE_LIMITS_IDLE_TIMEOUT: '5m',
      LANCE_SEGMENT_MAX_BYTES: '1MiB',
      LANCE_NODE_ID: '7',
    });
    expect(problems).toEqual([]);
    expect(config.io.oDirect).toBe(false);
    expect(config.limits.topicSlabs).toEqual([1, 2, 3, 4]);
    expect(config.replication.peers.map(({ host }) => host)).toEqual(['a', 'b']);
    expect(config.limits.idleTimeout).toBe(300_000);
    expect(config.segment.maxBytes).toBe(2 ** 20);
    expect(config.node.id).toBe(7);
  });

  it('is found by LANCE_CONFIG, and one that is named and absent is a problem', () => {
    const file = join(dir, 'named.toml');
    writeFileSync(file, '[node]\nid = 9\n');
    expect(examineConfig({ env: { LANCE_CONFIG: file }, cwd: '/' }).config.node.id).toBe(9);
    const { problems } = examineConfig({ env: { LANCE_CONFIG: join(dir, 'absent.toml') }, cwd: '/' });
    expect(problems[0]?.message).toContain('absent.toml, which LANCE_CONFIG names');
  });
});

describe('a wrong configuration is refused with the key, the line and the next step', () => {
  it.each([
    ['[io]\n\nbatch_size = true', 'io.batch_size', 3, 'not true', 'batch_size = "256KiB"'],
    ['[io]\nbatch_size = "5 parsecs"', 'io.batch_size', 2, 'the text "5 parsecs"', ''],
    ['[io]\nbatch_size = 5000', 'io.batch_size', 2, 'a multiple of 4KiB', ''],
    ['[io]\no_direct = "yes"', 'io.o_direct', 2, 'true or false, not the text "yes"', ''],
    ['[segment]\nmax_bytes = "512KiB"', 'segment.max_bytes', 2, 'from 1MiB', ''],
    ['[node]\nid = 70000', 'node.id', 2, 'a whole number from 0 to 65535, not the number 70000', ''],
    ['[node]\nid = 1.5', 'node.id', 2, 'a whole number', ''],
    [
      '[network]\nbind = 9000',
      'network.bind',
      2,
      'an address such as "127.0.0.1:1992", not the number 9000',
      '',
    ],
    ['[network]\nbind = "127.0.0.1:99999"', 'network.bind', 2, 'port 99999 is above 65535', ''],
    ['[network]\nbind = "127.0.0.300:1"', 'network.bind', 2, '127.0.0.300 is no IPv4 address', ''],
    ['[network]\nbind = "::1"', 'network.bind', 2, 'an IPv6 address stands in brackets', ''],
    ['network.bind = ":1992"', 'network.bind', 1, 'the host is missing', ''],
    [
      '[network]\nnic_pci_addr = "eth0"',
      'network.nic_pci_addr',
      2,
      'a PCI address such as "0000:3b:00.0"',
      '',
    ],
    ['[runtime]\nidle = "sleep"', 'runtime.idle', 2, 'one of "auto", "spin", "yield", "park"', ''],
    ['[replication]\npeers = "a:1"', 'replication.peers', 2, 'a list of addresses', ''],
    ['[replication]\npeers = ["a"]', 'replication.peers', 2, '"a" is not: a host, a colon and a port', ''],
    ['[limits]\ntopic_slabs = [1, 2]', 'limits.topic_slabs', 2, 'a list of 4 whole numbers', ''],
  ])('%j', (toml, key, line, message, hint) => {
    const { problems } = examine(toml);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ key, line });
    expect(problems[0]?.message).toContain(message);
    expect(problems[0]?.message).toContain(`line ${line} of`);
    expect(problems[0]?.hint).toContain(hint);
  });

  it.each([
    ['[network]\nbnid = "a:1"', 'There is no key "bnid" in [network] (line 2', 'Did you mean bind?'],
    ['[io]\nbatchSize = 1', 'There is no key "batchSize" in [io]', 'Did you mean batch_size?'],
    ['[netwrok]\nbind = "a:1"', 'There is no section [netwrok] (line 1', 'Did you mean [network]?'],
    ['[node]\nbatch_size = 1', 'There is no key "batch_size" in [node]', 'Did you mean io.batch_size?'],
    ['data_dir = "x"', 'There is no key "data_dir" (line 1', 'Did you mean node.data_dir?'],
    ['node = 1', '"node" must be a section', 'Did you mean [node]?'],
    ['[io]\nzzzzzz = 1', 'There is no key "zzzzzz"', '`lance config init -` prints every key'],
  ])('an unknown name: %j', (toml, message, hint) => {
    const { problems } = examine(toml);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain(message);
    expect(problems[0]?.hint).toContain(hint);
  });

  it('TOML that does not parse is named with line and column', () => {
    const { problems } = examine('[node]\nid = = 1\n');
    expect(problems[0]).toMatchObject({ line: 2 });
    expect(problems[0]?.message).toMatch(/^Line 2, column \d+ of .*lance\.toml is no TOML: .+\.$/);
  });

  it('a variable with a section of ours and no such key is not ignored', () => {
    const { problems } = examine('', { LANCE_NODE_DATADIR: '/x' });
    expect(problems[0]?.message).toContain('LANCE_NODE_DATADIR names no key');
    expect(problems[0]?.hint).toBe('Did you mean LANCE_NODE_DATA_DIR?');
  });

  it('loadConfig throws all problems as one error with exit code 2', () => {
    const file = join(dir, 'two.toml');
    writeFileSync(file, '[node]\nid = "x"\n[io]\nbackend = 5\n');
    const load = () => loadConfig({ file, env: {} });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(/node\.id must be .* \(and 1 more/);
    try {
      load();
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2 });
    }
  });

  it('a certificate without its key, and tokens without their file, are problems', () => {
    expect(examine('[tls]\ncert = "a.crt"').problems[0]?.message).toContain('tls.key');
    expect(examine('[auth]\nenabled = true').problems[0]?.message).toContain('auth.tokens_file');
  });
});

describe('the written example', () => {
  it('is valid as it is, and with every line taken in is the defaults again', () => {
    expect(examine(exampleToml()).problems).toEqual([]);
    const all = exampleToml().replace(/^#(\w+ =)/gm, '$1');
    const { problems, config } = examine(all);
    expect(problems).toEqual([]);
    const { numa, network, telemetry, tls, auth, ...rest } = config;
    const defaults = examine('').config;
    expect(rest).toEqual({
      ...defaults,
      numa: undefined,
      telemetry: undefined,
      network: undefined,
      tls: undefined,
      auth: undefined,
    });
    expect(network.bind).toEqual(defaults.network.bind);
    expect(telemetry.otlpInterval).toBe(defaults.telemetry.otlpInterval);
  });

  it('every key in force is listed with its origin', () => {
    const shown = inForce(examine('[io]\nbatch_size = 65536\n', { LANCE_LOG_LEVEL: 'debug' }));
    expect(shown.find(({ key }) => key === 'io.batch_size')).toEqual({
      key: 'io.batch_size',
      value: '"64KiB"',
      origin: `line 2 of ${join(dir, 'lance.toml')}`,
    });
    expect(shown.find(({ key }) => key === 'log.level')?.origin).toBe('variable LANCE_LOG_LEVEL');
    expect(shown.find(({ key }) => key === 'node.id')).toEqual({
      key: 'node.id',
      value: '1',
      origin: 'default',
    });
  });

  it('docs/configuration.md states every key with its default and meaning as they are', () => {
    const docs = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8').split('\n');
    const rows = allFields().map(([section, name, { fallback, write, about, expects }]) => {
      const value = fallback === undefined ? 'none' : `\`${write(fallback)}\``;
      return `| \`${section}.${name}\` | ${value} | ${about} ${expects[0]?.toUpperCase()}${expects.slice(1)}. |`;
    });
    expect(docs.filter((line) => line.startsWith('| `'))).toEqual(rows);
  });
});

describe('what this machine lacks', () => {
  it('is found: a PCI address, a NUMA node, an address, a data directory that is a file', async () => {
    const file = join(dir, 'plain-file');
    writeFileSync(file, '');
    const { config } = examine(
      `[network]\nbind = "192.0.2.7:1"\nnic_pci_addr = "ffff:1f:1f.7"\n[numa]\nnic_node = 77\n[node]\ndata_dir = "${file}/data"\n`,
    );
    const findings = await checkMachine(config);
    expect(findings.map(({ key }) => key).sort()).toEqual([
      'network.bind',
      'network.nic_pci_addr',
      'node.data_dir',
      'numa.nic_node',
    ]);
    expect(findings.find(({ key }) => key === 'numa.nic_node')?.message).toBe(
      'This machine has no NUMA node 77.',
    );
  });

  it('is nothing for the defaults', async () => {
    expect(await checkMachine(examine(`[node]\ndata_dir = "${dir}/new/data"\n`).config)).toEqual([]);
  });
});
