// `npm start [-- FLAGS]`: from a fresh clone to a running node. Flags go to `lance serve`.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { buildAddon, buildTypeScript, install, root, say } from './setup.mjs';

try {
  install();
  buildAddon();
  buildTypeScript();
} catch (error) {
  say(`Error: ${error.message}`);
  process.exit(1);
}

const flags = process.argv.slice(2);
const names = (long, short) =>
  flags.some((f) => f === long || f.startsWith(`${long}=`) || (short && f.startsWith(short)));
// A directory named by a flag, a variable or a configuration file wins over ./lance-data, which is the default beside them.
const dataDir =
  existsSync(join(root, 'lance.toml')) ||
  names('--data-dir') ||
  names('--config', '-c') ||
  process.env.LANCE_NODE_DATA_DIR ||
  process.env.LANCE_CONFIG
    ? []
    : ['--data-dir', './lance-data'];
const node = spawn(process.execPath, ['bin/run.js', 'serve', ...dataDir, ...flags], {
  cwd: root,
  stdio: 'inherit',
});

// A terminal's Ctrl-C reaches the node itself; what is sent to this process alone is passed on.
process.on('SIGINT', () => process.stdin.isTTY || node.kill('SIGINT'));
process.on('SIGTERM', () => node.kill('SIGTERM'));
process.on('SIGHUP', () => node.kill('SIGTERM'));
node.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
