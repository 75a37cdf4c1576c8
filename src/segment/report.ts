import { type Histogram, QUANTILES, type Snapshot } from '../counters/index.js';
import type { BatchSeen, ChunkReport } from '../engine/index.js';
import { formatSortKey } from '../protocol/index.js';
import type { IndexReport } from './index-file.js';
import type { FileKind, SegmentName } from './names.js';
import type { ProblemList } from './problems.js';
import { lastSequence, type Scan } from './scan.js';
import type { CommittedEntry, JournalStart } from './small-files.js';

/** All about one file. */
export interface FileReport {
  path: string;
  kind: FileKind;
  fileBytes: number;
  problems: ProblemList;
  /** The data directory that it stands in, and the topic's directory, where there are such. */
  dataDir: string | undefined;
  topicDir: string | undefined;
  /** Of a segment, or of an index. */
  segment?: SegmentReport;
  journal?: ChunkReport;
  start?: JournalStart;
  offsets?: CommittedEntry[];
  counters?: Snapshot;
  /** What a JSON file holds. */
  document?: unknown;
  /** Something worth knowing that is no problem. */
  note?: string;
}

/** What was found in a segment. */
export interface SegmentReport {
  name: SegmentName | undefined;
  scan: Scan;
  index: IndexReport;
}

/** The sort key of a batch's first record, or of an index entry, as 32 hex digits. */
export function sortKeyOf({
  timestampNs,
  nodeActorSequence,
}: Pick<BatchSeen, 'timestampNs' | 'nodeActorSequence'>): string {
  return formatSortKey(timestampNs, nodeActorSequence);
}

/** The JSON of a file (cli.md, `lance segment inspect`). Files that are no segments have the same fields, and one of their own. */
export function reportDocument(report: FileReport): Record<string, unknown> {
  const { path, fileBytes, segment, problems } = report;
  const scan = report.kind === 'index' ? undefined : segment?.scan;
  const { first, last } = scan ?? {};
  const types = [...(scan?.types ?? [])].sort(([a], [b]) => a - b);
  return {
    path,
    state: segment ? (segment.name?.endNs === undefined ? 'active' : 'sealed') : null,
    fileBytes,
    recordBytes: scan?.recordBytes ?? 0,
    batches: scan?.batches ?? 0,
    records: scan?.records ?? 0,
    firstRecord: first ? first.baseRecord : null,
    lastRecord: last ? last.baseRecord + BigInt(last.recordCount - 1) : null,
    firstKey: first ? sortKeyOf(first) : null,
    lastKey: last ? formatSortKey(last.timestampNs, lastSequence(last)) : null,
    types: Object.fromEntries(types.map(([type, count]) => [type.toString(16).padStart(2, '0'), count])),
    index: segment
      ? { entries: segment.index.entries, valid: segment.index.valid }
      : { entries: 0, valid: 0 },
    problems: problems.all(),
    ...own(report),
  };
}

function own({ journal, start, offsets, counters, document, kind }: FileReport): Record<string, unknown> {
  if (journal) {
    const { fileBytes: _, problems: __, error: ___, ...rest } = journal;
    return { journal: rest };
  }
  if (start) return { start };
  if (offsets) return { committed: offsets };
  if (counters) return { counters: countersDocument(counters) };
  return document === undefined ? {} : { [kind]: document };
}

/** What a copy of the counters holds; of a histogram its count, sum, extremes and quantiles (docs/formats.md, "Counters"). */
function countersDocument({ pid, startNs, heartbeatNs, samples }: Snapshot): Record<string, unknown> {
  return {
    pid,
    startNs: startNs.toString(),
    heartbeatNs: heartbeatNs.toString(),
    values: samples.map((sample) => {
      const { key, name, labels, kind, unit } = sample;
      const value =
        sample.kind === 'histogram' ? histogramDocument(sample.histogram) : { value: sample.value };
      return { key, name, labels, kind, unit, ...value };
    }),
  };
}

function histogramDocument(histogram: Histogram): Record<string, number> {
  const { count, sum, min, max } = histogram;
  const quantiles = Object.entries(QUANTILES).map(([name, at]) => [name, histogram.quantile(at)]);
  return { count, sum, min, max, ...Object.fromEntries(quantiles) };
}
