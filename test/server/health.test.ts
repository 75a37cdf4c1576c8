/** What a node's health says about a drain. */
import { describe, expect, it } from 'vitest';
import { Health } from '../../src/server/health.js';

const topics = new Map([[3, 'orders']]);

function health(): Health {
  return new Health({
    counters: async () => {
      throw new Error('not asked for here');
    },
    catalogue: { nameOf: (id) => topics.get(id) ?? String(id), has: (id) => topics.has(id) },
    disk: () => undefined,
  });
}

describe('a drain', () => {
  it('leaves nothing in the journal where nothing is frozen', () => {
    const well = health();
    well.draining();
    expect(well.leftInJournal()).toBeUndefined();
  });

  it('leaves what a frozen topic acknowledged last in the journal, unless the topic is gone', () => {
    const sick = health();
    sick.frozen(3);
    expect(sick.leftInJournal()).toBe('topic orders is frozen and takes no writes');
    const gone = health();
    gone.frozen(4);
    expect(gone.leftInJournal()).toBeUndefined();
  });

  it('leaves what it may not bring over when the journal failed', () => {
    const failed = health();
    failed.hear({ event: 'journalFailed', what: 'a flush', errno: 5 });
    expect(failed.leftInJournal()).toContain('the journal failed (a flush, errno 5)');
  });
});
