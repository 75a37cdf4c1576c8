import { describe, expect, it } from 'vitest';
import { DiskWatch } from '../../src/server/disk-watch.js';
import { FakeEngine } from '../support/fake-engine.js';

describe('the disk watch', () => {
  it('refuses writes below limits.min_free_disk and takes them again with some room to spare', async () => {
    const engine = new FakeEngine();
    const lines: string[] = [];
    const keep = (_: unknown, line: string) => lines.push(line);
    let free = 1000;
    const watch = new DiskWatch('/data', 1000, engine, { warn: keep, info: keep } as never, async () => free);
    const at = async (bytes: number) => {
      free = bytes;
      await watch.look();
      return engine.refusing;
    };
    expect(await at(1000)).toBe(false);
    expect(watch.reason).toBeUndefined();
    expect(await at(999)).toBe(true);
    expect(watch.reason).toContain('limits.min_free_disk');
    expect(await at(1049)).toBe(true);
    expect(await at(1050)).toBe(false);
    expect(lines).toHaveLength(2);
  });
});
