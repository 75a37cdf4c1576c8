import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Machine } from './result.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Describes this machine and the file system that `dir` is on. */
export function describeMachine(dir: string): Machine {
  const { fileSystem, device } = mountOf(dir);
  const packageFile = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string };
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    fileSystem,
    device,
    node: process.version,
    lance: packageFile.version,
    commit: commit(),
    loadAverage: loadavg().map((load) => Math.round(load * 100) / 100),
  };
}

/** The mount with the longest path that holds `dir` (proc(5), mountinfo). */
function mountOf(dir: string): { fileSystem: string; device: string | null } {
  let best = { path: '', fileSystem: 'unknown', device: null as string | null };
  try {
    const real = realpathSync(dir);
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
      const [before = '', after = ''] = line.split(' - ');
      const path = before.split(' ')[4] ?? '';
      const holds = real === path || real.startsWith(path === '/' ? '/' : `${path}/`);
      if (!path || !holds || path.length < best.path.length) continue;
      const [fileSystem = 'unknown', source = ''] = after.split(' ');
      best = { path, fileSystem, device: source.startsWith('/dev/') ? source : null };
    }
  } catch {
    // A description is no reason to fail.
  }
  return best;
}

/** The commit, where `lance` runs from a clone of its repository. */
function commit(): string | null {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', ['-C', ROOT, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    if (realpathSync(git('rev-parse', '--show-toplevel')) !== realpathSync(ROOT)) return null;
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '-uno') ? ' with changes' : ''}`;
  } catch {
    return null;
  }
}
