/** A backup of a running node by rsync of its sealed segments (packaging/backup.rules), and what a restore gives. */
import { spawn } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Command, pack, raw, walkTlvs } from '../harness/lwp.js';
import { type LanceNode, ROOT, runLance, startNode } from '../harness/node.js';
import { faultsOf, ProducerLoad, SequenceLog } from '../harness/producer-load.js';
import { hasProgram, needs } from '../harness/programs.js';
import { copyDirectory, SMALL_SEGMENTS } from '../harness/seeded-directory.js';
import { tempDir } from '../harness/temp.js';

const RULES = join(ROOT, 'packaging', 'backup.rules');
/** Sealed every second, so that a backup is never far behind. */
const config = SMALL_SEGMENTS.replace('[segment]', '[segment]\nmax_age = "1s"');
const missing = hasProgram('rsync') ? undefined : 'rsync';

/** One run of the rsync that docs/operations.md gives; resolves to its exit code. */
function rsync(...args: string[]): Promise<number | null> {
  const child = spawn('rsync', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((ended) => child.on('close', ended));
}

/** The backup as docs/operations.md makes it: again while files vanish under it (24). */
async function backUp(dataDir: string, to: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const code = await rsync('--archive', '--delete', `--filter=merge ${RULES}`, `${dataDir}/`, `${to}/`);
    if (code === 0) return;
    if (code !== 24 || attempt === 10) throw new Error(`rsync ended with ${code}`);
  }
}

/** Where the sealed part of a topic ends now: the base offset of what is newest. */
function newestBase(dataDir: string, topic: string): bigint {
  const names = readdirSync(join(dataDir, 'segments', topic)).filter((name) => name.endsWith('.lnc'));
  return BigInt(names.sort().at(-1)?.slice(0, 20) ?? 0);
}

/** Waits until `done`; what never comes ends with the time of the test. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await sleep(20);
}

/** Files of sealed segments of a topic: the log and its two indexes. */
const sealedFiles = (dataDir: string, topic: string): string[] =>
  readdirSync(join(dataDir, 'segments', topic)).filter((name) =>
    /^\d{20}_\d{20}_\d+-\d+\.(lnc|idx|pos)$/.test(name),
  );

