// `node scripts/top-image.mjs [--data-dir DIR] [--columns 160 --rows 46 --seconds 70 --out docs/images/top.svg]`: runs `lance top` on a
// node in a terminal emulator and draws what is on it as SVG. Without --data-dir the node is one of its own, under load from
// three producers and two consumers. The picture in the README is one of these.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pty from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { startNode, stopNode } from '../bench/node.mjs';
import { Admin, Consumer, Producer } from '../dist/client/index.js';

const { values: flags } = parseArgs({
  options: {
    'data-dir': { type: 'string' },
    columns: { type: 'string', default: '160' },
    rows: { type: 'string', default: '46' },
    seconds: { type: 'string', default: '70' },
    out: { type: 'string', default: 'docs/images/top.svg' },
  },
});
const CELL = { width: 8, height: 17 };
const [cols, lines] = [Number(flags.columns), Number(flags.rows)];
const terminal = new xterm.Terminal({ cols, rows: lines, allowProposedApi: true });
const own = flags['data-dir'] === undefined ? await startNode('/var/tmp') : undefined;
const loading = new AbortController();
const load = own === undefined ? [] : loadOn(own.lwp, loading.signal);
const run = resolve(import.meta.dirname, '../bin/run.js');
const where = flags['data-dir'] ?? own?.dataDir ?? '';
const child = pty.spawn(process.execPath, [run, 'top', '--data-dir', where], {
  cols,
  rows: lines,
  name: 'xterm-256color',
  env: { ...process.env, LC_ALL: '', LANG: 'C.UTF-8', NO_COLOR: '', TERM: 'xterm-256color' },
});
child.onData((data) => terminal.write(data));
await sleep(Number(flags.seconds) * 1000);
writeFileSync(flags.out, drawSvg());
child.kill();
loading.abort();
await Promise.allSettled(load);
if (own !== undefined) await stopNode(own);

/** Producers at their paces and consumers that keep up, more or less, until `signal`. */
function loadOn(endpoint, signal) {
  const produce = async (topic, bytes, aSecond) => {
    const admin = await Admin.open({ endpoint });
    await admin.createTopic(topic);
    await admin.close();
    const producer = await Producer.open({ endpoint, topic });
    const value = Buffer.alloc(bytes, 'x');
    for (let beat = 0; !signal.aborted; beat += 1) {
      // A tide of half a minute: a flat line shows nothing.
      const now = aSecond * (1 + 0.4 * Math.sin(beat / 50));
      for (let i = 0; i < now / 10; i += 1) producer.send({ value }).catch(() => {});
      await producer.flush();
      await sleep(100);
    }
    await producer.close();
  };
  const consume = async (topic, consumer, pauseMs) => {
    await sleep(1_000);
    const reader = await Consumer.open({ endpoint, topic, consumer, follow: true, signal });
    for await (const _ of reader.batches()) {
      await reader.commit();
      await sleep(pauseMs);
    }
  };
  return [
    produce('orders', 700, 6_000),
    produce('clicks', 180, 9_000),
    produce('payments', 1_200, 900),
    consume('orders', 1n, 20),
    consume('orders', 2n, 400),
    consume('clicks', 1n, 60),
  ].map((work) =>
    work.catch((error) => {
      if (!signal.aborted) console.error(error);
    }),
  );
}

function drawSvg() {
  const palette = [
    '#2e3436',
    '#ef5350',
    '#66bb6a',
    '#e6b422',
    '#42a5f5',
    '#ba68c8',
    '#26c6da',
    '#d3d7cf',
    '#808a90',
  ];
  const texts = [];
  for (let y = 0; y < lines; y += 1) {
    const line = terminal.buffer.active.getLine(y);
    for (let x = 0; x < cols; x += 1) {
      const cell = line?.getCell(x);
      const char = cell?.getChars() ?? '';
      if (cell === undefined) continue;
      const colourOf = (isDefault, colour, plain) => (isDefault ? plain : (palette[colour] ?? plain));
      let fg = colourOf(cell.isFgDefault(), cell.getFgColor(), '#d3d7cf');
      let bg = colourOf(cell.isBgDefault(), cell.getBgColor(), '');
      if (cell.isInverse()) [fg, bg] = [bg === '' ? '#14181b' : bg, fg];
      const at = `x="${x * CELL.width}"`;
      if (bg !== '') {
        texts.push(
          `<rect ${at} y="${y * CELL.height}" width="${CELL.width}" height="${CELL.height}" fill="${bg}"/>`,
        );
      }
      if (char.trim() === '') continue;
      const shown = char.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
      const weight = cell.isBold() ? ' font-weight="bold"' : '';
      texts.push(`<text ${at} y="${y * CELL.height + 13}" fill="${fg}"${weight}>${shown}</text>`);
    }
  }
  const [width, height] = [cols * CELL.width, lines * CELL.height];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13"><title>lance top under load</title><rect width="100%" height="100%" fill="#14181b"/>${texts.join('')}</svg>\n`;
}
