// What `npm start`, `npm test` and `npm run build` share: install and build what is absent or stale, nothing else.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...path) => join(root, ...path);

const SKIP = new Set(['node_modules', 'target', '.git']);

function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The newest modification time, in ms, below `path` among files that `wanted` accepts; 0 when there is none. */
function newest(path, wanted = () => true) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return wanted(path) ? stat.mtimeMs : 0;
  let time = 0;
  for (const name of readdirSync(path)) {
    if (!SKIP.has(name)) time = Math.max(time, newest(join(path, name), wanted));
  }
  return time;
}

/** Runs a program in the repository with its output shown on stderr (stdout stays for what the caller prints). */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (result.error) throw new Error(`${program} could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    throw new Error(`\`${program} ${args.join(' ')}\` failed (${result.signal ?? `exit ${result.status}`})`);
  }
}

export function say(message) {
  process.stderr.write(`${message}\n`);
}

/** `npm ci` when node_modules is absent or older than the lock. */
export function install() {
  if (modified(at('node_modules', '.package-lock.json')) >= modified(at('package-lock.json'))) return;
  say('installing packages (npm ci)');
  run('npm', ['ci', '--engine-strict', '--no-audit', '--no-fund'], { shell: process.platform === 'win32' });
}

/** The built addon's path, or undefined. Its name carries the platform: `lance.linux-x64-gnu.node`. */
export function addonFile() {
  const name = readdirSync(at('native', 'addon')).find((file) => /^lance\..+\.node$/.test(file));
  return name && at('native', 'addon', name);
}

/** Builds the addon in release mode when a Rust source is newer than it. */
export function buildAddon() {
  const built = addonFile();
  // The load generator of `lance bench` is part of the addon.
  const isSource = (path) => /(\.rs|Cargo\.toml|Cargo\.lock)$/.test(path);
  const sources = Math.max(newest(at('native'), isSource), newest(at('bench', 'load'), isSource));
  if (built && modified(built) >= sources) return;
  say('building the engine (release; the first time takes some minutes)');
  run('npm', ['run', '--silent', 'build:addon']);
  const fresh = addonFile();
  if (!fresh) throw new Error('the addon build left no native/addon/lance.*.node');
  const now = new Date();
  utimesSync(fresh, now, now);
}

/** Compiles TypeScript and writes the command manifest when a source is newer than dist/. */
export function buildTypeScript() {
  const stamp = at('dist', '.built');
  const sources = Math.max(
    newest(at('src')),
    ...['tsconfig.json', 'package.json', 'package-lock.json'].map((f) => modified(at(f))),
  );
  if (existsSync(stamp) && modified(stamp) >= sources) return;
  say('building TypeScript');
  rmSync(at('dist'), { recursive: true, force: true });
  run('npm', ['run', '--silent', 'build:ts']);
}
