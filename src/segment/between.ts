import { dirname } from 'node:path';
import { siblingOf } from './names.js';
import type { FileReport } from './report.js';
import { lastSequence } from './scan.js';

/**
 * What must hold from one segment of a directory to the next (design.md, section 7): names in order, offsets and records
 * without gap or overlap, keys that rise, the chain. What does not is added to the later one.
 */
export function compareSegments(reports: readonly FileReport[]): void {
  const folders = groupByFolder(segmentsOf(reports));
  for (const segments of folders.values()) {
    const sorted = [...segments].sort(byBase);
    for (const [at, report] of sorted.entries()) {
      const before = sorted[at - 1];
      if (before) compare(before, report);
    }
  }
}

function segmentsOf(reports: readonly FileReport[]): FileReport[] {
  return reports.filter(({ kind, segment }) => kind === 'segment' && segment?.name !== undefined);
}

function groupByFolder(reports: readonly FileReport[]): Map<string, FileReport[]> {
  const folders = new Map<string, FileReport[]>();
  for (const report of reports) {
    const folder = dirname(report.path);
    folders.set(folder, [...(folders.get(folder) ?? []), report]);
  }
  return folders;
}

function byBase(a: FileReport, b: FileReport): number {
  const [x, y] = [a.segment?.name?.baseOffset ?? 0n, b.segment?.name?.baseOffset ?? 0n];
  return x < y ? -1 : x > y ? 1 : a.path < b.path ? -1 : 1;
}

function compare(before: FileReport, report: FileReport): void {
  const [earlier, later] = [before.segment, report.segment];
  if (!earlier?.name || !later?.name) return;
  const say = (kind: string, detail: string) => report.problems.add(kind, 0, detail);
  const beside = siblingOf(before.path, 'lnc').split('/').at(-1);
  if (earlier.name.baseOffset === later.name.baseOffset) {
    say(
      'duplicate',
      `${beside} starts at the same offset; a node refuses to start until one of them is moved away`,
    );
    return;
  }
  const last = earlier.scan.last;
  const first = later.scan.first;
  const end = last ? last.baseOffset + BigInt(last.payloadLength) : earlier.name.baseOffset;
  const start = first?.position === 0 ? first.baseOffset : later.name.baseOffset;
  if (start > end) {
    const endRecord = last ? last.baseRecord + BigInt(last.recordCount) : earlier.name.baseRecord;
    const records = later.name.baseRecord - endRecord;
    say(
      'gap',
      `offsets ${end} to ${start} (${records} records) are missing between ${beside} and this segment`,
    );
  } else if (start < end) {
    say('overlap', `it starts at offset ${start}, and ${beside} goes on to ${end}`);
  } else if (last && first && first.position === 0) {
    if (first.topic !== last.topic || first.epoch !== last.epoch) {
      say(
        'foreign',
        `its batches belong to topic ${first.topic} (epoch ${first.epoch}), those of ${beside} to topic ${last.topic} (epoch ${last.epoch})`,
      );
    } else if (first.previous !== last.checksum) {
      say('chain', `its first batch does not continue the last one of ${beside} (previous checksum differs)`);
    } else if (first.baseRecord !== last.baseRecord + BigInt(last.recordCount)) {
      say(
        'chain',
        `its first record is ${first.baseRecord}, ${beside} ends before record ${last.baseRecord + BigInt(last.recordCount)}`,
      );
    } else if (!rises([last.timestampNs, lastSequence(last)], [first.timestampNs, first.nodeActorSequence])) {
      say('chain', `its first sort key does not exceed the last one of ${beside}`);
    }
  }
}

function rises(a: readonly [bigint, bigint], b: readonly [bigint, bigint]): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}
