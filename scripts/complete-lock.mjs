// Adds to package-lock.json the prebuilt binaries of other platforms that npm left out.
//
// A registry mirror may hold only the binaries of the platforms it serves. `npm install` then drops the others from
// the lock without a word, and `npm ci` refuses the lock as incomplete. They are optional and carry their platform in
// their name, so the entries can be written from what the depending package says. Run it after `npm install NAME`.
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));

const PLATFORM =
  /-(android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|aix|win32|wasm32)-?([a-z0-9]+)?(?:-?([a-z]+))?$/;

/** `@rollup/rollup-linux-x64-musl` -> `{os: ['linux'], cpu: ['x64'], libc: ['musl']}`; undefined for other names. */
function platformOf(name) {
  const match = PLATFORM.exec(name);
  if (!match) return undefined;
  const [, os, cpu, abi] = match;
  if (os === 'wasm32') return { cpu: ['wasm32'] };
  const platform = { cpu: [cpu], os: [os] };
  if (os === 'linux' && abi) platform.libc = [abi.startsWith('musl') ? 'musl' : 'glibc'];
  return platform;
}

/** The lock key under which `name`, asked for by the package at `from`, is or would be found. */
function findKey(from, name) {
  for (let base = from; ; ) {
    const key = `${base ? `${base}/` : ''}node_modules/${name}`;
    if (lock.packages[key]) return key;
    if (!base) return undefined;
    const cut = base.lastIndexOf('/node_modules/');
    base = cut < 0 ? '' : base.slice(0, cut);
  }
}

const added = [];
for (const [from, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (findKey(from, name)) continue;
    const platform = platformOf(name);
    const version = /^\d+\.\d+\.\d+\S*$/.exec(range)?.[0];
    if (!platform || !version) continue;
    lock.packages[`node_modules/${name}`] = {
      version,
      ...platform,
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
    };
    added.push(`${name}@${version}`);
  }
}

lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added.length} optional packages of other platforms added to package-lock.json\n`);
