// Writes oclif.manifest.json from the compiled commands, so that `lance` starts without loading each of them, and
// stamps dist/ as whole. `--check` only compares and exits 1 when the file is out of date.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Plugin } from '@oclif/core';
import { root } from './setup.mjs';

const file = join(root, 'oclif.manifest.json');
const plugin = new Plugin({ root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true });
await plugin.load();
// In the order of the names, not of the directory, so that the file is the same on every machine.
const commands = Object.entries(plugin.manifest.commands).sort(([a], [b]) => (a < b ? -1 : 1));
const manifest = `${JSON.stringify({ ...plugin.manifest, commands: Object.fromEntries(commands) }, null, 2)}\n`;

if (process.argv.includes('--check')) {
  const current = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (current !== manifest) {
    process.stderr.write('oclif.manifest.json is out of date: run `npm run build:ts` and commit it\n');
    process.exit(1);
  }
} else {
  if (!existsSync(file) || readFileSync(file, 'utf8') !== manifest) {
    rmSync(file, { force: true });
    writeFileSync(file, manifest);
  }
  writeFileSync(join(root, 'dist', '.built'), '');
}
