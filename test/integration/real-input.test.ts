/**
 * Text through the commands: what goes in by `lance produce` comes out of `lance consume` byte for byte (issue 3, Show
 * 2). LANCE_REAL_INPUT names a file to take instead of made text, such as the output of `apt-cache dumpavail`.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { random } from '../harness/data.js';
import { runLance, startNode } from '../harness/node.js';
import { SMALL_SEGMENTS } from '../harness/seeded-directory.js';
import { tempDir } from '../harness/temp.js';
import { verifiedTopic } from '../harness/topic-files.js';

/** Text as package indexes have it: short and long lines, empty ones, a `\r` here and there, letters beyond ASCII. */
function madeText(bytes: number): string {
  const next = random(42);
  const words = [
    'Package:',
    'lance',
    'Depends:',
    'libc6 (>= 2.36)',
    'größer',
    'Ω',
    '  a longer description',
    'x\r',
    '',
  ];
  const lines: string[] = [];
  let size = 0;
  while (size < bytes) {
    const count = next() % 12;
    const line = Array.from({ length: count }, () => words[next() % words.length]).join(' ');
    lines.push(next() % 500 === 0 ? line.repeat(400) : line);
    size += (lines.at(-1) as string).length + 1;
  }
  return `${lines.join('\n')}\n`;
}

function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}

describe.each(['io_uring', 'pwritev2'])('with the %s backend', (backend) => {
  const config = `${SMALL_SEGMENTS}[io]\nbackend = "${backend}"\n`;
  const source = process.env.LANCE_REAL_INPUT;
  const file = join(tempDir('input'), 'text.txt');
  let text: Buffer;
  beforeAll(() => {
    text = source ? readFileSync(source) : Buffer.from(madeText(6 * 1024 * 1024));
    writeFileSync(file, text);
  });
  const consumed = async (endpoint: string, topic: string) => {
    const exit = await runLance(['consume', topic, '--endpoint', endpoint], { timeoutMs: 120_000 });
    expect({ code: exit.code, stderr: exit.stderr }).toMatchObject({ code: 0 });
    return exit.stdout;
  };

  it('a file comes back as it went in, also after a restart', { timeout: 600_000 }, async () => {
    const node = await startNode({ config });
    const created = await runLance(['topic', 'create', 'packages', '--json', '--endpoint', node.endpoint]);
    expect(JSON.parse(created.stdout)).toMatchObject({ name: 'packages', durability: 'durable' });
    const produced = await runLance(
      ['produce', 'packages', '--file', file, '--json', '--endpoint', node.endpoint],
      {
        timeoutMs: 120_000,
      },
    );
    expect({ code: produced.code, stderr: produced.stderr }).toMatchObject({ code: 0 });
    const lines = text.toString('latin1').split('\n').length - 1;
    expect(JSON.parse(produced.stdout)).toMatchObject({ records: lines, unknown: 0 });
    expect(sha256(await consumed(node.endpoint, 'packages'))).toBe(sha256(text));
    await node.stop();
    const again = await node.restart();
    expect(sha256(await consumed(again.endpoint, 'packages'))).toBe(sha256(text));
    await again.kill();
    const third = await again.restart();
    expect(sha256(await consumed(third.endpoint, 'packages'))).toBe(sha256(text));
    await third.stop();
    expect(verifiedTopic(node.dataDir, 'packages').records).toHaveLength(lines);
  });

  it('a SIGKILL in the middle leaves a beginning of the file, with every acknowledged record', {
    timeout: 600_000,
  }, async () => {
    const node = await startNode({ config });
    await runLance(['topic', 'create', 'packages', '--endpoint', node.endpoint]);
    // A batch for each line makes the run so long that it is cut in the middle, also where this process is held up for seconds.
    const producing = runLance(
      [
        'produce',
        'packages',
        '--file',
        file,
        '--batch-bytes',
        '1',
        '--in-flight',
        '4',
        '--json',
        '--endpoint',
        node.endpoint,
      ],
      { timeoutMs: 120_000 },
    );
    const watcher = await node.connect();
    for (let fetched = 0n; fetched === 0n; await sleep(5))
      fetched = (await watcher.fetch(1, 0xffff_ffff_ffff_ffffn)).nextOffset;
    await sleep(50);
    await node.kill();
    const exit = await producing;
    expect(exit.code).toBe(1);
    const again = await node.restart();
    const output = await consumed(again.endpoint, 'packages');
    expect(text.toString().startsWith(output)).toBe(true);
    expect(output.length).toBeGreaterThan(0);
    expect(output.length).toBeLessThan(text.length);
    const report = JSON.parse(exit.stdout.trim().split('\n').at(-1) as string) as {
      acked?: number;
      unknown?: number;
    };
    if (report.acked !== undefined)
      expect(output.split('\n').length - 1).toBeGreaterThanOrEqual(report.acked);
    await again.stop();
  });
});
