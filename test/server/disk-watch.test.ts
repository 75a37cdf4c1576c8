import { describe, expect, it } from 'vitest';
import { DiskWatch } from '../../src/server/disk-watch.js';
import { FakeEngine } from '../support/fake-engine.js';

async function watched(minFree: { bytes: number; exact: boolean }, total = 1_000_000) {
  const engine = new FakeEngine();
  const lines: string[] = [];
  const keep = (_: unknown, line: string) => lines.push(line);
  let free = 0;
  const log = { warn: keep, info: keep } as never;
  const watch = new DiskWatch('/data', minFree, engine, log, async () => ({ free, total }));
  const at = async (bytes: number) => {
    free = bytes;
    await watch.look();
    return engine.refusing;
  };
  return { watch, at, lines };
}

describe('the disk watch', () => {
  it('refuses writes below limits.min_free_disk and takes them again with some room to spare', async () => {
    const { watch, at, lines } = await watched({ bytes: 1000, exact: true }, 1000);
    expect(await at(1000)).toBe(false);
    expect(watch.reason).toBeUndefined();
    expect(await at(999)).toBe(true);
    expect(watch.reason).toContain('limits.min_free_disk');
    expect(await at(1049)).toBe(true);
    expect(await at(1050)).toBe(false);
    expect(lines).toHaveLength(2);
  });

  it('takes a share of a small file system as the limit, unless somebody set one', async () => {
    const { at } = await watched({ bytes: 1000, exact: false }, 2000);
    expect(await at(100)).toBe(false);
    expect(await at(99)).toBe(true);
    const large = await watched({ bytes: 1000, exact: false }, 1_000_000);
    expect(await large.at(999)).toBe(true);
  });
});
