// Redis streams, one server, loaded by its own redis-benchmark with XADD. The stream lives in memory and is bounded there; what is
// measured on disk is its append-only file.
import { join } from 'node:path';
import { output } from '../programs.mjs';
import { installRedis } from './install.mjs';
import { freePort, startServer } from './process.mjs';

let dir;
/** Entries that the stream keeps in memory, about. */
const KEPT = 200_000;

const environment = () => ({ LD_LIBRARY_PATH: join(dir, 'usr', 'lib', 'x86_64-linux-gnu') });

export const redis = {
  name: 'redis',
  title: 'Redis streams (Debian)',
  levels: {
    shipped: 'as shipped: no append-only file, snapshots only: a crash loses minutes',
    written: 'appendfsync everysec: acks from the page cache',
    durable: 'appendfsync always',
  },
  /** redis-benchmark has no schedule. */
  paces: false,

  async install() {
    dir = await installRedis();
    const { out } = await output(join(dir, 'usr', 'bin', 'redis-server'), ['--version'], {
      env: { ...process.env, ...environment() },
    });
    redis.title = `Redis streams ${/v=(\S+)/.exec(out)?.[1]}`;
  },

  async start(parent, level) {
    const port = await freePort();
    const append = level === 'shipped' ? 'no' : 'yes';
    const args = [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', parent, '--appendonly', append],
      // Rewriting the file in the middle would only slow it down.
      ...['--appendfsync', level === 'durable' ? 'always' : 'everysec', '--auto-aof-rewrite-percentage', '0'],
    ];
    const server = await startServer(join(dir, 'usr', 'bin', 'redis-server'), args, {
      ready: /Ready to accept connections/,
      cwd: parent,
      env: environment(),
    });
    return { ...server, endpoint: `127.0.0.1:${port}`, command: `redis-server ${args.join(' ')}` };
  },

  async load({ endpoint }, { seconds, guess, connections, recordSize, batchBytes }) {
    const batch = Math.max(1, Math.floor(batchBytes / recordSize));
    const count = Math.max(connections * batch, Math.ceil(guess * seconds));
    const words = ['XADD', 'bench', 'MAXLEN', '~', String(KEPT), '*', 'v'];
    const args = [
      ...['-p', endpoint.split(':')[1], '-c', String(connections), '-P', String(batch), '-n', String(count)],
      ...['--csv', '--precision', '3', ...words],
    ];
    const { out } = await output(
      join(dir, 'usr', 'bin', 'redis-benchmark'),
      [...args, 'v'.repeat(recordSize)],
      { env: { ...process.env, ...environment() } },
    );
    return {
      ...summary(out, recordSize),
      count,
      command: `redis-benchmark ${args.join(' ')} <${recordSize} bytes>`,
    };
  },
};

/** redis-benchmark's CSV: name, rate, then avg, min, p50, p95, p99 and max in ms. */
export function summary(text, recordSize) {
  const row = text.trim().split('\n').at(-1) ?? '';
  const numbers = [...row.matchAll(/"([\d.]+)"/g)].map(([, number]) => Number(number)).slice(-7);
  if (numbers.length < 7) throw new Error(`redis-benchmark came to no end: ${text.slice(-1_000)}`);
  const [records, , , p50, , p99, max] = numbers;
  return {
    records,
    bytes: records * recordSize,
    // It has no p99.9.
    latency: { p50: p50 * 1e6, p99: p99 * 1e6, p999: null, max: max * 1e6 },
  };
}
