import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyPlan } from '../../src/topology/apply/apply.js';
import { type MachineFiles, RootFiles } from '../../src/topology/apply/files.js';
import { JournalFile } from '../../src/topology/apply/journal.js';
import { lockRoot } from '../../src/topology/apply/lock.js';
import { revert } from '../../src/topology/apply/revert.js';
import { apply, check, previewApply, revertAll } from '../../src/topology/steer.js';
import { survey } from '../../src/topology/survey.js';
import { machines, twoSockets } from './fixtures/machines.js';
import { affinity, at, errno, journalOf, never, onDisk, steeringBytes, wholeTree } from './support.js';

/** Applies with files that fail where `fail` throws. */
function applyWith(root: string, fail: (path: string, files: RootFiles) => void) {
  const { plan, tree, machine } = survey(at(root));
  const real = new RootFiles(root);
  const files: MachineFiles = {
    read: (path) => real.read(path),
    write: (path, text) => {
      fail(path, real);
      real.write(path, text);
    },
  };
  return applyPlan({ root, plan, tree, bootId: machine.system.bootId, options: {}, now: 1, files });
}

describe('apply and revert', () => {
  it.each(Object.entries(machines))(
    'on %s put the plan in place, find nothing to do twice, and put back every byte',
    async (_, build) => {
      const root = onDisk(build());
      const tree = wholeTree(root);
      const before = steeringBytes(root);
      const planned = previewApply(at(root)).applied.changed;
      expect(steeringBytes(root)).toEqual(before);

      const first = await apply(at(root), never);
      expect(first.applied.changed).toEqual(planned);
      for (const { path, to } of planned) expect(readFileSync(join(root, path), 'latin1')).toBe(`${to}\n`);
      const applied = steeringBytes(root);
      const again = await apply(at(root), never);
      expect(again.applied.changed).toEqual([]);
      expect(steeringBytes(root)).toEqual(applied);
      expect(check(at(root)).checked.drift).toEqual([]);

      await revertAll(root, false);
      expect(wholeTree(root)).toEqual(tree);
    },
  );

  it('put back files without a line end and masks in an unusual form byte for byte', async () => {
    const root = onDisk(twoSockets());
    writeFileSync(affinity(root, 59), '0-31');
    writeFileSync(join(root, 'proc/irq/60/smp_affinity'), 'FFFFFFFF\n');
    const before = steeringBytes(root);
    await apply(at(root), never);
    await revertAll(root, false);
    expect(steeringBytes(root)).toEqual(before);
  });

  it('go back to what was before the first of several applies', async () => {
    const root = onDisk(twoSockets());
    const before = steeringBytes(root);
    await apply(at(root), never);
    await apply({ ...at(root), nic: 'eno1' }, never);
    await revertAll(root, false);
    expect(steeringBytes(root)).toEqual(before);
  });

  it('have the journal on disk before the first byte of the machine changes', async () => {
    const root = onDisk(twoSockets());
    let seen: string | undefined;
    await applyWith(root, () => {
      seen ??= journalOf(root)?.state;
    });
    expect(seen).toBe('applying');
    expect(journalOf(root)?.state).toBe('applied');
  });

  it('a revert after a crash half-way restores everything, and so does an apply that finishes the work', async () => {
    for (const finish of [true, false]) {
      const root = onDisk(twoSockets());
      const before = steeringBytes(root);
      let writes = 0;
      // The process dies: neither roll-back nor journal get another word.
      const dying = applyWith(root, () => {
        writes += 1;
        if (writes > 20) throw Object.assign(errno('EIO'), { code: 'CRASH' });
      });
      const journal = readJournalWhen(root, 'applying');
      await expect(dying).rejects.toThrow();
      restoreCrash(root, journal, before);
      expect(check(at(root)).findings[0]).toMatchObject({ id: 'half-applied', severity: 'critical' });
      if (finish) {
        await apply(at(root), never);
        expect(check(at(root)).checked).toMatchObject({ drift: [], findings: [] });
      }
      await revertAll(root, false);
      expect(steeringBytes(root)).toEqual(before);
    }
  });

  it('never leave the root through an absolute link', async () => {
    const outside = onDisk(twoSockets());
    const root = onDisk(twoSockets());
    const inside = join(root, 'proc/irq/59');
    rmSync(inside, { recursive: true });
    symlinkSync(join(outside, 'proc/irq/59'), inside);
    const before = steeringBytes(outside);
    await apply(at(root), never);
    expect(steeringBytes(outside)).toEqual(before);
  });
});

