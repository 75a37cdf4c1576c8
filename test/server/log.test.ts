import { describe, expect, it } from 'vitest';
import { sentenceOf } from '../../src/engine/sentences.js';
import { engineLog, RateLimit } from '../../src/server/log.js';

const name = (id: number) => (id === 7 ? 'events' : `#${id}`);

describe('the log', () => {
  it('says in a sentence what happened to whom and what to do', () => {
    const frozen = sentenceOf(
      { event: 'topicFrozen', topic: 7, offset: 100n, errno: 5, what: 'flush' },
      name,
    );
    expect(frozen.level).toBe('error');
    expect(frozen.text).toContain('topic events is frozen at offset 100: flush failed with errno 5');
    expect(frozen.text).toContain('restart the node');
    const peer = sentenceOf({ event: 'badPeer', peer: '10.0.0.1:5', what: 'magic', unreported: 3n }, name);
    expect(peer.text).toBe(
      'closed the connection from 10.0.0.1:5: its first bytes are not LWP; 3 more since the last such line',
    );
  });

  it('lets one of a kind through a second and counts the rest', () => {
    let now = 0;
    const limit = new RateLimit(1000, () => now);
    expect(limit.pass('a')).toBe(0);
    expect(limit.pass('a')).toBeUndefined();
    expect(limit.pass('b')).toBe(0);
    expect(limit.pass('a')).toBeUndefined();
    now = 1000;
    expect(limit.pass('a')).toBe(2);
  });

  it('does not let one topic silence another', () => {
    const lines: string[] = [];
    const keep = (_: unknown, line: string) => lines.push(line);
    const write = engineLog({ info: keep, warn: keep, error: keep, debug: keep } as never, name);
    for (const topic of [7, 8, 7]) write({ event: 'damageFound', topic, offset: 1n });
    expect(lines).toHaveLength(2);
  });

  it('holds back no line of bad peers, which counts those that the engine held back', () => {
    const lines: string[] = [];
    const keep = (_: unknown, line: string) => lines.push(line);
    const write = engineLog({ info: keep, warn: keep, error: keep, debug: keep } as never, name);
    for (const unreported of [0n, 41n])
      write({ event: 'badPeer', peer: '10.0.0.1:5', what: 'magic', unreported });
    expect(lines).toEqual([
      'closed the connection from 10.0.0.1:5: its first bytes are not LWP',
      'closed the connection from 10.0.0.1:5: its first bytes are not LWP; 41 more since the last such line',
    ]);
  });
});
