/** Every block marked `sh test` in the README and docs/ runs, page by page, and prints what the page shows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../harness/node.js';
import { hasProgram, needs } from '../harness/programs.js';
import { blocksOf, faultsOfBlocks } from './blocks.js';

const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
const pages = ['README.md', 'CONTRIBUTING.md', ...docs.map((name) => join('docs', name))]
  .filter((name) => name.endsWith('.md'))
  .map((name) => ({ name, text: readFileSync(join(ROOT, name), 'utf8') }));

describe('the walk-throughs', { timeout: 600_000 }, () => {
  it('begin in the README, and no page has a block that is not found', () => {
    const found = new Map(pages.map(({ name, text }) => [name, blocksOf(text).length]));
    expect(found.get('README.md')).toBeGreaterThan(5);
    expect(found.get('docs/operations.md')).toBeGreaterThan(2);
    for (const { name, text } of pages) {
      expect(found.get(name), name).toBe(
        text.split('\n').filter((line) => /```\s*sh\s+test/.test(line)).length,
      );
    }
  });

  for (const { name, text } of pages) {
    const blocks = blocksOf(text);
    if (blocks.length === 0) continue;
    it(`of ${name} run as they stand and print what the page shows`, async (context) => {
      for (const program of ['curl', 'rsync']) {
        const used = blocks.some(({ script }) => new RegExp(`\\b${program}\\b`).test(script));
        needs(context, used && !hasProgram(program) ? program : undefined);
      }
      expect(await faultsOfBlocks(blocks)).toEqual([]);
    });
  }

  it('fail where a command fails in the middle, where a command is not there, and where a page shows something else', async () => {
    const page = (script: string, shown = '') => blocksOf(`\`\`\`sh test\n${script}\n\`\`\`\n${shown}`);
    expect(await faultsOfBlocks(page('false | cat\ntrue'))).toEqual([
      expect.stringContaining('ended with 1'),
    ]);
    expect(await faultsOfBlocks(page('lance tropic list'))).toEqual([
      expect.stringContaining('ended with 2'),
    ]);
    expect(await faultsOfBlocks(page('echo pears', '\n```text\napples\n```\n'))).toEqual([
      expect.stringContaining('and not\napples'),
    ]);
    expect(await faultsOfBlocks(page('echo apples', '\n```text\napp…\n```\n'))).toEqual([]);
  });
});