/** The journal as it stands while `state` holds; the caller's apply has written it before its first await. */
function readJournalWhen(root: string, state: string) {
  const journal = journalOf(root);
  expect(journal?.state).toBe(state);
  return journal;
}

/** Puts the machine into the state of a process killed after a few writes: journal as it was then, some files changed. */
function restoreCrash(
  root: string,
  journal: ReturnType<typeof journalOf>,
  before: ReadonlyMap<string, string>,
): void {
  if (journal === undefined) throw new Error('no journal');
  new JournalFile(root).write(journal);
  for (const { path, to } of journal.entries.slice(0, 20)) new RootFiles(root).write(path, `${to}\n`);
  expect(steeringBytes(root)).not.toEqual(before);
}

describe('a root that was copied by hand', () => {
  it('may hold links made with its own absolute path', async () => {
    const root = onDisk(twoSockets());
    const nic = join(root, 'sys/class/net/ens2f0np0');
    rmSync(nic);
    symlinkSync(join(root, 'sys/devices/pci0000:98/0000:97:02.0/0000:98:00.0/net/ens2f0np0'), nic);
    const done = await apply(at(root), never);
    expect(done.plan.nics).toEqual(['ens2f0np0']);
    expect(readFileSync(join(root, 'sys/class/net/ens2f0np0/queues/tx-0/xps_cpus'), 'utf8')).toBe(
      '00000100\n',
    );
  });
});

describe('a failure half-way', () => {
  it('rolls back every file, leaves no journal and says so', async () => {
    const root = onDisk(twoSockets());
    const before = steeringBytes(root);
    let writes = 0;
    const failing = applyWith(root, () => {
      writes += 1;
      if (writes === 15) throw errno('ENOMEM');
    });
    await expect(failing).rejects.toMatchObject({
      code: 'ROLLED_BACK',
      message: expect.stringMatching(/everything was put back/),
    });
    expect(steeringBytes(root)).toEqual(before);
    expect(journalOf(root)).toBeUndefined();
  });

  it('says what could not be put back and keeps it in the journal for --revert', async () => {
    const root = onDisk(twoSockets());
    const before = steeringBytes(root);
    const stuck = '/proc/irq/59/smp_affinity_list';
    let failed = false;
    const failing = applyWith(root, (path) => {
      if (path === '/proc/irq/70/smp_affinity_list') failed = true;
      if (failed && (path === stuck || path === '/proc/irq/70/smp_affinity_list')) throw errno('ENOMEM');
    });
    await expect(failing).rejects.toMatchObject({
      code: 'ROLLED_BACK',
      message: expect.stringContaining(`1 files could not be put back: ${stuck}`),
    });
    expect(journalOf(root)?.entries.map((entry) => entry.path)).toEqual([stuck]);
    await revertAll(root, false);
    expect(steeringBytes(root)).toEqual(before);
  });

  it('rolls back when a value read back is not the one written', async () => {
    const root = onDisk(twoSockets());
    const before = steeringBytes(root);
    const { plan, tree } = survey(at(root));
    const real = new RootFiles(root);
    let broken = 0;
    const files: MachineFiles = {
      read: (path) =>
        path === '/proc/irq/66/smp_affinity_list' && broken++ === 1 ? '31\n' : real.read(path),
      write: (path, text) => real.write(path, text),
    };
    const failing = applyPlan({ root, plan, tree, bootId: null, options: {}, now: 1, files });
    await expect(failing).rejects.toMatchObject({ message: expect.stringMatching(/reads "31" after/) });
    expect(steeringBytes(root)).toEqual(before);
  });

  it('of an interrupt from the keyboard rolls back and exits 130', async () => {
    const root = onDisk(twoSockets());
    const before = steeringBytes(root);
    const interrupt = new AbortController();
    const running = apply(at(root), interrupt.signal);
    setImmediate(() => setImmediate(() => interrupt.abort()));
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
    expect(steeringBytes(root)).toEqual(before);
  });

  it('a file that changed after it was shown stops the run: what was shown is what is done', async () => {
    const root = onDisk(twoSockets());
    const { plan, tree } = survey(at(root));
    writeFileSync(affinity(root, 60), '2\n');
    const before = steeringBytes(root);
    const failing = applyPlan({ root, plan, tree, bootId: null, options: {}, now: 1 });
    await expect(failing).rejects.toMatchObject({
      code: 'ROLLED_BACK',
      message: expect.stringMatching(/irq\/60\/smp_affinity_list changed from 0-31 to 2/),
    });
    expect(steeringBytes(root)).toEqual(before);
  });

  it('of the journal itself changes nothing at all', async () => {
    const root = onDisk(twoSockets());
    mkdirSync(join(root, 'var/lib'), { recursive: true });
    writeFileSync(join(root, 'var/lib/lance'), 'a file in the way');
    const before = steeringBytes(root);
    await expect(apply(at(root), never)).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
    expect(steeringBytes(root)).toEqual(before);
  });
});

