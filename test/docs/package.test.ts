/** The npm package: packed, installed where there is no Rust, and used from there. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT, startNode } from '../harness/node.js';
import { needs } from '../harness/programs.js';
import { tempDir } from '../harness/temp.js';

/** Where README and docs/operations.md say that the packed addon runs. */
const GLIBC_FLOOR = '2.34';

const dir = tempDir('lance-package');
const tools = join(dir, 'tools');
/** How this machine reaches a registry: whom it trusts, through whom it goes, and which one. */
const NETWORK = /^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(https?|no)_proxy|npm_config_registry)$/i;
const network = Object.fromEntries(Object.entries(process.env).filter(([name]) => NETWORK.test(name)));
const clean = {
  ...network,
  PATH: tools,
  HOME: dir,
  npm_config_cache: process.env.npm_config_cache ?? cacheFolder(),
};

let tarball = '';

/** npm's own cache, which HOME no longer tells. */
function cacheFolder(): string {
  return spawnSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).stdout.trim();
}

/** Runs a program that sees nothing but `tools` and what `env` adds. */
function run(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: dir,
    env: { ...clean, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr, output: stdout + stderr };
}

beforeAll(() => {
  mkdirSync(tools);
  for (const name of ['sh', 'env', 'node', 'npm', 'npx', 'tar', 'gzip']) {
    const found = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { encoding: 'utf8' }).stdout.trim();
    if (found) symlinkSync(realpathSync(found), join(tools, name));
  }
  // Without prepack: it would rebuild node_modules and dist/ under the tests that run beside this one.
  const packed = spawnSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(packed.status, packed.stderr).toBe(0);
  tarball = join(dir, readdirSync(dir).find((name) => name.endsWith('.tgz')) ?? 'none');
}, 600_000);

describe('the package', { timeout: 600_000 }, () => {
  it('installs into a clean prefix, and works there without Rust', async (context) => {
    expect(run('sh', ['-c', 'command -v cargo || command -v rustc']).output).toBe('');
    const prefix = join(dir, 'prefix');
    const install = ['install', '--global', '--prefix', prefix, '--prefer-offline', '--no-audit', tarball];
    const installed = run('npm', install);
    const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.exec(installed.output);
    needs(context, unreachable ? `the npm registry (${unreachable[0]})` : undefined);
    expect(installed.status, installed.output).toBe(0);

    const lance = join(prefix, 'bin', 'lance');
    expect(run(lance, ['--version']).stdout).toMatch(/^lance\/\d+\.\d+\.\d+ linux-x64 node-v\d+/);
    const node = await startNode({ program: lance, env: { PATH: tools } });
    const at = ['--endpoint', node.endpoint];
    expect(run(lance, ['topic', 'create', 'orders', ...at]).output).toBe('Created topic orders with id 1.\n');
    const input = join(dir, 'orders.txt');
    writeFileSync(input, '2 apples\n1 pear\n');
    expect(run(lance, ['produce', 'orders', '--file', input, ...at]).output).toContain('all acknowledged');
    expect(run(lance, ['consume', 'orders', ...at]).stdout).toBe('2 apples\n1 pear\n');
    await node.stop();
    expect(run(lance, ['topology', '--json']).status).toBe(0);
    const completion = run(lance, ['autocomplete', 'bash']).stdout;
    const inBash = spawnSync('bash', ['--norc', '-c', `${completion}\ncomplete -p lance`], {
      encoding: 'utf8',
    });
    expect([inBash.stdout, inBash.stderr]).toEqual(['complete -F _lance lance\n', '']);
    const dockerfile = join(prefix, 'lib', 'node_modules', 'lance', 'packaging', 'Dockerfile');
    expect(existsSync(dockerfile)).toBe(true);
  });

  it('carries an addon whose glibc floor is the one that is documented', () => {
    const addon = readFileSync(join(ROOT, 'native', 'addon', 'lance.linux-x64-gnu.node'), 'latin1');
    const versions = [...addon.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
    expect(`2.${Math.max(...versions)}`).toBe(GLIBC_FLOOR);
    for (const page of ['README.md', 'docs/operations.md', 'scripts/install-addon.mjs']) {
      expect(readFileSync(join(ROOT, page), 'utf8'), page).toContain(`glibc ${GLIBC_FLOOR}`);
    }
  });

  describe('where the addon that it carries does not load', () => {
    const unpacked = join(dir, 'package');
    const script = join(unpacked, 'scripts', 'install-addon.mjs');
    const addon = join(unpacked, 'native', 'addon', 'lance.linux-x64-gnu.node');

    beforeAll(() => {
      expect(run('tar', ['-xzf', tarball, '-C', dir]).status).toBe(0);
      // What is foreign to this machine.
      writeFileSync(addon, 'no library');
    });

    it('says what to install when there is no Rust', () => {
      const { status, stderr } = run('node', [script]);
      expect(status).toBe(1);
      expect(stderr).toContain('no prebuilt engine for this machine');
      expect(stderr).toContain('https://rustup.rs');
      expect(run('node', [script], { LANCE_SKIP_ENGINE: '1' })).toMatchObject({ status: 0, output: '' });
    });

    it('carries all that cargo needs to build one', () => {
      const { stdout } = spawnSync('cargo', ['metadata', '--offline', '--no-deps', '--format-version', '1'], {
        cwd: join(unpacked, 'native'),
        encoding: 'utf8',
      });
      const { packages } = JSON.parse(stdout) as { packages: { targets: { src_path: string }[] }[] };
      const sources = packages.flatMap(({ targets }) => targets.map((target) => target.src_path));
      expect(sources.length).toBeGreaterThan(2);
      for (const source of sources) expect(existsSync(source), source).toBe(true);
    });

    it('builds one with cargo, puts it beside the other, and takes it', () => {
      const bin = join(dir, 'cargo-bin');
      mkdirSync(bin);
      // Stands for a compiler: what it "builds" is the addon of this checkout.
      const built = join(ROOT, 'native', 'addon', 'lance.linux-x64-gnu.node');
      writeFileSync(
        join(bin, 'cargo'),
        `#!${join(tools, 'sh')}\n[ "$1" = --version ] && exit 0\necho "$@" >&2\n` +
          `${join(tools, 'node')} -e 'const fs = require("fs"), d = process.env.CARGO_TARGET_DIR + "/release"; ` +
          `fs.mkdirSync(d); fs.copyFileSync("${built}", d + "/liblance_addon.so")'\n`,
      );
      chmodSync(join(bin, 'cargo'), 0o755);
      const { status, output } = run('node', [script], { PATH: `${bin}:${tools}` });
      expect([status, output]).toEqual([
        0,
        expect.stringContaining('build --release --locked -p lance-addon'),
      ]);
      expect(readdirSync(dirname(addon)).filter((name) => name.endsWith('.node'))).toHaveLength(2);
      symlinkSync(join(ROOT, 'node_modules'), join(unpacked, 'node_modules'));
      const probe = `import('${join(unpacked, 'dist/engine/addon.js')}').then(({ addon }) => console.log(typeof addon().EngineNode))`;
      expect(run('node', ['-e', probe]).output).toBe('function\n');
      expect(run('node', [script])).toMatchObject({ status: 0, output: '' });
      rmSync(join(unpacked, 'node_modules'));
    });
  });
});
