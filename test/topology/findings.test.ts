import { describe, expect, it } from 'vitest';
import { discover, findingsFor, planFor } from '../../src/topology/index.js';
import type { MachineBuilder } from './fixtures/builder.js';
import {
  arm,
  container,
  fourNodesBonded,
  offlineAndMemoryless,
  smallVirtio,
  twoSockets,
} from './fixtures/machines.js';
import { withFiles } from './support.js';

describe('findings', () => {
  const ids = (build: () => MachineBuilder): string[] => {
    const machine = discover(build().tree(), '/var/lib/lance');
    return findingsFor(machine, planFor(machine)).map((found) => found.id);
  };

  it('tell of each machine what is wrong with it', () => {
    expect(ids(twoSockets)).toEqual(
      expect.arrayContaining([
        'nic-disk-apart',
        'irqbalance',
        'governor',
        'shared-cores',
        'numa-balancing',
        'queues-ens2f0np0',
      ]),
    );
    expect(ids(smallVirtio)).toEqual(expect.arrayContaining(['memlock', 'no-nvme', 'few-cores', 'governor']));
    expect(ids(offlineAndMemoryless)).toEqual(
      expect.arrayContaining(['node-unknown', 'no-memory', 'offline', 'isolated', 'clock', 'io-uring']),
    );
    expect(ids(container)).toEqual(
      expect.arrayContaining(['no-nic', 'no-disk', 'quota', 'cpuset', 'no-steering', 'memlock']),
    );
    expect(ids(fourNodesBonded)).toEqual(expect.arrayContaining(['ports-apart', 'nic-disk-apart']));
    expect(ids(arm)).toEqual(['queues-enP3p1s0']);
  });

  it('say why what cannot be done here cannot', () => {
    const machine = discover(container().tree(), '/var/lib/lance');
    for (const found of findingsFor(machine, planFor(machine))) {
      expect(found.supported).toBe(found.reason === null);
      expect(found.what).not.toContain('\n');
      expect(found.advice).not.toBe('');
    }
  });

  it('say that the host takes CPUs away, and of how much that is', () => {
    const at = (stat: string | undefined) => {
      const machine = discover(withFiles(smallVirtio().tree(), { 'proc/stat': stat }));
      return findingsFor(machine, planFor(machine)).find((found) => found.id === 'steal');
    };
    expect(at('cpu  600 0 250 90000 500 10 40 100 0 0\ncpu0 1 2 3\n')).toMatchObject({
      severity: 'warning',
      what: expect.stringContaining('10.0%'),
      supported: false,
    });
    expect(at('cpu  600 0 300 90000 500 10 40 5 0 0\n')).toBeUndefined();
    expect(at('cpu  0 0 0 0 0 0 0 0 0 0\n')).toBeUndefined();
    expect(at('nonsense\n')).toBeUndefined();
    expect(at(undefined)).toBeUndefined();
  });

  it('say what is wrong with huge pages for everybody, and for nobody', () => {
    const at = (enabled: string) => {
      const tree = withFiles(smallVirtio().tree(), { 'sys/kernel/mm/transparent_hugepage/enabled': enabled });
      const machine = discover(tree);
      return findingsFor(machine, planFor(machine)).find((found) => found.id === 'thp')?.what;
    };
    expect(at('[always] madvise never')).toContain('set to always: compaction');
    expect(at('always madvise [never]')).toContain('set to never: the device');
    expect(at('always [madvise] never')).toBeUndefined();
  });

  it('say that free memory goes back to the host only where it does', () => {
    const at = (order: string | undefined) => {
      const file = 'sys/module/page_reporting/parameters/page_reporting_order';
      const machine = discover(withFiles(smallVirtio().tree(), { [file]: order }));
      const found = findingsFor(machine, planFor(machine)).find((finding) => finding.id === 'page-reporting');
      return [machine.system.freePagesReportedFrom, found?.severity, found?.supported];
    };
    expect(at('9\n')).toEqual([512, 'warning', false]);
    expect(at('0\n')).toEqual([1, 'warning', false]);
    // No device asked for it: the kernel's default, as a signed and as an unsigned number; and an order that no page has.
    for (const order of ['-1\n', '4294967295\n', '11\n', 'nonsense\n', undefined]) {
      expect(at(order)).toEqual([null, undefined, undefined]);
    }
  });

  it('say that a missing io_uring is missing and why', () => {
    const tree = withFiles(smallVirtio().tree(), { 'proc/sys/kernel/io_uring_disabled': '2\n' });
    const machine = discover(tree);
    expect(findingsFor(machine, planFor(machine)).find((found) => found.id === 'io-uring')).toMatchObject({
      severity: 'warning',
      what: expect.stringContaining('io_uring_disabled is 2'),
    });
  });
});
