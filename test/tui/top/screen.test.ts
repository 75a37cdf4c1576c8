import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runLance, startNode } from '../../harness/node.js';
import { freePort } from '../../harness/ports.js';
import { tempDir } from '../../harness/temp.js';
import { Emulator } from './terminal.js';

const open: Emulator[] = [];
function top(args: readonly string[], columns: number, rows: number, env?: Record<string, string>): Emulator {
  const emulator = new Emulator(['top', ...args], columns, rows, env);
  open.push(emulator);
  return emulator;
}
afterEach(() => {
  for (const emulator of open.splice(0)) {
    try {
      emulator.kill('SIGKILL');
    } catch {
      // It has ended.
    }
  }
});

describe('lance top in a terminal', { timeout: 600_000 }, () => {
  it.each([
    [80, 24],
    [160, 50],
    [300, 80],
  ])('shows live records, topic and health at %i x %i', async (columns, rows) => {
    const node = await startNode();
    const screen = top(['--data-dir', node.dataDir], columns, rows);
    await screen.until((text) => text.includes(' OK ') && text.includes('default'), 'health and topic');
    const input = `${'x'.repeat(200)}\n`.repeat(2_000);
    const made = await runLance(['produce', 'orders', '--create', '--endpoint', node.endpoint], { input });
    expect(made.code).toBe(0);
    const text = await screen.until((seen) => /orders .*410000/.test(seen), 'the end offset of the topic');
    expect(text).toContain('ack latency');
    for (const line of screen.lines) expect(line.length).toBeLessThanOrEqual(columns);
    await node.stop();
  });

  it('goes through sizes, pages, filter, help and wild keys, and gives the terminal back on q', async () => {
    const node = await startNode();
    const screen = top(['--data-dir', node.dataDir], 80, 24);
    await screen.until((text) => text.includes('default'), 'the overview');
    expect(screen.full).toBe(true);
    screen.resize(120, 20);
    await screen.until(() => (screen.lines[0] ?? '').length > 100, 'the wider header');
    screen.resize(30, 8);
    await screen.until((text) => text.includes('too small'), 'that it is too small');
    screen.resize(80, 20);
    screen.type('?');
    await screen.until((text) => text.includes('next and previous node'), 'help');
    screen.type('x');
    screen.type('\u001b[A\u001b[B\u001b[Z\u0007\u0001ggGG%%&&zz\t\t\t');
    screen.type('6/nosuch');
    await screen.until((text) => text.includes('filter: nosuch'), 'the filter being typed');
    await screen.until((text) => text.includes('0 of 1'), 'that nothing passes');
    screen.type('\u001b');
    await screen.until((text) => text.includes('> default'), 'the topic again');
    screen.type('\r');
    await screen.until((text) => text.includes('topic default'), 'the detail');
    screen.type('q');
    screen.type('7');
    await screen.until((text) => text.includes('this node stands alone'), 'the replication page');
    screen.type('q');
    expect(await screen.exited).toBe(0);
    expect(screen.full).toBe(false);
    await node.stop();
  });

  it('tells that a killed node is gone and when it was last seen, and sees it come back', async () => {
    const node = await startNode();
    const screen = top(['--data-dir', node.dataDir], 100, 24);
    await screen.until((text) => text.includes(' OK '), 'health');
    await node.kill();
    await screen.until((text) => /FAILING .*last seen \d+ s ago, process gone/.test(text), 'that it is gone');
    const again = await node.restart();
    await screen.until((text) => text.includes(' OK '), 'health again');
    await again.stop();
    await screen.until((text) => /FAILING .*not running/.test(text), 'that it was stopped');
  });

  it('says that an endpoint cannot be reached, and goes on when it can', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const first = await startNode({ admin: address });
    const screen = top(['--admin', address], 110, 24);
    await screen.until((text) => text.includes(' OK '), 'health');
    await first.stop();
    await screen.until((text) => /FAILING .*cannot be reached: connection refused/.test(text), 'the reason');
    const second = await first.restart();
    await screen.until((text) => text.includes(' OK '), 'health again');
    await second.stop();
  });

  it('shows plain ASCII in a C locale and no colour under NO_COLOR', async () => {
    const node = await startNode();
    const ascii = top(['--data-dir', node.dataDir], 80, 24, { LANG: 'C' });
    await ascii.until((text) => text.includes('default'), 'the overview');
    expect(ascii.lines.join('')).toMatch(/^[ -~]*$/);
    const plain = top(['--data-dir', node.dataDir], 80, 24, { NO_COLOR: '1' });
    await plain.until((text) => text.includes('default'), 'the overview');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is looked for.
    expect(plain.raw).not.toMatch(/\u001b\[(\d+;)*(3[0-7]|4[0-7]|9[0-7])(;\d+)*m/);
    await node.stop();
  });

  it('leaves nothing of another layout between the panels after a resize and behind an overlay', async () => {
    const node = await startNode();
    const screen = top(['--data-dir', node.dataDir], 80, 24);
    await screen.until((text) => text.includes('default'), 'the overview');
    screen.type('?');
    await screen.until((text) => text.includes('next and previous node'), 'help');
    screen.type('x');
    screen.resize(160, 50);
    await screen.until((text) => /machine .*cores busy/.test(text), 'the wide overview');
    const fresh = top(['--data-dir', node.dataDir], 160, 50);
    await fresh.until((text) => /machine .*cores busy/.test(text), 'the same, so from the start');
    // Columns that are blank from the charts' titles to their axes: the gaps between panels.
    const gaps = ({ lines }: Emulator): number[] =>
      Array.from({ length: 160 }, (_, x) => x).filter((x) =>
        lines.slice(1, 12).every((line) => (line[x] ?? ' ') === ' '),
      );
    expect(gaps(fresh).length).toBeGreaterThan(0);
    expect(gaps(screen)).toEqual(expect.arrayContaining(gaps(fresh)));
    await node.stop();
  });

  it('draws what is asked for over a page whose panel was made last', async () => {
    const node = await startNode();
    const screen = top(['--data-dir', node.dataDir], 80, 24);
    await screen.until((text) => text.includes('default'), 'the overview');
    screen.type('9');
    await screen.until((text) => /^events /m.test(text), 'the page of events');
    screen.type('h');
    await screen.until((text) => text.includes('─ health ─'), 'the health in full');
    await node.stop();
  });

  it('shows topics, consumers and rotations of a node that was killed', async () => {
    const node = await startNode();
    const input = `${'y'.repeat(100)}\n`.repeat(500);
    const to = ['--endpoint', node.endpoint];
    expect((await runLance(['produce', 'orders', '--create', ...to], { input })).code).toBe(0);
    const read = ['consume', 'orders', '--count', '10', '--consumer', '77', '--commit', ...to];
    expect((await runLance(read)).code).toBe(0);
    await node.kill();
    const screen = top(['--data-dir', node.dataDir], 120, 40);
    await screen.until((text) => /FAILING .*process gone/.test(text), 'that it is gone');
    await screen.until((text) => /orders .* 52500 +1 /.test(text), 'the end offset and how many consumers');
    await screen.until((text) => text.includes('topic orders: new segment'), 'what happened before');
    screen.type('/orders\r');
    screen.type('\r');
    await screen.until((text) => /77 +1050 +/.test(text), 'the consumer one by one');
  });

  it('ends on q while a node that hangs is looked at', async () => {
    const node = await startNode();
    const screen = top(['--admin', node.ready.admin], 80, 24);
    await screen.until((text) => text.includes(' OK '), 'health');
    process.kill(node.pid, 'SIGSTOP');
    try {
      // A look has begun that the node does not answer.
      await new Promise((done) => setTimeout(done, 1_500));
      screen.type('q');
      expect(await screen.exited).toBe(0);
    } finally {
      process.kill(node.pid, 'SIGCONT');
    }
    await node.stop();
  });

  it('gives the terminal back on SIGTERM', async () => {
    const node = await startNode();
    const screen = top(['--data-dir', node.dataDir], 80, 24);
    await screen.until((text) => text.includes(' OK '), 'health');
    screen.kill('SIGTERM');
    expect(await screen.exited).toBe(130);
    expect(screen.full).toBe(false);
    await node.stop();
  });
});

