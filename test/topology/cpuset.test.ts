import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cpuSet,
  formatCpuList,
  formatCpuMask,
  parseCpuList,
  parseCpuMask,
} from '../../src/topology/cpuset.js';

const cpus = fc.uniqueArray(fc.nat({ max: 4095 })).map(cpuSet);

describe('CPU sets', () => {
  it('survive being written as a list and read again, also beyond 1,024 CPUs', () => {
    fc.assert(
      fc.property(cpus, (set) => {
        expect(parseCpuList(formatCpuList(set))).toEqual(set);
      }),
    );
  });

  it('survive being written as a mask and read again, also beyond 1,024 CPUs', () => {
    fc.assert(
      fc.property(cpus, (set) => {
        expect(parseCpuMask(formatCpuMask(set))).toEqual(set);
      }),
    );
  });

  it('are read in every form the kernel writes', () => {
    expect(parseCpuList('0-3,8,10-11\n')).toEqual([0, 1, 2, 3, 8, 10, 11]);
    expect(parseCpuList('0, 2, 4')).toEqual([0, 2, 4]);
    expect(parseCpuList('0-15:2/8')).toEqual([0, 1, 8, 9]);
    expect(parseCpuList('\n')).toEqual([]);
    expect(parseCpuMask('00000001,80000000\n')).toEqual([31, 32]);
    expect(parseCpuMask('ff')).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('are written as masks as wide as the kernel wrote them', () => {
    expect(formatCpuMask([1], '00000000,00000000')).toBe('00000000,00000002');
    expect(formatCpuMask([], '0')).toBe('0');
    expect(formatCpuMask([33], 'ff')).toBe('2,00000000');
  });

  it.each(['3-1', 'a', '1,,2', '0-99999999', '-1', '0-8:0/2', '1 2'])(
    '%j is refused as a list by name of the part',
    (text) => {
      expect(() => parseCpuList(text)).toThrow(/malformed CPU list/);
    },
  );

  it.each(['', 'xyz', '1,2', 'ffffffff,fff', '0x'])('%j is refused as a mask', (text) => {
    expect(() => parseCpuMask(text)).toThrow(/malformed CPU mask/);
  });

  it('never hang or crash on bytes from outside', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of [parseCpuList, parseCpuMask]) {
          try {
            parse(text);
          } catch (error) {
            expect(error).toHaveProperty('code', 'BAD_CPU_SET');
          }
        }
      }),
    );
  });
});
