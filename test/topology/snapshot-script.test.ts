import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { discover, readSnapshot } from '../../src/topology/index.js';
import { fourNodesBonded } from './fixtures/machines.js';
import { onDisk } from './support.js';

const top = resolve(import.meta.dirname, '../..');

it('scripts/topology-snapshot.ts makes a fixture that shows the same machine, without addresses', () => {
  const target = mkdtempSync(join(tmpdir(), 'lance-snapshot-'));
  onTestFinished(() => rmSync(target, { recursive: true, force: true }));
  const source = onDisk(fourNodesBonded());
  const ended = spawnSync(
    join(top, 'node_modules/.bin/tsx'),
    [join(top, 'scripts/topology-snapshot.ts'), target, source],
    { encoding: 'utf8' },
  );
  expect(ended.stdout).toContain(`lance topology --root ${target}`);
  expect(discover(readSnapshot(target), '/var/lib/lance')).toEqual(
    discover(readSnapshot(source), '/var/lib/lance'),
  );
  expect(readSnapshot(target).raw('proc/net/route')).not.toContain('0100000A');
});
