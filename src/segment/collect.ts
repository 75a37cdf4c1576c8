import { type Dirent, existsSync, readdirSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { errorCode, notLance, unreadable } from './errors.js';
import { type FileKind, kindOf } from './names.js';

/** A file to be looked at. */
export interface Found {
  /** As it was given, or below the directory that was. */
  path: string;
  kind: FileKind;
  /** Named itself, not found in a directory. */
  named: boolean;
}

/** A data directory that some of the files belong to. */
export interface Collected {
  /** In path order. */
  files: Found[];
  /** Directories with a node.json, or the shape of one, by their path as found. */
  dataDirs: string[];
}

/** `segments/topic/file` is as deep as it goes. */
const MOST_DEPTH = 4;
/** How often a directory that changes is listed again. */
const LISTINGS = 32;

/**
 * All files that the paths name, directories walked, in path order. Throws SegmentError: exit code 2 for a path that is no
 * LANCE file by its name, 1 for one that cannot be read.
 */
export function collect(paths: readonly string[]): Collected {
  const files = new Map<string, Found>();
  const dataDirs = new Set<string>();
  for (const path of paths) {
    const stats = look(path);
    if (!stats.isDirectory()) {
      files.set(resolve(path), { path, kind: kindOf(path) as FileKind, named: true });
      const dataDir = dataDirOf(path);
      if (dataDir !== undefined) dataDirs.add(dataDir);
      continue;
    }
    const before = files.size;
    const own = isDataDir(path) ? path : dataDirOf(join(path, 'x'));
    if (own !== undefined) dataDirs.add(own);
    walk(path, 0, (found) => files.has(resolve(found.path)) || files.set(resolve(found.path), found));
    if (files.size === before && own === undefined && readable(path).length >= 0)
      throw notLance(path, 'is a directory without a file of LANCE in it');
  }
  const sorted = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return { files: sorted, dataDirs: [...dataDirs] };
}

/** Whether a path is a data directory by what stands in it. */
export function isDataDir(path: string): boolean {
  return existsSync(join(path, 'node.json')) || (existsSync(join(path, 'segments')) && !kindOf(path));
}

/** The data directory that a file stands in, `segments/topic/file` or `journal/file`; undefined when it is in none. */
export function dataDirOf(path: string): string | undefined {
  const folder = dirname(path);
  const above = dirname(folder);
  const candidates = [
    [folder, true],
    [above, ['journal', 'consumers', 'spare', 'segments'].includes(basename(resolve(folder)))],
    [join(above, '..'), basename(resolve(above)) === 'segments'],
  ] as const;
  return candidates.find(([dir, likely]) => likely && existsSync(join(dir, 'node.json')))?.[0];
}

function look(path: string): Stats {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && kindOf(path) === undefined && /\.[A-Za-z0-9]+$/.test(path))
      throw notLance(path, 'is not there, and would be no file of LANCE by its name');
    throw unreadable(path, error);
  }
  if (!stats.isDirectory() && kindOf(path) === undefined)
    throw notLance(path, 'is no file of LANCE by its name');
  if (!stats.isDirectory() && !stats.isFile()) throw notLance(path, 'is no regular file');
  return stats;
}

/**
 * What stands in a directory. A listing in which a node renames a segment may miss it under both names, so two in a row
 * must be alike; one that never rests is taken as it was last.
 */
function readable(path: string): Dirent[] {
  let entries = listing(path);
  for (let attempt = 0; attempt < LISTINGS; attempt++) {
    const again = listing(path);
    const alike =
      again.length === entries.length && again.every(({ name }, at) => name === entries[at]?.name);
    entries = again;
    if (alike) break;
  }
  return entries;
}

function listing(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw unreadable(path, error);
  }
}

function walk(folder: string, depth: number, each: (found: Found) => void): void {
  for (const entry of readable(folder)) {
    const path = join(folder, entry.name);
    const isDirectory = entry.isDirectory() || (entry.isSymbolicLink() && statOf(path)?.isDirectory());
    if (isDirectory) {
      if (depth < MOST_DEPTH && !entry.name.includes('~')) walk(path, depth + 1, each);
      continue;
    }
    const kind = kindOf(path);
    if (kind !== undefined && (entry.isFile() || statOf(path)?.isFile())) each({ path, kind, named: false });
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