describe('a single IRQ', () => {
  it.each(['EIO', 'EPERM', 'EINVAL', 'ENOSPC'])(
    'that the kernel refuses with %s is a finding, the others move, and revert restores',
    async (code) => {
      const root = onDisk(twoSockets());
      const before = steeringBytes(root);
      const applied = await applyWith(root, (path) => {
        if (path.startsWith('/proc/irq/62/')) throw errno(code);
      });
      expect(applied.findings).toMatchObject([
        {
          id: 'refused',
          supported: false,
          reason: code,
          what: expect.stringContaining('IRQ 62 stays on 0-31'),
        },
      ]);
      expect(readFileSync(affinity(root, 62), 'utf8')).toBe('0-31\n');
      expect(readFileSync(affinity(root, 59), 'utf8')).toBe('8\n');
      expect(journalOf(root)?.entries.some((entry) => entry.path.includes('/62/'))).toBe(false);
      expect(check(at(root)).checked.drift.length).toBe(code === 'EIO' ? 0 : 1);
      revert({ root, bootId: journalOf(root)?.bootId ?? null });
      expect(steeringBytes(root)).toEqual(before);
    },
  );

  it('that went away between plan and apply is a finding', async () => {
    const root = onDisk(twoSockets());
    let first = true;
    const applied = await applyWith(root, () => {
      if (first) rmSync(join(root, 'proc/irq/63'), { recursive: true });
      first = false;
    });
    expect(applied.findings).toMatchObject([{ id: 'irq-gone', what: expect.stringContaining('IRQ 63') }]);
    expect(readFileSync(affinity(root, 64), 'utf8')).toBe('9-15,25-31\n');
  });

  it('that went away between apply and revert is a finding, and the rest is put back', async () => {
    const root = onDisk(twoSockets());
    await apply(at(root), never);
    rmSync(join(root, 'proc/irq/63'), { recursive: true });
    expect(check(at(root)).checked.findings.map((found) => found.id)).toContain('irq-gone');
    const reverted = await revertAll(root, false);
    expect(reverted.findings.map((found) => found.id)).toContain('irq-gone');
    expect(readFileSync(affinity(root, 64), 'utf8')).toBe('0-31\n');
  });

  it('all of which are refused, as in a container, fail with the reason and leave no journal', async () => {
    const root = onDisk(twoSockets());
    const failing = applyWith(root, () => {
      throw errno('EROFS');
    });
    await expect(failing).rejects.toMatchObject({
      code: 'NOTHING_APPLIED',
      hint: expect.stringMatching(/host/),
    });
    expect(journalOf(root)).toBeUndefined();
  });
});

describe('two at once', () => {
  it('a second apply or revert is refused while the first holds the machine, and not after', async () => {
    const root = onDisk(twoSockets());
    const release = await lockRoot(root);
    await expect(apply(at(root), never)).rejects.toMatchObject({ code: 'BUSY' });
    await expect(revertAll(root, false)).rejects.toMatchObject({ code: 'BUSY' });
    expect(journalOf(root)).toBeUndefined();
    release();
    await apply(at(root), never);
    await revertAll(root, false);
  });
});
