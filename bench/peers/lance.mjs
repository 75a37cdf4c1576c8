// LANCE as a peer among peers: `lance serve` with default settings, loaded by the generator of `lance bench`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { output, root } from '../programs.mjs';
import { startServer } from './process.mjs';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** Frames that a connection keeps unacknowledged (cli.md, "Bench"). */
const IN_FLIGHT = 8;

export const lance = {
  name: 'lance',
  title: `LANCE ${version}`,
  levels: {
    shipped: 'as shipped: durable',
    written: 'io.durability=written: acks when the device accepted the write',
    durable: 'the default: stable storage before each ack',
  },
  paces: true,

  async install() {},

  async start(dir, level) {
    const args = [
      ...[join(root, 'bin', 'run.js'), 'serve', '--json', '--bind', '127.0.0.1:0'],
      ...['--admin', '127.0.0.1:0', '--data-dir', join(dir, 'data'), '--log-level', 'warn'],
    ];
    const env = { LANCE_IO_DURABILITY: level === 'written' ? 'written' : 'durable' };
    const server = await startServer(process.execPath, args, { ready: /"event":"ready".*\n/, cwd: dir, env });
    const ready = JSON.parse(
      server
        .said()
        .split('\n')
        .find((line) => line.includes('"ready"')),
    );
    const command = `LANCE_IO_DURABILITY=${env.LANCE_IO_DURABILITY} lance serve`;
    return { ...server, endpoint: ready.lwp, command };
  },

  async load({ endpoint }, { seconds, rate, connections, recordSize, batchBytes }) {
    const flags = {
      endpoint,
      connections,
      seconds,
      warmup: 0.2,
      'record-size': recordSize,
      // On a schedule a frame is a record, as it is for the others.
      'batch-bytes': rate ? 1 : batchBytes,
      'in-flight': IN_FLIGHT,
      ...(rate ? { rate } : {}),
    };
    const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const args = [join(root, 'dist', 'bench', 'load-process.js'), 'ingest', ...words];
    const told = JSON.parse((await output(process.execPath, args)).out.trim().split('\n').at(-1));
    if (told.errors > 0) throw new Error(`LANCE refused frames: ${JSON.stringify(told.firstError)}`);
    const { p50, p99, p999, max } = told.latency;
    return {
      records: told.throughput.records,
      bytes: told.throughput.bytes,
      count: Math.round(told.throughput.records * told.seconds),
      latency: { p50, p99, p999, max },
      command: `lance-load ingest ${words.join(' ')}`,
    };
  },
};
