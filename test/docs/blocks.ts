/** Blocks marked `sh test` of a page of documentation, run as a reader would. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../harness/node.js';
import { freePort } from '../harness/ports.js';
import { tempDir } from '../harness/temp.js';

export interface Block {
  script: string;
  /** What the `text` block right behind it shows; `…` stands for anything. */
  shown: string | undefined;
}

/** The blocks of a page's text, in order. */
export function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^```sh test\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)].map(
    ([, script = '', shown]) => ({ script, shown }),
  );
}

/** Runs the blocks in one shell in a fresh directory; gives the output of each that ran, and how the shell ended. */
async function runBlocks(blocks: readonly Block[]) {
  const dir = tempDir('lance-walkthrough');
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  symlinkSync(join(ROOT, 'packaging'), join(dir, 'packaging'));
  writeFileSync(
    join(bin, 'lance'),
    `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'bin/run.js')}" "$@"\n`,
    {
      mode: 0o755,
    },
  );
  const [lwp, admin] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const parts = blocks.map(({ script }, i) => {
    const own = script.replaceAll('127.0.0.1:1992', lwp).replaceAll('127.0.0.1:1993', admin);
    // A reader takes longer to the next block than a node to its start.
    const wait = /lance serve.*&\n/.test(own)
      ? 'until lance topic list; do sleep 0.2; done >/dev/null 2>&1\n'
      : '';
    return `{\n${own}} >out.${i} 2>err.${i}\n${wait}`;
  });
  const shell = `set -eo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT\n${parts.join('')}`;
  const child = spawn('bash', ['-c', shell], {
    cwd: dir,
    stdio: 'ignore',
    env: {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}`,
      LANCE_NETWORK_BIND: lwp,
      LANCE_ADMIN_BIND: admin,
      LANCE_ENDPOINT: lwp,
      NO_COLOR: '1',
    },
  });
  const code = await new Promise<number | null>((ended) => child.on('close', ended));
  const read = (name: string) => {
    try {
      return readFileSync(join(dir, name), 'utf8');
    } catch {
      return undefined;
    }
  };
  return { code, ran: blocks.map((_, i) => ({ out: read(`out.${i}`), err: read(`err.${i}`) })) };
}

/** The text that a page shows as a pattern. */
function pattern(shown: string): RegExp {
  const parts = shown.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[\\s\\S]*?')}$`);
}

/** Runs the blocks and gives what is wrong with them; nothing when they end well and print what the page shows. */
export async function faultsOfBlocks(blocks: readonly Block[]): Promise<string[]> {
  const { code, ran } = await runBlocks(blocks);
  const last = ran.findLast(({ out }) => out !== undefined);
  const faults = code === 0 ? [] : [`the shell ended with ${code}: ${JSON.stringify(last)}`];
  for (const [i, { script, shown }] of blocks.entries()) {
    const out = ran[i]?.out ?? '';
    if (shown !== undefined && !pattern(shown).test(out))
      faults.push(`${script}printed\n${out}and not\n${shown}`);
  }
  return faults;
}
