// Installs the peers from the registries that everybody has, into .cache/peers of the repository: nothing of the system is touched.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output, root } from '../programs.mjs';

/** Where peers are installed; kept between runs, ignored by git. */
export const CACHE = process.env.LANCE_PEERS_CACHE ?? join(root, '.cache', 'peers');

export const VERSIONS = { kafka: '4.3.1', natsServer: 'v2.15.2', natsCli: 'v0.5.1' };

/** Runs `make` into a folder of its own that takes its name only when it is whole. Gives the folder. */
async function once(name, make) {
  const done = join(CACHE, name);
  if (existsSync(done)) return done;
  const half = `${done}.part`;
  rmSync(half, { recursive: true, force: true });
  mkdirSync(half, { recursive: true });
  process.stderr.write(`installing ${name}\n`);
  await make(half);
  renameSync(half, done);
  return done;
}

/** Apache Kafka's jars from Maven Central, by the ordinary client. */
export function installKafka() {
  const { kafka } = VERSIONS;
  return once(`kafka-${kafka}`, async (dir) => {
    const dependency = (groupId, artifactId, version) =>
      `<dependency><groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version></dependency>`;
    writeFileSync(
      join(dir, 'pom.xml'),
      `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>peers</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependency('org.apache.kafka', 'kafka_2.13', kafka)}${dependency('org.apache.kafka', 'kafka-tools', kafka)}${dependency('org.slf4j', 'slf4j-nop', '1.7.36')}</dependencies></project>\n`,
    );
    await output('mvn', ['-q', '-B', '-f', join(dir, 'pom.xml'), 'dependency:copy-dependencies'], {
      cwd: dir,
    });
    if (readdirSync(join(dir, 'target', 'dependency')).length < 20)
      throw new Error('Maven copied too few jars');
  });
}

/** nats-server and the `nats` program through the Go module proxy. */
export function installNats() {
  const { natsServer, natsCli } = VERSIONS;
  return once(`nats-${natsServer}`, async (dir) => {
    const env = { ...process.env, GOBIN: dir, GOFLAGS: '-mod=mod' };
    await output('go', ['install', `github.com/nats-io/nats-server/v2@${natsServer}`], { env });
    await output('go', ['install', `github.com/nats-io/natscli/nats@${natsCli}`], { env });
  });
}

/** Debian's packages of Redis, unpacked rather than installed: no service starts. */
export function installRedis() {
  return once('redis-debian', async (dir) => {
    const names =
      'redis-server redis-tools libhiredis0.14 liblzf1 libjemalloc2 liblua5.1-0 lua-bitop lua-cjson';
    await output('apt-get', ['-qq', 'download', ...names.split(' ')], { cwd: dir });
    for (const file of readdirSync(dir).filter((name) => name.endsWith('.deb'))) {
      await output('dpkg', ['-x', join(dir, file), dir]);
    }
  });
}

if (import.meta.url === `file://${process.argv[1]}`) {
  for (const install of [installKafka, installNats, installRedis]) console.log(await install());
}