describe('lance top without a terminal', { timeout: 240_000 }, () => {
  it('refuses with 2 and names --once', async () => {
    const node = await startNode();
    const { code, stderr } = await runLance(['top', '--data-dir', node.dataDir]);
    expect(code).toBe(2);
    expect(stderr).toContain('lance top --once');
    await node.stop();
  });

  it('prints one sample as JSON from both sources, and fails with 1 where nobody listens', async () => {
    const node = await startNode({ admin: `127.0.0.1:${await freePort()}` });
    for (const args of [
      ['--data-dir', node.dataDir],
      ['--admin', node.ready.admin],
    ]) {
      const { code, stdout } = await runLance(['top', '--once', '--json', ...args]);
      expect(code).toBe(0);
      const reading = JSON.parse(stdout);
      expect(reading.node).toMatchObject({ presence: 'serving', nodeId: 1, pid: node.pid });
      expect(reading.agents.map((agent: { agent: string }) => agent.agent)).toEqual([
        'network',
        'ingest',
        'io',
      ]);
    }
    const address = node.ready.admin;
    await node.stop();
    const { code, stdout } = await runLance(['top', '--once', '--json', '--admin', address]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout).health).toMatchObject({ level: 'failing' });
  });

  it('names what is wrong with a cut or newer counters file and a directory that is none', async () => {
    const none = await runLance(['top', '--once', '--data-dir', tempDir()]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('no data directory of LANCE');
    const dir = tempDir();
    const counters = join(dir, 'live.lcf');
    writeFileSync(join(dir, 'node.json'), JSON.stringify({ format: 1, nodeId: 1, clusterId: 'c', counters }));
    writeFileSync(counters, 'LNCF');
    const cut = await runLance(['top', '--once', '--json', '--data-dir', dir]);
    expect(JSON.parse(cut.stdout).health.reasons[0]).toContain('The counters end at byte 4');
    const newer = Buffer.alloc(4096);
    newer.write('LNCF');
    newer.writeUInt32LE(9, 4);
    writeFileSync(counters, newer);
    const other = await runLance(['top', '--once', '--json', '--data-dir', dir]);
    expect(JSON.parse(other.stdout).health.reasons[0]).toContain('version 9');
    rmSync(dir, { recursive: true });
  });
});
