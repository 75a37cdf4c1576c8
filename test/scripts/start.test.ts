/** `npm start`: which flags the node gets. The build is a stub here. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../harness/node.js';
import { tempDir } from '../harness/temp.js';

const SETUP = `export const root = new URL('..', import.meta.url).pathname;
export const install = () => {}, buildAddon = () => {}, buildTypeScript = () => {}, say = () => {};`;

/** A checkout with nothing to build, whose `lance` says how it was called. */
function checkout(): string {
  const root = tempDir();
  for (const folder of ['scripts', 'bin']) mkdirSync(join(root, folder));
  copyFileSync(join(ROOT, 'scripts', 'start.mjs'), join(root, 'scripts', 'start.mjs'));
  writeFileSync(join(root, 'scripts', 'setup.mjs'), SETUP);
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  writeFileSync(join(root, 'bin', 'run.js'), 'console.log(JSON.stringify(process.argv.slice(2)))');
  return root;
}

function start(root: string, flags: string[] = [], env: Record<string, string> = {}): string[] {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('LANCE_'));
  const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', 'start.mjs'), ...flags], {
    encoding: 'utf8',
    env: { ...Object.fromEntries(own), ...env },
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe('npm start', () => {
  it('keeps its data in ./lance-data and passes flags on', () => {
    const root = checkout();
    expect(start(root)).toEqual(['serve', '--data-dir', './lance-data']);
    expect(start(root, ['--bind', '127.0.0.1:0'])).toEqual([
      ...['serve', '--data-dir', './lance-data', '--bind', '127.0.0.1:0'],
    ]);
  });

  it('leaves the place to a flag, a variable or a configuration file that may name one', () => {
    const root = checkout();
    expect(start(root, ['--data-dir', 'd'])).toEqual(['serve', '--data-dir', 'd']);
    expect(start(root, ['-c', 'own.toml'])).toEqual(['serve', '-c', 'own.toml']);
    expect(start(root, ['-cown.toml'])).toEqual(['serve', '-cown.toml']);
    expect(start(root, [], { LANCE_NODE_DATA_DIR: 'd' })).toEqual(['serve']);
    writeFileSync(join(root, 'lance.toml'), '[node]\ndata_dir = "elsewhere"\n');
    expect(start(root)).toEqual(['serve']);
  });
});