/** The sequence numbers that a topic's stream holds; throws at a record that its producer never sent so. */
function sequencesOf(stream: Buffer, log: SequenceLog): number[] {
  return [...walkTlvs(stream)].map(({ value }) => {
    const sequence = Number(/^\d+\/(\d+)\//.exec(value.toString('latin1', 0, 40))?.[1] ?? Number.NaN);
    expect(value.equals(log.value(sequence))).toBe(true);
    return sequence;
  });
}

async function restored(from: string, options = { config }): Promise<LanceNode> {
  const dataDir = join(tempDir('lance-restored'), 'data');
  expect(await rsync('--archive', `${from}/`, `${dataDir}/`)).toBe(0);
  return startNode({ ...options, dataDir });
}

describe('a backup by rsync of the sealed segments of a node under load', { timeout: 600_000 }, () => {
  it('restores every record up to its point, in order, at its offset, and none that was not sent', async (context) => {
    needs(context, missing);
    const node = await startNode({ config });
    const admin = await node.connect();
    const names = ['busy', 'quiet', 'trimmed'];
    const logs = new Map<string, SequenceLog>();
    for (const [i, name] of names.entries()) {
      logs.set(name, new SequenceLog(i, await admin.createTopic(name), name === 'quiet' ? 50 : 3_000));
    }
    const logOf = (name: string) => logs.get(name) as SequenceLog;
    // Retention takes from its front while it is copied.
    const limits = pack([4, logOf('trimmed').topic], [8, 0], [8, 3 * 1024 * 1024]);
    await admin.request(Command.setRetention, limits, Command.topicResponse);
    const loads = await Promise.all(names.map((name) => ProducerLoad.start(node, logOf(name))));

    const backup = join(tempDir('lance-backup'), 'lance');
    const point = new Map<string, bigint>();
    // The second run brings what the first lacks and removes what retention took.
    for (let run = 0; run < 2; run++) {
      await sleep(4_000);
      // However slow the machine is: something new of each is sealed.
      await until(() => names.every((name) => newestBase(node.dataDir, name) > (point.get(name) ?? 0n)));
      for (const name of names) point.set(name, newestBase(node.dataDir, name));
      await backUp(node.dataDir, backup);
    }
    const verified = await runLance(['segment', 'verify', backup, '--json']);
    expect(verified.code, verified.stdout).toBe(0);
    await Promise.all(loads.map((load) => load.stop()));
    const streams = new Map<string, Buffer>();
    for (const name of ['busy', 'quiet']) streams.set(name, await admin.fetchAll(logOf(name).topic));
    admin.close();
    await node.stop();

    const copy = await restored(backup);
    const reader = await copy.connect();
    for (const name of names) {
      const { topic } = logOf(name);
      const first = await reader.fetch(topic, 0n);
      const from = first.nextOffset - BigInt(first.data.length);
      const stream = await reader.fetchAll(topic);
      expect(point.get(name), name).toBeGreaterThan(0n);
      expect(from + BigInt(stream.length), name).toBeGreaterThanOrEqual(point.get(name) as bigint);
      const sequences = sequencesOf(stream, logOf(name));
      const start = sequences[0] ?? 0;
      expect(sequences).toEqual(sequences.map((_, i) => start + i));
      if (name === 'trimmed') continue;
      expect([from, start]).toEqual([0n, 0]);
      expect(stream.equals((streams.get(name) as Buffer).subarray(0, stream.length))).toBe(true);
    }

    // It goes on where the backup ends, and what comes then verifies with what was restored.
    const { topic } = logOf('busy');
    const end = BigInt((await reader.fetchAll(topic)).length);
    await reader.ingestAcked(topic, raw('after the restore'));
    expect((await reader.fetch(topic, end)).data.equals(raw('after the restore'))).toBe(true);
    expect(await reader.createTopic('new')).toBeGreaterThan(logOf('trimmed').topic);
    reader.close();
    await copy.stop();
    expect((await runLance(['segment', 'verify', copy.dataDir])).code).toBe(0);
  });

  it('leaves out what changes under a copy: journal, active segments, spare files, counters, offsets', async (context) => {
    needs(context, missing);
    const node = await startNode({ config: SMALL_SEGMENTS });
    const connection = await node.connect();
    const topic = await connection.createTopic('events');
    for (let i = 0; i < 24; i++) await connection.ingestAcked(topic, raw(Buffer.alloc(100_000, i)));
    const backup = join(tempDir('lance-backup'), 'lance');
    // A record is acknowledged before the segment that it filled is sealed.
    await until(() => sealedFiles(node.dataDir, 'events').length === 6);
    await backUp(node.dataDir, backup);
    connection.close();
    await node.stop();
    const files = readdirSync(backup, { recursive: true, encoding: 'utf8' });
    expect(files.filter((name) => !/^segments\/events\//.test(name)).sort()).toEqual([
      'node.json',
      'segments',
      'segments/default',
      'segments/default/metadata.json',
      'segments/events',
    ]);
    const events = files.filter((name) => name.startsWith('segments/events/'));
    expect(events.filter((name) => /\/\d{20}_\d{20}_\d+-\d+\.(lnc|idx|pos)$/.test(name)).length).toBe(6);
    expect(events.length).toBe(7);
  });
});

describe('a sealed segment that was damaged', { timeout: 240_000 }, () => {
  it('is replaced from a backup while the node is stopped, and every record is there again', async (context) => {
    needs(context, missing);
    const node = await startNode({ config: SMALL_SEGMENTS });
    const connection = await node.connect();
    const topic = await connection.createTopic('events');
    for (let i = 0; i < 24; i++) await connection.ingestAcked(topic, raw(Buffer.alloc(100_000, i)));
    const stream = await connection.fetchAll(topic);
    const backup = join(tempDir('lance-backup'), 'lance');
    await until(() => sealedFiles(node.dataDir, 'events').length === 6);
    await backUp(node.dataDir, backup);
    connection.close();
    await node.stop();

    const events = (dataDir: string) => join(dataDir, 'segments', 'events');
    const sealed = readdirSync(events(backup)).find((name) => /-\d+\.lnc$/.test(name)) ?? '';
    const file = join(events(node.dataDir), sealed);
    const bytes = readFileSync(file);
    bytes.writeUInt8(bytes.readUInt8(300_000) ^ 1, 300_000);
    writeFileSync(file, bytes);
    expect((await runLance(['segment', 'verify', node.dataDir])).code).toBe(3);
    const stem = sealed.replace(/\.lnc$/, '');
    for (const end of ['lnc', 'idx', 'pos']) {
      copyFileSync(join(events(backup), `${stem}.${end}`), join(events(node.dataDir), `${stem}.${end}`));
    }
    expect((await runLance(['segment', 'verify', node.dataDir])).code).toBe(0);
    const again = await node.restart();
    const reader = await again.connect();
    expect((await reader.fetchAll(topic)).equals(stream)).toBe(true);
    reader.close();
    await again.stop();
  });
});

describe('a copy of the whole data directory', { timeout: 240_000 }, () => {
  /** Fills a topic, commits an offset, and says what was acknowledged. */
  async function filled(): Promise<{ node: LanceNode; log: SequenceLog }> {
    const node = await startNode({ config });
    const connection = await node.connect();
    const log = new SequenceLog(1, await connection.createTopic('events'), 2_000);
    await connection.request(Command.commitOffset, pack([4, log.topic], [8, 42], [8, 0]), Command.commitAck);
    connection.close();
    return { node, log };
  }

  async function everythingIsIn(dataDir: string, log: SequenceLog): Promise<void> {
    const node = await startNode({ config, dataDir });
    const connection = await node.connect();
    expect(faultsOf(await connection.fetchAll(log.topic), [log])).toEqual([]);
    const committed = await connection.request(
      Command.getCommitted,
      pack([4, log.topic], [8, 42]),
      Command.commitAck,
    );
    expect(committed.payload.readBigUInt64LE(8)).toBe(0n);
    connection.close();
    await node.stop();
  }

  it('that is frozen in one moment, as a snapshot is, has everything acknowledged until then', async () => {
    const { node, log } = await filled();
    const load = await ProducerLoad.start(node, log);
    await sleep(2_000);
    await until(() => log.acknowledged.length > 100);
    node.signal('SIGSTOP');
    // Writes that the kernel has taken on end by themselves.
    await sleep(500);
    const then = new SequenceLog(log.producer, log.topic, log.maxBytes);
    then.acknowledged.push(...log.acknowledged);
    then.sent = log.sent;
    const copy = join(tempDir('lance-snapshot'), 'data');
    copyDirectory(node.dataDir, copy);
    node.signal('SIGCONT');
    await load.stop();
    await node.stop();
    expect(then.acknowledged.length).toBeGreaterThan(100);
    await everythingIsIn(copy, then);
  });

  it('after a drain is whole without its journal', async (context) => {
    needs(context, missing);
    const { node, log } = await filled();
    const load = await ProducerLoad.start(node, log);
    await sleep(1_000);
    await load.stop();
    await node.stop();
    const copy = join(tempDir('lance-stopped'), 'data');
    expect(
      await rsync('--archive', '--exclude=/journal', '--exclude=/LOCK', `${node.dataDir}/`, `${copy}/`),
    ).toBe(0);
    await everythingIsIn(copy, log);
  });
});
