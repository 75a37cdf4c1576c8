import { expect, it } from 'vitest';
import { ratioOf, throughputFloor } from '../../src/bench/ratio.js';
import { result, run, times } from './support.js';

const floor = result([]).floor ?? expect.fail('the fixture has a floor');
const measured = run(3e8, 110_000);

it('the floor of a throughput is the lower of device and pipeline at the same durability', () => {
  expect(throughputFloor(floor, 'durable')).toEqual({ bytes: 5e8, which: 'pipeline' });
  expect(throughputFloor({ ...floor, pipelineWrittenBytes: 2e9 }, 'written')).toEqual({
    bytes: 1e9,
    which: 'device',
  });
  expect(throughputFloor({ ...floor, pipelineDurableBytes: null }, 'durable').which).toBe('device');
});

it('even arrivals are held against a round trip and a durable write, Poisson ones against a group commit', () => {
  const even = ratioOf(measured, floor, { durability: 'durable', arrivals: 'even', rate: 5_000 });
  expect(even).toMatchObject({ throughput: 0.6, latencyFloor: 'roundTrip+dsync4k' });
  expect(even.p50).toBeCloseTo(110 / 96);
  const poisson = ratioOf(measured, floor, { durability: 'durable', arrivals: 'poisson', rate: 5_000 });
  expect(poisson.latencyFloor).toBe('groupCommit');
  expect(poisson.p99).toBeCloseTo(330 / 300);
  const written = ratioOf(measured, floor, { durability: 'written', arrivals: 'even', rate: 5_000 });
  expect(written.p50).toBeCloseTo(110 / 46);
});

it('a schedule is held against the bare pipeline on the same schedule, too', () => {
  const how = { durability: 'durable', arrivals: 'even', rate: 5_000 } as const;
  const { pipeline } = ratioOf(measured, floor, how);
  expect(pipeline?.p50).toBeCloseTo(110 / 105);
  const { pipelineLatency: _, ...without } = floor;
  expect(ratioOf(measured, without, how).pipeline).toBeUndefined();
});

it('stands beside the bare pipeline that appends, whatever the floor is', () => {
  const how = { durability: 'written', arrivals: 'even', rate: 'max' } as const;
  const { append, throughput, throughputFloor } = ratioOf(measured, floor, how);
  expect(append).toBe(0.75);
  expect({ throughput, throughputFloor }).toEqual({ throughput: 3e8 / 9e8, throughputFloor: 'pipeline' });
  const { pipelineAppendBytes: _, ...without } = floor;
  expect(ratioOf(measured, without, how).append).toBeUndefined();
});

it('what was not measured has no ratio', () => {
  const nothing = { ...measured, latency: { ...times(1), p999: null } };
  expect(ratioOf(nothing, floor, { durability: 'durable', arrivals: 'even', rate: 1 }).p999).toBeNull();
});
