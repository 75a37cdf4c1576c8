import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { apply, check } from '../../src/topology/steer.js';
import { twoSockets } from './fixtures/machines.js';
import { affinity, at, never, onDisk } from './support.js';

describe('check', () => {
  it('finds what was changed by hand after an apply, in either file', async () => {
    const root = onDisk(twoSockets());
    await apply(at(root), never);
    writeFileSync(affinity(root, 59), '3\n');
    writeFileSync(join(root, 'proc/irq/8/smp_affinity'), '00000001\n');
    writeFileSync(join(root, 'sys/class/net/ens2f0np0/queues/tx-0/xps_cpus'), 'ffffffff\n');
    expect(check(at(root)).checked.drift).toEqual([
      { path: '/proc/irq/59/smp_affinity_list', expected: '8', actual: '3' },
      { path: '/sys/class/net/ens2f0np0/queues/tx-0/xps_cpus', expected: '00000100', actual: 'ffffffff' },
      { path: '/proc/irq/8/smp_affinity', expected: expect.any(String), actual: '00000001' },
    ]);
  });

  it('does not mind an interrupt that is still delivered elsewhere, but says so', async () => {
    const root = onDisk(twoSockets());
    await apply(at(root), never);
    const found = check(at(root));
    expect(found.checked.drift).toEqual([]);
    expect(found.findings.map((finding) => finding.id)).toContain('lagging');
  });

  it('compares with the plan of the flags that --apply was given', async () => {
    const root = onDisk(twoSockets());
    await apply({ ...at(root), nic: 'eno1' }, never);
    expect(check(at(root)).checked.drift).toEqual([]);
    expect(check({ ...at(root), nic: 'ens2f0np0' }).checked.drift.length).toBeGreaterThan(0);
  });

  it('finds a machine that was never steered adrift', () => {
    expect(check(at(onDisk(twoSockets()))).checked.drift.length).toBeGreaterThan(10);
  });

  it('finds CPUs that went offline since', async () => {
    const root = onDisk(twoSockets());
    await apply(at(root), never);
    writeFileSync(join(root, 'sys/devices/system/cpu/online'), '0-7,9-31\n');
    writeFileSync(join(root, 'sys/devices/system/node/node1/cpulist'), '9-15,24-31\n');
    expect(check(at(root)).checked.drift.length).toBeGreaterThan(0);
  });
});
