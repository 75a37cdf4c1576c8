import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const dir = join(root, '.cache', `tally-${process.pid}`);
beforeAll(() => mkdirSync(join(dir, 'test'), { recursive: true }));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('the closing line counts passes, failures, files that do not load, and skips with their reason', () => {
  writeFileSync(
    join(dir, 'test/some.test.ts'),
    `import { expect, it } from 'vitest';
     it('passes', () => {});
     it('fails', () => expect(1).toBe(2));
     it('is skipped', (context) => context.skip('needs a program'));`,
  );
  writeFileSync(join(dir, 'test/broken.test.ts'), `import './absent.js';`);
  const results = join(dir, 'results.json');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--root', dir, `--reporter=${join(root, 'scripts/vitest-tally.mjs')}`];
  const { status } = spawnSync(process.execPath, args, {
    env: { ...process.env, LANCE_TALLY_FILE: results },
  });
  expect(status).not.toBe(0);
  expect(JSON.parse(readFileSync(results, 'utf8'))).toEqual({
    passed: 1,
    failed: 2,
    skipped: [{ name: 'is skipped', reason: 'needs a program' }],
  });
});
