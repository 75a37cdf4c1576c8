// NATS JetStream, one server, a stream on files, loaded by its own `nats bench js pub`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output } from '../programs.mjs';
import { installNats, VERSIONS } from './install.mjs';
import { freePort, startServer } from './process.mjs';

let programs;

export const nats = {
  name: 'nats',
  title: `NATS JetStream ${VERSIONS.natsServer}`,
  levels: {
    shipped: 'as shipped: acks from the page cache, sync_interval 2m',
    written: 'the same: page cache',
    durable: 'sync_interval: always',
  },
  paces: true,

  async install() {
    programs = await installNats();
  },

  async start(dir, level) {
    const port = await freePort();
    const config = join(dir, 'server.conf');
    const sync = level === 'durable' ? ', sync_interval: always' : '';
    // max_file: the stream's bound below is to be allowed.
    writeFileSync(
      config,
      `listen: 127.0.0.1:${port}\njetstream { store_dir: "${join(dir, 'js')}"${sync} }\n`,
    );
    const args = ['-c', config];
    const server = await startServer(join(programs, 'nats-server'), args, {
      ready: /Server is ready/,
      cwd: dir,
    });
    return { ...server, dir, endpoint: `127.0.0.1:${port}`, command: `nats-server ${args.join(' ')}` };
  },

  /** Batches are what each client has under way at once: an operation is a batch of `batchBytes / recordSize` messages. */
  async load({ endpoint, dir }, { seconds, guess, rate, connections, recordSize, batchBytes }) {
    const batch = rate ? 1 : Math.max(1, Math.floor(batchBytes / recordSize));
    const count = Math.max(connections * batch, Math.ceil((rate ?? guess) * seconds));
    const args = [
      ...['bench', 'js', 'pub', 'async', 'bench', '--server', endpoint, '--create', '--maxbytes=6GB'],
      ...[`--size=${recordSize}`, `--clients=${connections}`, `--batch=${batch}`, `--msgs=${count}`],
      ...['--no-progress', ...(rate ? [`--throughput=${Math.round(rate)}`] : [])],
    ];
    // Its configuration and contexts stay in the run's own folder.
    const env = { ...process.env, HOME: dir, XDG_CONFIG_HOME: dir, NO_COLOR: '1' };
    const { out, err } = await output(join(programs, 'nats'), args, { env });
    return { ...summary(`${out}\n${err}`, recordSize), count, command: `nats ${args.join(' ')}` };
  },
};

/** The closing lines of `nats bench`: of all clients, or of the only one. */
export function summary(text, recordSize) {
  const stats = /publisher (?:aggregated )?stats: ([\d,]+) msgs\/sec ~ [\d.,]+ (?:B|KiB|MiB|GiB)\/sec/.exec(
    text,
  );
  if (!stats) throw new Error(`nats bench came to no end: ${text.slice(-1_000)}`);
  const records = Number(stats[1].replaceAll(',', ''));
  const last = text.slice(stats.index);
  const at = (name) => {
    const found = new RegExp(`${name}:? ?~? ?([\\d.,]+)us`).exec(last);
    return found ? Number(found[1].replaceAll(',', '')) * 1e3 : null;
  };
  return {
    records,
    bytes: records * recordSize,
    // Of an operation: a whole batch, answered.
    latency: { p50: at('P50'), p99: at('P99'), p999: at('P99\\.9'), max: at('max') },
  };
}
