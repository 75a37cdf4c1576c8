/** What a write that fails leaves behind: nothing, and the file that was there. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyCounters } from '../../src/server/counters-copy.js';
import { writeDurably } from '../../src/server/durable-file.js';
import { temporaryFolder } from './support.js';

describe('a write that fails', () => {
  it('takes its temporary file away, which would hold the last bytes of a full disk', async () => {
    const dir = temporaryFolder();
    // A directory in the place of the file: the rename fails, whoever runs this.
    mkdirSync(join(dir, 'node.json'));
    await expect(writeDurably(join(dir, 'node.json'), '{}')).rejects.toThrow(/EISDIR|ENOTEMPTY/);
    expect(readdirSync(dir)).toEqual(['node.json']);
  });

  it('of the counters does so too, and the copy before it stays', async () => {
    const dir = temporaryFolder();
    const [live, copy] = [join(dir, 'live'), join(dir, 'counters.lcf')];
    writeFileSync(live, 'no counters');
    writeFileSync(copy, 'the last good copy');
    await expect(copyCounters(live, copy)).rejects.toThrow();
    expect(readdirSync(dir).sort()).toEqual(['counters.lcf', 'live']);
    expect(readFileSync(copy, 'utf8')).toBe('the last good copy');
  });
});
