/** What is read out of the peers' own load tools, from lines as those print them; and the runner's flags. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const folder = resolve(import.meta.dirname, '../../bench');
interface Summary {
  records: number;
  bytes: number;
  latency: { p50: number | null; p99: number | null; p999: number | null };
}
const summaryOf = async (peer: string, text: string): Promise<Summary> => {
  const { summary } = (await import(`${folder}/peers/${peer}.mjs`)) as {
    summary(text: string, recordSize: number): Summary;
  };
  return summary(text, 1_000);
};

describe("a peer's load tool", () => {
  it('of Kafka is read behind its warm-up, all producers together', async () => {
    const producer = (rate: number, p50: number): string =>
      `60000 records sent, 14091.122593 records/sec (13.76 MB/sec), 953.04 ms avg latency, 1281.00 ms max latency, 1136 ms 50th, 1256 ms 95th, 1265 ms 99th, 1279 ms 99.9th.
30000 steady state records sent, ${rate} records/sec (12.36 MB/sec), 1185.11 ms avg latency, 1281.00 ms max latency, ${p50} ms 50th, 4 ms 95th, 5 ms 99th, 7 ms 99.9th.`;
    const found = await summaryOf('kafka', `${producer(1000.5, 3)}\n${producer(2000, 3)}\n`);
    expect(found).toMatchObject({ records: 3000.5, bytes: 3_000_500 });
    expect(found.latency).toMatchObject({ p50: 3e6, p99: 5e6, p999: 7e6 });
  });

  it('of NATS is read from the line over all clients', async () => {
    const text = `  [2] 127 msgs/sec ~ 128 KiB/sec ~ min: 60,895.69us ~ P50: 1.00us ~ P99: 2.00us ~ P99.9: 3.00us (1,250 msgs)

 NATS JetStream asynchronous publisher aggregated stats: 1,972 msgs/sec ~ 1.9 MiB/sec
 message rates min 123 | avg 125 | max 132 | stddev 2 msgs
 latencies per operation min 22,190.56us | avg 495,872.16us | max 914,668.79us | P50 503,194.82us | P90 750,476.79us | P99 883,893.91us | P99.9: 914,668.79us
`;
    const found = await summaryOf('nats', text);
    expect(found.records).toBe(1_972);
    expect(found.latency.p50).toBeCloseTo(503_194_820);
    expect(found.latency.p999).toBeCloseTo(914_668_790);
  });

  it('of Redis is read from its CSV, which has no p99.9', async () => {
    const text = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"XADD bench MAXLEN ~ 200000 * v vvv","81000.50","2.100","0.500","2.000","2.500","3.000","9.000"
`;
    const found = await summaryOf('redis', text);
    expect(found.records).toBe(81_000.5);
    expect(found.latency).toMatchObject({ p50: 2e6, p99: 3e6, p999: null });
  });

  it.each(['kafka', 'nats', 'redis'])('of %s that came to no end is an error, not a result', async (peer) => {
    await expect(summaryOf(peer, 'Exception: the broker went away')).rejects.toThrow('no end');
  });
});

describe.each([
  ['peers/run.mjs', ['--peer', 'rabbit'], 'rabbit'],
  ['peers/run.mjs', ['--level', 'fast'], 'fast'],
  ['peers/run.mjs', ['--rounds', 'many'], '--rounds'],
  ['goals.mjs', ['--only', 'speed'], 'speed'],
])('bench/%s with %j', (script, flags, named) => {
  it('names what is wrong and exits with 2 before anything is installed or run', () => {
    const { status, stderr } = spawnSync(process.execPath, [`${folder}/${script}`, ...flags], {
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stderr).toContain(named);
  });
});
