import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Admin } from '../../src/client/index.js';
import { lance } from '../support/cli.js';
import { FakeNode } from '../support/fake-node.js';

let node: FakeNode;
let dir = '';
beforeEach(async () => {
  node = await FakeNode.start();
  node.addTopic('events');
  dir = mkdtempSync(join(tmpdir(), 'lance-cli-'));
});
afterEach(async () => {
  await node.stop();
  rmSync(dir, { recursive: true, force: true });
});

const run = (args: string[], input?: string | Uint8Array) =>
  lance(args, { env: { LANCE_ENDPOINT: node.endpoint }, ...(input === undefined ? {} : { input }) });

describe('lance produce', () => {
  it('lines: a record ends at \\n only, \\r stays, an empty line is a record, a final \\n makes no further one', async () => {
    const { code, stdout } = await run(['produce', 'events', '--json'], 'a\r\n\n\rb\n');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      records: 3,
      bytes: 4,
      batches: 1,
      acked: 3,
      unknown: 0,
      seconds: expect.any(Number),
    });
    expect(node.values('events')).toEqual(['a\r', '', '\rb']);
    await run(['produce', 'events'], 'without a final line end');
    expect(node.values('events').at(-1)).toBe('without a final line end');
    await run(['produce', 'events'], '');
    expect(node.values('events')).toHaveLength(4);
  });

  it('reads a file whose lines lie across its read buffers, in batches of the size asked for', async () => {
    const file = join(dir, 'lines.txt');
    const lines = Array.from({ length: 3000 }, (_, i) => `${i} ${'x'.repeat((i * 37) % 1500)}`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    const { code } = await run([
      'produce',
      'events',
      '--file',
      file,
      '--batch-bytes',
      '64KiB',
      '--in-flight',
      '2',
    ]);
    expect(code).toBe(0);
    expect(node.values('events')).toEqual(lines);
    expect(node.topics[1]?.batches.every(({ payload }) => payload.length <= 65_536)).toBe(true);
    expect(node.mostUnderWay).toBeLessThanOrEqual(2);
  });

  it('json: a document a line, stored as type 2; a line that is none ends with 2 and says which', async () => {
    expect((await run(['produce', 'events', '--format', 'json'], '{"a":1}\n\n[2]\n')).code).toBe(0);
    expect(node.values('events')).toEqual(['{"a":1}', '[2]']);
    expect(node.topics[1]?.batches[0]?.payload[0]).toBe(2);
    const { code, stderr } = await run(['produce', 'events', '--format', 'json'], '{"a":2}\nnonsense\n');
    expect(code).toBe(2);
    expect(stderr).toContain('Line 2 is no JSON');
    expect(node.values('events').at(-1)).toBe('{"a":2}');
  });

  it('blob: the whole input is one record; --key goes with every record; --create makes the topic', async () => {
    const bytes = Buffer.from([0, 10, 255, 10, 1]);
    expect((await run(['produce', 'blobs', '--format', 'blob', '--create'], bytes)).code).toBe(0);
    expect(node.topics[2]?.batches[0]?.payload.subarray(5).equals(bytes)).toBe(true);
    await run(['produce', 'blobs', '--key', 'k', '--create'], 'x\ny\n');
    expect(node.topics[2]?.batches[1]?.payload.toString('hex')).toBe('100400000001006b78100400000001006b79');
  });

  it('reports an unknown outcome with 1 and the numbers, and sends again only when told to', async () => {
    node.onIngest = (number) => (number === 1 ? 'hang-up' : 'ack');
    const input = 'first batch\nsecond batch\nthird batch\n';
    const args = ['produce', 'events', '--batch-bytes', '17', '--in-flight', '1', '--json'];
    const { code, stdout } = await run(args, input);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'OUTCOME_UNKNOWN' },
      records: 3,
      acked: 1,
      unknown: 1,
    });
    expect(node.values('events')).toEqual(['first batch']);
    node.onIngest = (number) => (number === 3 ? 'hang-up' : 'ack');
    const again = await run([...args, '--retry-unknown'], input);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ records: 3, acked: 3, unknown: 0 });
    expect(node.values('events')).toEqual(['first batch', 'first batch', 'second batch', 'third batch']);
  });

  it('names the true limit for a blob and a line that are too long', async () => {
    for (const format of ['blob', 'lines']) {
      const { code, stderr } = await run(
        ['produce', 'events', '--format', format],
        Buffer.alloc(17_000_000, 'x'),
      );
      expect([code, stderr]).toEqual([1, expect.stringContaining('larger than the 16773120 that')]);
    }
  });

  it('ends with 2 for a file that cannot be read and 1 for a topic that is not there', async () => {
    const absent = await run(['produce', 'events', '--file', join(dir, 'absent')]);
    expect([absent.code, absent.stderr]).toEqual([
      2,
      expect.stringContaining('cannot be read: it is not there'),
    ]);
    expect((await run(['produce', 'events', '--file', dir])).stderr).toContain('it is a directory');
    const nowhere = await run(['produce', 'nowhere'], 'x\n');
    expect([nowhere.code, nowhere.stderr]).toEqual([
      1,
      expect.stringContaining('There is no topic "nowhere".'),
    ]);
  });
});

