// Makes a fixture from a live machine: `npx tsx scripts/topology-snapshot.ts DIR [ROOT]` copies the facts that
// `lance topology` reads from ROOT (/) to DIR, so that `lance topology --root DIR` shows the same machine elsewhere.
// Serial numbers, MAC and IP addresses, command lines of processes are not read and so not copied.
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { readSnapshot } from '../src/topology/index.js';

const [dir, root = '/'] = process.argv.slice(2);
if (dir === undefined || (existsSync(dir) && readdirSync(dir).length > 0)) {
  process.stderr.write('usage: npx tsx scripts/topology-snapshot.ts DIR [ROOT]; DIR must be new or empty\n');
  process.exit(2);
}

const tree = readSnapshot(root);
let files = 0;
for (const [path, fact] of tree.facts) {
  const target = join(dir, path);
  mkdirSync(fact.kind === 'dir' ? target : dirname(target), { recursive: true });
  if (fact.kind === 'file') {
    // Routes hold addresses: only what tells the default route is kept.
    const text = /\/net\/route$/.test(path) ? withoutAddresses(fact.text) : fact.text;
    writeFileSync(target, text, 'latin1');
    files += 1;
  } else if (fact.kind === 'link') {
    const inside = fact.target.startsWith('/') ? relative(dirname(path), fact.target.slice(1)) : fact.target;
    symlinkSync(inside, target);
  }
}
process.stdout.write(`${files} files in ${dir}; look with: lance topology --root ${dir}\n`);

function withoutAddresses(routes: string): string {
  const [heading = '', ...lines] = routes.split('\n');
  const kept = lines.filter((line) => line.split(/\s+/)[1] === '00000000');
  return [heading, ...kept.map((line) => line.replace(/^(\S+\s+\S+\s+)\S+/, '$100000000')), ''].join('\n');
}
