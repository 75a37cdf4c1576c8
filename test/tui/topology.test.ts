import { describe, expect, it } from 'vitest';
import { discover, findingsFor, planFor } from '../../src/topology/index.js';
import { drawTopology } from '../../src/tui/topology/screen.js';
import { MachineBuilder } from '../topology/fixtures/builder.js';
import { machines, twoSockets } from '../topology/fixtures/machines.js';

function draw(build: () => MachineBuilder, columns = 80, unicode = true): string {
  const machine = discover(build().tree(), '/var/lib/lance');
  const plan = planFor(machine);
  return drawTopology(
    { machine, plan, findings: findingsFor(machine, plan) },
    { columns, colour: false, unicode },
  );
}

describe("lance topology's screen", () => {
  it.each(Object.entries(machines))(
    'of %s fits 80 and 60 columns and holds no escape sequence',
    (_, build) => {
      for (const columns of [80, 60]) {
        const text = draw(build, columns);
        expect(text).not.toContain('\u001b');
        for (const line of text.split('\n')) expect([...line].length).toBeLessThanOrEqual(columns);
        // Facts between dots stay whole.
        const heading = text.slice(0, text.indexOf('╭'));
        expect(heading).not.toMatch(/\n[ ·]|(clock|governor|io_uring|memlock|pages|THP)\n/);
        // Folded text begins under the text before it.
        expect(text.slice(text.indexOf('Findings'), text.indexOf('Plan ('))).not.toMatch(/\n {6}/);
      }
    },
  );

  it.each(Object.entries(machines))(
    'of %s is plain ASCII, as wide, where the locale knows no more',
    (_, build) => {
      const text = draw(build, 80, false);
      expect(text).toMatch(/^[\n -~]*$/);
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
      expect(text).toContain('+----');
      expect(text.split('\n').length).toBe(draw(build).split('\n').length);
    },
  );

  it('draws devices in the box of their node and roles in the box of their core', () => {
    const text = draw(twoSockets);
    const [node0 = '', node1 = ''] = text.slice(text.indexOf('node 0')).split('node 1 ·');
    expect(node0).toContain('NVMe nvme0 (in the plan)');
    expect(node0).not.toContain('ens2f0np0');
    expect(node1).toContain('NIC ens2f0np0 (in the plan)');
    const box = node1.split('\n').findIndex((line) => line.includes('cpu 8,24'));
    expect(node1.split('\n')[box + 1]).toContain('network');
  });

  it('shows the plan as before and after, IRQs of one fate on one line', () => {
    const text = draw(twoSockets);
    expect(text).toMatch(/irq 59 +ens2f0np0 q0 +0-31 → 8\n/);
    expect(text).toMatch(/irq 58,60-74 +ens2f0np0 q1-15 +0-31 → 9-15,25-31\n/);
    expect(text).toMatch(/xps +ens2f0np0 q0 +00000001 → 00000100\n/);
  });

  it('of 2,048 CPUs draws the cores of the plan and counts the others', () => {
    const cpus = Array.from({ length: 2048 }, (_, cpu) => [cpu]);
    const text = draw(() =>
      new MachineBuilder({ hostname: 'huge', kernel: '6.1.0', model: 'x', online: '0-2047', memoryMiB: 1024 })
        .cores(0, cpus)
        .nodes([{ cpus: '0-2047', memoryMiB: 1024, distances: [10] }]),
    );
    expect(text.split('\n').length).toBeLessThan(60);
    expect(text).toMatch(/and \d+ cores with no part in the plan/);
  });
});