describe('lance consume', () => {
  const input = 'one\r\n\nthree\n';
  beforeEach(async () => {
    await run(['produce', 'events'], input);
  });

  it('writes lines, raw bytes and JSON, and stops at the end', async () => {
    expect((await run(['consume', 'events'])).stdout).toBe(input);
    expect((await run(['consume', 'events', '--format', 'raw'])).stdout).toBe('one\rthree');
    const documents = (await run(['consume', 'events', '--format', 'json'])).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(documents).toHaveLength(3);
    expect(documents[2]).toEqual({
      record: 2,
      offset: 14,
      sortKey: '17979cfe362a00000001000000000002',
      timestampNs: '1700000000000000000',
      type: 1,
      value: 'three',
      encoding: 'utf8',
    });
  });

  it('writes what is no UTF-8 as base64, and a key beside its value', async () => {
    await run(['produce', 'events', '--format', 'blob', '--key', 'k'], Buffer.from([0xff, 0xfe]));
    const { stdout } = await run(['consume', 'events', '--from', 'record:3', '--format', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({
      type: 16,
      value: '//4=',
      encoding: 'base64',
      key: 'k',
      keyEncoding: 'utf8',
    });
    expect((await run(['consume', 'events', '--from', 'record:3', '--format', 'raw'])).stdout).toBe(
      '\xff\xfe',
    );
  });

  it('starts where told and stops after the count, also in the middle of a batch', async () => {
    expect((await run(['consume', 'events', '--from', 'record:1', '--count', '1'])).stdout).toBe('\n');
    expect((await run(['consume', 'events', '--from', 'latest'])).stdout).toBe('');
    expect((await run(['consume', 'events', '--count', '0'])).stdout).toBe('');
    const wrong = await run(['consume', 'events', '--from', 'somewhere']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('says nowhere to start')]);
  });

  it('refuses an offset beyond the end, wherever it came from, instead of finding nothing new', async () => {
    const described = await run(['topic', 'describe', 'events', '--json']);
    const { id, endOffset } = JSON.parse(described.stdout);
    expect(await run(['consume', 'events', '--from', `offset:${endOffset}`])).toMatchObject({
      code: 0,
      stdout: '',
    });
    const beyond = await run(['consume', 'events', '--from', `offset:${endOffset + 1}`]);
    expect([beyond.code, beyond.stdout]).toEqual([1, '']);
    expect(beyond.stderr).toContain(`Offset ${endOffset + 1} is beyond the end`);
    const admin = await Admin.open({ endpoint: node.endpoint });
    await admin.commitOffset(id, 77n, endOffset + 5);
    admin.close();
    const stale = await run(['consume', 'events', '--consumer', '77', '--json']);
    expect(stale.code).toBe(1);
    expect(JSON.parse(stale.stdout).error.code).toBe('OFFSET_OUT_OF_RANGE');
  });

  it('goes on where its number committed', async () => {
    const args = ['consume', 'events', '--consumer', '18446744073709551615', '--commit'];
    expect((await run([...args, '--count', '2'])).stdout).toBe('one\r\n\n');
    expect((await run(args)).stdout).toBe('three\n');
    expect((await run(args)).stdout).toBe('');
    expect((await run(['consume', 'events', '--commit'])).code).toBe(2);
    expect((await run(['consume', 'events', '--consumer', '18446744073709551616'])).code).toBe(2);
  });

  it('a closed pipe ends it with 0 and without a word', async () => {
    await run(['produce', 'events'], `${'x'.repeat(200)}\n`.repeat(20_000));
    const script = `${process.execPath} bin/run.js consume events --endpoint ${node.endpoint} | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const child = spawn('bash', ['-c', script], {
      cwd: resolve(import.meta.dirname, '../..'),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    await new Promise((done) => child.on('close', done));
    expect(output).toBe('one\r\n0\n');
  });

  it('--follow waits for more; an interrupt commits what was written and ends with 130', async () => {
    const args = [
      'consume',
      'events',
      '--follow',
      '--consumer',
      '9',
      '--commit',
      '--endpoint',
      node.endpoint,
    ];
    const child = spawn(process.execPath, [resolve(import.meta.dirname, '../../bin/run.js'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    const ended = new Promise((done) => child.on('close', done));
    await new Promise<void>((seen) => {
      child.stdout.on('data', (chunk) => {
        output += chunk;
        if (output.includes('later\n')) seen();
        // Once, however the beginning was cut into pieces.
        else if (output === input) void run(['produce', 'events'], 'later\n');
      });
    });
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(output).toBe(`${input}later\n`);
    expect(Number(node.topics[1]?.commits.get(9n))).toBe(node.topics[1]?.endOffset);
  });
});
