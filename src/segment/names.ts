import { basename, dirname } from 'node:path';

/** What a file of a data directory is, by its name (formats.md, "Files"). */
export type FileKind =
  | 'segment'
  | 'index'
  | 'journal'
  | 'start'
  | 'offsets'
  | 'spare'
  | 'metadata'
  | 'node'
  | 'quarantine'
  | 'counters'
  | 'kept';

/** What the name of a segment says. */
export interface SegmentName {
  baseOffset: bigint;
  baseRecord: bigint;
  startNs: bigint;
  /** Of a sealed one: timestamp of the last record. */
  endNs: bigint | undefined;
}

const STEM = /^(\d{20})_(\d{20})_(\d{1,20})(?:-(\d{1,20}))?$/;
const KEPT = /\.~(?:cut-|damage|kept)/;
const BY_NAME: Record<string, FileKind> = {
  'metadata.json': 'metadata',
  'node.json': 'node',
  'quarantine.json': 'quarantine',
};
const BY_EXTENSION: Record<string, FileKind> = {
  lnc: 'segment',
  idx: 'index',
  pos: 'index',
  lnj: 'journal',
  lns: 'start',
  lco: 'offsets',
  lcf: 'counters',
};

/** What a path names; undefined for what is no file of LANCE by its name. */
export function kindOf(path: string): FileKind | undefined {
  const name = basename(path);
  if (KEPT.test(name) && !name.endsWith('~')) return 'kept';
  const kind = BY_NAME[name] ?? BY_EXTENSION[/\.([a-z]+)$/.exec(name)?.[1] ?? ''];
  return kind === 'segment' && basename(dirname(path)) === 'spare' ? 'spare' : kind;
}

/** Reads the name of a segment or of its index, with or without extension; undefined when it is none. */
export function parseSegmentName(path: string): SegmentName | undefined {
  const match = STEM.exec(basename(path).replace(/\.(lnc|idx|pos)$/, ''));
  if (!match) return undefined;
  const [, offset = '', record = '', start = '', end] = match;
  const name = {
    baseOffset: BigInt(offset),
    baseRecord: BigInt(record),
    startNs: BigInt(start),
    endNs: end === undefined ? undefined : BigInt(end),
  };
  return Object.values(name).some((value) => value !== undefined && value > U64) ? undefined : name;
}

const U64 = 0xffff_ffff_ffff_ffffn;

/** The path of a segment, or of one of its indexes, with another extension. */
export function siblingOf(path: string, extension: 'lnc' | 'idx' | 'pos'): string {
  return path.replace(/\.(lnc|idx|pos)$/, `.${extension}`);
}

/** Where the bytes of a kept piece stood: `{segment}.lnc.~cut-{position}`. */
export function keptPosition(path: string): number | undefined {
  const position = /\.~(?:cut|damage)-(\d+)(?:\.\d+)?$/.exec(basename(path))?.[1];
  return position === undefined ? undefined : Number(position);
}
