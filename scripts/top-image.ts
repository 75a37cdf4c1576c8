// `npx tsx scripts/top-image.ts DATA_DIR [COLUMNS ROWS SECONDS FILE]`: runs `lance top` on a node in a terminal emulator and
// draws what is on it as SVG. The picture in the README is one of these, of a node under load.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pty from '@lydell/node-pty';
import xterm from '@xterm/headless';

const [dataDir, columns = '160', rows = '46', seconds = '30', file = 'docs/images/top.svg'] =
  process.argv.slice(2);
if (dataDir === undefined) throw new Error('a data directory is wanted');
const CELL = { width: 8, height: 17 };
const [cols, lines] = [Number(columns), Number(rows)];
const terminal = new xterm.Terminal({ cols, rows: lines, allowProposedApi: true });
const run = resolve(import.meta.dirname, '../bin/run.js');
const child = pty.spawn(process.execPath, [run, 'top', '--data-dir', dataDir], {
  cols,
  rows: lines,
  name: 'xterm-256color',
  env: { ...process.env, LANG: 'C.UTF-8', NO_COLOR: '', TERM: 'xterm-256color' },
});
child.onData((data) => terminal.write(data));
await sleep(Number(seconds) * 1000);
writeFileSync(file, drawSvg());
child.kill();

function drawSvg(): string {
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
  const texts: string[] = [];
  for (let y = 0; y < lines; y += 1) {
    const line = terminal.buffer.active.getLine(y);
    for (let x = 0; x < cols; x += 1) {
      const cell = line?.getCell(x);
      const char = cell?.getChars() ?? '';
      if (cell === undefined) continue;
      const colourOf = (isDefault: boolean, colour: number, plain: string): string =>
        isDefault ? plain : (palette[colour] ?? plain);
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
