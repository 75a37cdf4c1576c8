import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const src = resolve(import.meta.dirname, '../../src');

/** Design section 2: an import goes to a layer below, or sideways without a cycle. Higher numbers stand above. */
const LAYERS: Record<string, number> = {
  commands: 3,
  cli: 2,
  server: 1,
  topology: 1,
  segment: 1,
  bench: 1,
  sampling: 1,
  client: 1,
  tui: 1,
  bundle: 1,
  engine: 0,
  protocol: 0,
  config: 0,
  counters: 0,
  '': -1, // src/errors.ts: what all of them share
};

/** Folders of src/ that `file` (relative to src/) imports from, itself left out, each with the line to blame. */
function importsOf(file: string): { folder: string; target: string }[] {
  const text = readFileSync(join(src, file), 'utf8');
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map((reference) => reference.fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => {
      const target = relative(src, resolve(src, dirname(file), name));
      return { folder: target.startsWith('..') ? '..' : folderOf(target), target };
    })
    .filter(({ folder }) => folder !== folderOf(file));
}

const folderOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : '');

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((f) => /\.tsx?$/.test(f));

describe('imports point one way', () => {
  it('every folder of src/ has a layer', () => {
    const unknown = [...new Set(files.map(folderOf))].filter((folder) => !(folder in LAYERS));
    expect(unknown).toEqual([]);
  });

  it('no file imports from a layer above its own', () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter(({ folder }) => folder !== '..' && (LAYERS[folder] ?? 99) > (LAYERS[folderOf(file)] ?? -99))
        .map(({ target }) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('folders of one layer do not import each other in a circle', () => {
    const edges = new Map<string, Set<string>>();
    for (const file of files) {
      const from = edges.get(folderOf(file)) ?? new Set();
      for (const { folder } of importsOf(file)) from.add(folder);
      edges.set(folderOf(file), from);
    }
    const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
      [...(edges.get(from) ?? [])].some((next) => {
        if (next === to) return true;
        if (seen.has(next)) return false;
        seen.add(next);
        return reaches(next, to, seen);
      });
    expect([...edges.keys()].filter((folder) => reaches(folder, folder))).toEqual([]);
  });

  it('only src/engine names the addon', () => {
    const naming = files.filter((file) =>
      /native\/addon|\.node['"`]/.test(readFileSync(join(src, file), 'utf8')),
    );
    expect(naming.filter((file) => folderOf(file) !== 'engine')).toEqual([]);
  });
});
