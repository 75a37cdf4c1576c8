import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MachineFiles, RootFiles } from '../../src/topology/apply/files.js';
import { JOURNAL_PATH } from '../../src/topology/apply/journal.js';
import { revert } from '../../src/topology/apply/revert.js';
import { apply, revertAll } from '../../src/topology/steer.js';
import { twoSockets } from './fixtures/machines.js';
import { affinity, at, errno, journalOf, never, onDisk, steeringBytes } from './support.js';

describe('the journal', () => {
  it('of another boot is not reverted, and is moved aside by the next apply', async () => {
    const root = onDisk(twoSockets());
    await apply(at(root), never);
    const applied = steeringBytes(root);
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), '11111111-2222-3333-4444-555555555555\n');
    await expect(revertAll(root, false)).rejects.toMatchObject({ code: 'JOURNAL_OTHER_BOOT' });
    expect(steeringBytes(root)).toEqual(applied);
    writeFileSync(affinity(root, 59), '0-31\n');
    writeFileSync(join(root, 'proc/irq/59/smp_affinity'), 'ffffffff\n');
    const again = await apply(at(root), never);
    expect(again.applied.findings.map((finding) => finding.id)).toEqual(['other-boot']);
    expect(readdirSync(join(root, 'var/lib/lance')).sort()).toEqual([
      'topology-journal.json',
      'topology-journal.json.7a0b7f4e',
    ]);
    expect(journalOf(root)?.entries.map((entry) => entry.path)).toEqual([
      '/proc/irq/59/smp_affinity_list',
      '/proc/irq/59/smp_affinity',
    ]);
  });

  /** A journal that says a file was changed. */
  const naming = (path: string): string =>
    JSON.stringify({
      version: 1,
      bootId: null,
      state: 'applied',
      startedAt: 1,
      options: {},
      entries: [{ path, was: 'x', to: 'y' }],
      refused: [],
    });
  it.each([
    ['cut off', '{"version":1,'],
    ['of a later version', JSON.stringify({ version: 2 })],
    ['naming a file that is no steering file', naming('/etc/shadow')],
    ['climbing out of its directory', naming('/sys/class/net/../queues/rx-0/rps_cpus')],
  ])('%s is refused by apply and revert, and nothing is written', async (_, text) => {
    const root = onDisk(twoSockets());
    mkdirSync(join(root, 'var/lib/lance'), { recursive: true });
    writeFileSync(join(root, JOURNAL_PATH), text);
    const before = steeringBytes(root);
    await expect(apply(at(root), never)).rejects.toMatchObject({ code: 'JOURNAL_BAD' });
    await expect(revertAll(root, false)).rejects.toMatchObject({ code: 'JOURNAL_BAD' });
    expect(steeringBytes(root)).toEqual(before);
  });

  it('keeps what a revert could not put back, and a second revert finishes', () => {
    const root = onDisk(twoSockets());
    return apply(at(root), never).then(() => {
      const real = new RootFiles(root);
      const files: MachineFiles = {
        read: (path) => real.read(path),
        write: (path, text) => {
          if (path === '/proc/irq/59/smp_affinity_list') throw errno('EIO');
          real.write(path, text);
        },
      };
      const bootId = journalOf(root)?.bootId ?? null;
      expect(() => revert({ root, bootId, files })).toThrow(
        /1 of \d+ files could not be put back: \/proc\/irq\/59/,
      );
      expect(journalOf(root)?.entries).toHaveLength(1);
      revert({ root, bootId });
      expect(readFileSync(affinity(root, 59), 'utf8')).toBe('0-31\n');
    });
  });
});
