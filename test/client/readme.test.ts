import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { FakeNode } from '../support/fake-node.js';

const root = resolve(import.meta.dirname, '../..');

it("the README's program runs as it stands, against the package as it is exported", async () => {
  const code = /```js\n([\s\S]+?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1];
  expect(code).toContain("from 'lance'");
  // Inside the package, so that its own name resolves through its exports.
  const dir = join(root, '.cache', `readme-${process.pid}`);
  mkdirSync(dir, { recursive: true });
  const node = await FakeNode.start();
  try {
    const file = join(dir, 'example.mjs');
    writeFileSync(file, code ?? '');
    const child = spawn(process.execPath, [file], { env: { ...process.env, LANCE_ENDPOINT: node.endpoint } });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    const exit = await new Promise((done) => child.on('close', done));
    expect([exit, output]).toEqual([0, '0 alice 2 apples\n1 bob 1 pear\n']);
    expect(Number(node.topics[1]?.commits.get(42n))).toBe(node.topics[1]?.endOffset);
  } finally {
    await node.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
