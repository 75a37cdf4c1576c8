// Apache Kafka 4, one broker (KRaft), loaded by its own kafka-producer-perf-test. Its settings are those it ships with, except where said.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output, root } from '../programs.mjs';
import { installKafka, VERSIONS } from './install.mjs';
import { freePort, startServer } from './process.mjs';

/** kafka-server-start's and kafka-run-class's own. */
const SERVER_JAVA =
  '-Xms1G -Xmx1G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent';
/** kafka-producer-perf-test gives 512 MiB to one producer, of which 32 are its buffer. */
const LOAD_JAVA = '-Xms1G -Xmx1G';
const TOPIC = 'bench';
const LOAD_WARM_SECONDS = 3;

let classes;

export const kafka = {
  name: 'kafka',
  title: `Apache Kafka ${VERSIONS.kafka}`,
  levels: {
    shipped: 'as shipped: acks from the page cache (no flush.messages), acks=all, linger 5 ms',
    written: 'the same: page cache',
    durable: 'flush.messages=1: fsync before each ack',
  },
  /** ProducerPerformance paces by --throughput. */
  paces: true,
  /** Java compiles what runs often: a broker is twice as fast after half a million records. */
  warmSeconds: 12,

  async install() {
    const dir = await installKafka();
    classes = join(dir, 'target', 'dependency', '*');
    await output('javac', ['-d', dir, '-cp', classes, join(root, 'bench', 'peers', 'Producers.java')]);
    classes = `${dir}:${classes}`;
  },

  async start(dir, level) {
    const [port, controller] = [await freePort(), await freePort()];
    const config = join(dir, 'server.properties');
    writeFileSync(
      config,
      `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
controller.listener.names=CONTROLLER
log.dirs=${join(dir, 'log')}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
`,
    );
    const id = randomBytes(16).toString('base64url');
    const env = { LOG_DIR: dir };
    await output('java', ['-cp', classes, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', config], {
      cwd: dir,
    });
    // Its log goes nowhere (slf4j-nop): readiness is asked for below.
    const java = [...SERVER_JAVA.split(' '), '-cp', classes, 'kafka.Kafka', config];
    const server = await startServer('java', java, { cwd: dir, env });
    const endpoint = `127.0.0.1:${port}`;
    try {
      const flush = level === 'durable' ? ['--config', 'flush.messages=1'] : [];
      await created([
        '--bootstrap-server',
        endpoint,
        '--create',
        '--topic',
        TOPIC,
        '--partitions',
        '1',
        ...flush,
      ]);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return { ...server, endpoint, command: `java ${java.join(' ')}` };
  },

  /** Loads it for about `seconds`, which `guess` (records a second) turns into a number of records. */
  async load({ endpoint }, { seconds, guess, rate, connections, recordSize, batchBytes }) {
    const eachSecond = (rate ?? guess) / connections;
    // The tool is a Java machine of its own: what it sends first is left out of its figures.
    const first = Math.ceil(eachSecond * LOAD_WARM_SECONDS);
    const each = first + Math.max(1, Math.ceil(eachSecond * seconds));
    const words = [
      ...['--topic', TOPIC, '--num-records', String(each), '--record-size', String(recordSize)],
      ...['--warmup-records', String(first)],
      ...['--throughput', rate ? String(Math.max(1, Math.round(rate / connections))) : '-1'],
      ...['--bootstrap-server', endpoint],
      // On a schedule nothing waits for company: its best latency.
      ...['--command-property', `batch.size=${batchBytes}`, ...(rate ? ['linger.ms=0'] : [])],
    ];
    const args = [...LOAD_JAVA.split(' '), '-cp', classes, 'Producers', String(connections), ...words];
    const { out } = await output('java', args);
    return { ...summary(out, recordSize), count: each * connections, command: `java ${args.join(' ')}` };
  },
};

/** A broker refuses for some seconds after its start; the tool then ends with an error. */
async function created(words) {
  const until = Date.now() + 60_000;
  for (;;) {
    try {
      return await output('java', ['-cp', classes, 'org.apache.kafka.tools.TopicCommand', ...words]);
    } catch (error) {
      if (Date.now() > until) throw error;
    }
  }
}

/** The producers' closing lines. Rates are added up, which flatters where they did not end together; of times the worst producer's. */
export function summary(text, recordSize) {
  const line =
    /^(\d+) steady state records sent, ([\d.]+) records\/sec .*?, [\d.]+ ms avg latency, ([\d.]+) ms max latency, (\d+) ms 50th, (\d+) ms 95th, (\d+) ms 99th, (\d+) ms 99\.9th/gm;
  const producers = [...text.matchAll(line)].map(([, ...numbers]) => numbers.map(Number));
  if (producers.length === 0) throw new Error(`the producers came to no end: ${text.slice(-1_000)}`);
  const most = (index) => Math.max(...producers.map((numbers) => numbers[index])) * 1e6;
  const middle = (index) =>
    producers.map((numbers) => numbers[index]).sort((a, b) => a - b)[producers.length >> 1] * 1e6;
  const records = producers.reduce((sum, [, rate]) => sum + rate, 0);
  return {
    records,
    bytes: records * recordSize,
    // Whole milliseconds, as the tool has them; quantiles are the middle producer's, which is about the whole's.
    latency: { p50: middle(3), p99: middle(5), p999: middle(6), max: most(2) },
  };
}
