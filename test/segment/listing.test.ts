/** What `inspect` lists and `export` writes: addresses, blocks, decoded records, damage on the way, closed pipes. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { raw, tlv } from '../harness/lwp.js';
import { ROOT, runLance, startNode } from '../harness/node.js';
import {
  copyOf,
  type SeededDirectory,
  SMALL_SEGMENTS,
  seededDirectory,
} from '../harness/seeded-directory.js';
import { readSegment } from '../harness/segment-file.js';
import { flipBit, zero } from '../harness/spoil.js';
import { tempDir } from '../harness/temp.js';
import { segmentPaths } from '../harness/topic-files.js';

let drained: SeededDirectory;
beforeAll(async () => {
  drained = await seededDirectory('drained');
}, 240_000);

const topicOf = ({ dataDir }: SeededDirectory, topic = 'rotated') => join(dataDir, 'segments', topic);
const inspect = (...args: string[]) => runLance(['segment', 'inspect', ...args]);
const documents = (text: string) =>
  text
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe('inspect --at', () => {
  it.each([
    ['offset:0', 0],
    ['record:4321', 4_321],
    ['record:8999', 8_999],
    ['time:1', 0],
    ['key:00', 0],
  ])('%s finds record %i', async (at, record) => {
    const found = await inspect(topicOf(drained), '--at', at, '--json');
    expect(JSON.parse(found.stdout)).toMatchObject({ record });
    expect(existsSync(JSON.parse(found.stdout).path)).toBe(true);
  });

  it('offset, record, key and byte of a record find that record, in every segment, with and without its index', {
    timeout: 240_000,
  }, async () => {
    const bare = copyOf(drained);
    for (const path of segmentPaths(bare.dataDir, 'rotated'))
      for (const extension of ['idx', 'pos']) rmSync(path.replace(/lnc$/, extension));
    const all = documents((await inspect(topicOf(drained), '--records', '--json')).stdout).slice(-9_000);
    for (const n of [0, 777, 3_000, 5_431, 8_999]) {
      const { path, position, record, offset, sortKey } = all[n];
      for (const [at, where] of [
        [`offset:${offset}`, topicOf(drained)],
        [`offset:${offset + 3}`, topicOf(bare)],
        [`record:${record}`, topicOf(bare)],
        [`key:${sortKey}`, topicOf(drained)],
        [`key:${sortKey}`, topicOf(bare)],
        [`byte:${position + 2}`, path],
      ] as const) {
        const { stdout, code } = await inspect(where, '--at', at, '--json');
        expect([at, code, JSON.parse(stdout).record]).toEqual([at, 0, record]);
      }
    }
  });

  it('does not believe an index that lies', async () => {
    const copy = copyOf(drained);
    const path = segmentPaths(copy.dataDir, 'rotated')[1] as string;
    // All offsets in the index are of the segment behind it.
    copyFileSync(
      (segmentPaths(copy.dataDir, 'rotated')[2] as string).replace(/lnc$/, 'pos'),
      path.replace(/lnc$/, 'pos'),
    );
    const record = Number(readSegment(path).baseRecord) + 900;
    const { stdout } = await inspect(path, '--at', `record:${record}`, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ record });
  });

  it('byte:N in damage shows why and the bytes around it, exit 3', async () => {
    const copy = copyOf(drained);
    const path = segmentPaths(copy.dataDir, 'rotated')[1] as string;
    const { batches } = readSegment(path);
    const [at, next] = [batches[3]?.position ?? 0, batches[4]?.position ?? 0];
    flipBit(path, at + 200);
    const bytes = readFileSync(path);
    const found = await inspect(path, '--at', `byte:${at + 220}`, '--limit', '1', '--json');
    expect(found.code).toBe(3);
    const [damage] = documents(found.stdout);
    expect(damage).toMatchObject({
      path,
      from: at,
      to: next,
      why: expect.stringContaining('payload checksum'),
    });
    const dumped = Buffer.from(damage.hex, 'hex');
    expect(damage.at).toBeLessThanOrEqual(at + 220 - 32);
    expect(dumped.equals(bytes.subarray(damage.at, damage.at + dumped.length))).toBe(true);
    const words = await inspect(path, '--at', `byte:${at + 220}`);
    expect(words.stdout).toContain(`byte ${at + 220} is in no whole batch: bytes ${at} to ${next}`);
    expect(words.stdout).toContain(damage.at.toString(16).padStart(8, '0'));
  });

  it('byte:N of several files is exit 2, and so is what is no address; past the end is exit 1', async () => {
    expect((await inspect(topicOf(drained), '--at', 'byte:5')).code).toBe(2);
    expect((await inspect(topicOf(drained), '--at', 'somewhere')).code).toBe(2);
    expect((await inspect(topicOf(drained), '--at', 'record:99999')).code).toBe(1);
    const past = await inspect(
      segmentPaths(drained.dataDir, 'small')[0] as string,
      '--at',
      'byte:999999999999',
    );
    expect([past.code, past.stderr]).toEqual([1, expect.stringContaining('nothing at or after byte')]);
  });

  it('of what is lost says so, gives the first record behind it, and is exit 3', async () => {
    const copy = copyOf(drained);
    for (const [topic, n] of [
      ['rotated', 1],
      ['small', 0],
    ] as const) {
      const path = segmentPaths(copy.dataDir, topic)[n] as string;
      const { batches } = readSegment(path);
      const [lost, next] = [batches[6], batches[7]];
      zero(path, lost?.position ?? 0, 133 + (lost?.payload.length ?? 0));
      for (const [kind, value] of [
        ['record', Number(lost?.baseRecord) + 3],
        ['offset', Number(lost?.baseOffset) + 7],
      ] as const) {
        const { code, stdout, stderr } = await inspect(
          topicOf(copy, topic),
          '--at',
          `${kind}:${value}`,
          '--json',
        );
        expect([code, JSON.parse(stdout).record]).toEqual([3, Number(next?.baseRecord)]);
        expect(stderr).toContain(`${kind} ${value} is in no record that can be read here`);
      }
    }
  });
});

describe('inspect lists', () => {
  it('what it passes over on stderr, and the batches behind it on stdout', async () => {
    const copy = copyOf(drained);
    const path = segmentPaths(copy.dataDir, 'rotated')[1] as string;
    const { batches } = readSegment(path);
    flipBit(path, (batches[3]?.position ?? 0) + 200);
    const { stdout, stderr, code } = await inspect(path, '--batches', '--json');
    const listed = documents(stdout).slice(1);
    expect(listed.map(({ position }) => position)).toEqual(
      batches.map(({ position }) => position).filter((_, n) => n !== 3),
    );
    expect(stderr).toContain(`bytes ${batches[3]?.position} to ${batches[4]?.position} are passed over`);
    expect(code).toBe(3);
  });

  it('the batches of a piece that a repair kept, and the segment of an index that is named', async () => {
    const source = segmentPaths(drained.dataDir, 'small')[0] as string;
    const { batches, dataBytes } = readSegment(source);
    const at = batches[4]?.position ?? 0;
    const kept = join(tempDir(), `${basename(source)}.~cut-${at}`);
    writeFileSync(kept, readFileSync(source).subarray(at, dataBytes));
    const listed = documents((await inspect(kept, '--batches', '--json')).stdout).slice(1);
    expect(listed.length).toBe(batches.length - 4);
    expect(listed[0]).toMatchObject({ position: 0, baseRecord: 200 });
    const index = source.replace(/lnc$/, 'idx');
    const entries = documents((await inspect(index, '--index', '--json')).stdout).slice(1);
    expect(entries[0]).toMatchObject({ ordinal: 0, position: 0, baseOffset: 0 });
  });

  it('keys, times and JSON documents taken apart, hexadecimal and text, and nothing that steers a terminal', async () => {
    const node = await startNode({ config: SMALL_SEGMENTS });
    const connection = await node.connect();
    const id = await connection.createTopic('typed');
    const time = Buffer.alloc(8);
    time.writeBigUInt64LE(1_700_000_000_123_456_789n);
    const keyed = Buffer.concat([
      time,
      Buffer.from([2, 0]),
      Buffer.from('k\u001b'),
      Buffer.from('v\u001b[2J'),
    ]);
    await connection.ingestAcked(id, tlv(0x12, keyed));
    await connection.ingestAcked(id, tlv(0x02, Buffer.from('{"a":{"b":1}}')));
    await connection.ingestAcked(id, tlv(0x02, Buffer.from('{"a":')));
    await connection.ingestAcked(id, raw(''));
    connection.close();
    await node.stop();
    const topic = join(node.dataDir, 'segments', 'typed');
    const at = async (record: number) => (await inspect(topic, '--at', `record:${record}`)).stdout;
    const first = await at(0);
    expect(first).toContain('KeyTimestamped');
    expect(first).toContain('key "k\\u001b"');
    expect(first).toContain('2023-11-14T22:13:20.123456789Z');
    expect(first).toContain('76 1b 5b 32 4a');
    expect(first).not.toContain('\u001b');
    expect(await at(1)).toContain('    "b": 1');
    expect(await at(2)).toContain('this is no JSON');
    expect(await at(3)).toContain('0 B');
    const [line] = documents((await inspect(topic, '--at', 'record:0', '--json')).stdout);
    expect(line).toMatchObject({
      type: 18,
      key: 'k\u001b',
      value: 'v\u001b[2J',
      producerTimestampNs: '1700000000123456789',
    });
  });

  it('the blocks of a journal chunk with their entries, and the records in them', async () => {
    const killed = await seededDirectory('killed');
    const journal = join(killed.dataDir, 'journal');
    const words = (await inspect(journal, '--batches')).stdout;
    expect(words).toMatch(/block at byte 0, \d+ bytes of entries/);
    expect(words).toMatch(/batch +topic \d+ \(epoch 1\): records \d+ to \d+, offsets/);
    const records = documents((await inspect(journal, '--records', '--json')).stdout).filter(
      ({ problems }) => problems === undefined,
    );
    const small = records.filter(({ topic }) => topic === killed.topics.small.id);
    expect(small.length).toBeGreaterThan(0);
    for (const { record, value, encoding } of small)
      expect(raw(Buffer.from(value, encoding)).equals(killed.topics.small.records[record] as Buffer)).toBe(
        true,
      );
  });

  it('into a pipe that is closed: ends silently with 0', () => {
    for (const flag of ['--records', '--batches', '--index']) {
      const run = spawnSync(
        'bash',
        [
          '-c',
          `"$0" "$1" segment inspect "$2" ${flag} --json | head -1; echo "\${PIPESTATUS[0]}"`,
          process.execPath,
          join(ROOT, 'bin/run.js'),
          topicOf(drained),
        ],
        { encoding: 'utf8' },
      );
      expect([flag, run.stderr, run.stdout.trim().split('\n').length]).toEqual([flag, '', 2]);
      expect(run.stdout.trim().endsWith('\n0')).toBe(true);
    }
  });

  it('until Ctrl-C, which is exit 130 and no stack trace', async () => {
    const child = spawn(
      process.execPath,
      [join(ROOT, 'bin/run.js'), 'segment', 'inspect', topicOf(drained), '--records'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // Most of the list is still to come: nobody takes it out of the pipe.
    await once(child.stdout, 'data');
    child.stdout.pause();
    child.kill('SIGINT');
    child.stdout.resume();
    const [code] = await once(child, 'close');
    expect([code, stderr]).toEqual([130, '']);
  });
});

describe('export', () => {
  it('gives back what was produced, and passes over damage with exit 3', async () => {
    const topic = join(drained.dataDir, 'segments', 'rotated');
    const whole = await runLance(['segment', 'export', topic, '--format', 'json']);
    const lines = whole.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([whole.code, lines.length]).toEqual([0, 9_000]);
    const values = lines.map(({ value, encoding }) => Buffer.from(value, encoding));
    const sent = drained.topics.rotated.records.map((record) => record.subarray(5));
    expect(values.every((value, n) => value.equals(sent[n] as Buffer))).toBe(true);
    const directory = copyOf(drained);
    const sealed = segmentPaths(directory.dataDir, 'rotated')[1] as string;
    flipBit(sealed, (readSegment(sealed).batches[5]?.position ?? 0) + 200);
    const damaged = await runLance([
      'segment',
      'export',
      join(directory.dataDir, 'segments', 'rotated'),
      '--json',
    ]);
    expect(damaged.code).toBe(3);
    expect(damaged.stderr).toContain('payload checksum');
    expect(damaged.stdout.trim().split('\n').length).toBe(8_950);
  });
});
