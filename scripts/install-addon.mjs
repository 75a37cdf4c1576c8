// The install script of the package: does nothing where the addon that it carries loads, and builds one from the
// sources that it carries where not. In a checkout `npm run build` is for that.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'native', 'addon');
const platform = `${process.platform}-${process.arch}`;

/** Whether the addon `file` can be loaded here. */
function loads(file) {
  try {
    createRequire(import.meta.url)(join(folder, file));
    return true;
  } catch {
    return false;
  }
}

function fail(message) {
  process.stderr.write(`\nlance: ${message}\n\n`);
  process.exit(1);
}

function build() {
  const cargo = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
  if (cargo.error || cargo.status !== 0) {
    fail(
      `There is no prebuilt engine for this machine (${platform}; the package carries linux-x64-gnu for glibc 2.34 and newer), and no Rust to build one.
Install Rust 1.90 or newer (https://rustup.rs) and a C compiler, then install lance again.
For the client and the commands that need no engine: LANCE_SKIP_ENGINE=1 npm install ...`,
    );
  }
  process.stderr.write(`lance: building the engine for ${platform}; this takes some minutes\n`);
  const target = mkdtempSync(join(tmpdir(), 'lance-build-'));
  try {
    const manifest = join(root, 'native', 'Cargo.toml');
    const args = ['build', '--release', '--locked', '-p', 'lance-addon', '--manifest-path', manifest];
    const { status, error } = spawnSync('cargo', args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, CARGO_TARGET_DIR: target },
    });
    if (error || status !== 0) fail('The engine could not be built; what cargo said stands above.');
    const file = `lance.${platform}-local.node`;
    copyFileSync(join(target, 'release', 'liblance_addon.so'), join(folder, file));
    if (!loads(file)) fail(`The engine was built, and ${join(folder, file)} does not load.`);
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

const isCheckout = existsSync(join(root, 'src'));
const carried = readdirSync(folder).filter((file) => /^lance\..+\.node$/.test(file));
if (isCheckout || process.env.LANCE_SKIP_ENGINE || carried.some(loads)) process.exit(0);
if (process.platform !== 'linux') {
  process.stderr.write(
    'lance: a node runs on Linux only; here there are the client and the other commands\n',
  );
  process.exit(0);
}
build();
