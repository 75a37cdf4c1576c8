import { expect, it } from 'vitest';
import { compare } from '../../src/bench/compare.js';
import { result, run } from './support.js';

const five = (bytes: number, p50: number) =>
  result([0, 1, 2, 3, 4].map((i) => run(bytes * (1 + i / 100), p50 * (1 + i / 100))));
const verdicts = (found: ReturnType<typeof compare>) => found.differences.map(({ verdict }) => verdict);

it('more throughput and less latency are better, the other way round worse', () => {
  const [slow, fast] = [five(1e8, 200_000), five(2e8, 100_000)];
  expect(verdicts(compare(slow, fast))).toEqual(['better', 'better', 'better', 'better']);
  expect(verdicts(compare(fast, slow))).toEqual(['worse', 'worse', 'worse', 'worse']);
});

it('what overlaps is within noise', () => {
  expect(new Set(verdicts(compare(five(1e8, 1e5), five(1.005e8, 1.005e5))))).toEqual(
    new Set(['within noise']),
  );
});

it('too few runs are called too few, however far apart', () => {
  const found = compare(result([run(1e8, 1e5)]), result([run(9e8, 1e4)]));
  expect(new Set(verdicts(found))).toEqual(new Set(['within noise']));
  expect(found.notes.join()).toContain('--repeat');
});

it('two scenarios are not compared', () => {
  expect(() => compare(five(1, 1), { ...five(1, 1), scenario: 'ingest' })).toThrow('latency');
});
