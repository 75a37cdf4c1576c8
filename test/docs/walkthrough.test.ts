/** Every block marked `sh test` in the README and docs/ runs, page by page, and prints what the page shows. */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../harness/node.js';
import { hasProgram, needs } from '../harness/programs.js';
import { tempDir } from '../harness/temp.js';

interface Block {
  script: string;
  /** What the `text` block right behind it shows; `…` stands for anything. */
  shown: string | undefined;
}

const pages = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => join('docs', name))].filter(
  (name) => name.endsWith('.md'),
);

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```sh test\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)].map(
    ([, script = '', shown]) => ({ script, shown }),
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Runs the blocks in one shell in a fresh directory; gives the output of each that ran, and how the shell ended. */
async function runPage(blocks: readonly Block[]) {
  const dir = tempDir('lance-walkthrough');
  const bin = join(dir, 'bin');
  mkdirSync(bin);
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
  const shell = `set -eo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n${parts.join('')}`;
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

describe('the walk-throughs', { timeout: 180_000 }, () => {
  it('begin in the README', () => {
    expect(blocksOf('README.md').length).toBeGreaterThan(5);
  });

  for (const page of pages) {
    const blocks = blocksOf(page);
    if (blocks.length === 0) continue;
    it(`of ${page} run as they stand and print what the page shows`, async (context) => {
      for (const name of ['curl', 'rsync']) {
        const used = blocks.some(({ script }) => new RegExp(`\\b${name}\\b`).test(script));
        needs(context, used && !hasProgram(name) ? name : undefined);
      }
      const { code, ran } = await runPage(blocks);
      const last = ran.findLast(({ out }) => out !== undefined);
      expect(code, JSON.stringify(last)).toBe(0);
      for (const [i, { script, shown }] of blocks.entries()) {
        if (shown !== undefined) expect(ran[i]?.out, script).toMatch(pattern(shown));
      }
    });
  }
});
