import { ExitCode, LanceError } from '../errors.js';
import { collect, eachBatch, parseSegmentName } from '../segment/index.js';
import { type Json, stringify } from '../server/json.js';
import { type ConsumeFormat, writeAll } from './consume-output.js';
import { recordJson } from './segment-documents.js';

const PIECE_BYTES = 256 * 1024;

/** Writes the records of all segments below the paths to stdout, in order; returns 3 when damage was passed over. */
export async function runExport(
  path: string,
  format: ConsumeFormat,
  say: (text: string) => void,
): Promise<number> {
  const { files } = collect([path]);
  const segments = files.filter(({ kind }) => kind === 'segment');
  const topics = new Set(segments.map((one) => one.path.slice(0, one.path.lastIndexOf('/'))));
  if (topics.size > 1) {
    throw new LanceError(`${path} holds ${topics.size} topics.`, {
      code: 'SEVERAL_TOPICS',
      hint: `Name the directory of one, such as ${[...topics][0]}.`,
      exitCode: ExitCode.usage,
    });
  }
  let passed = 0;
  let bytes = 0;
  let pieces: Buffer[] = [];
  const flush = async () => {
    await writeAll(process.stdout, Buffer.concat(pieces));
    pieces = [];
    bytes = 0;
  };
  for (const segment of segments) {
    const sealed = parseSegmentName(segment.path)?.endNs !== undefined;
    const gap = ({ from, why }: { from: number; why: string }) => {
      if (sealed) passed += 1;
      const end = sealed
        ? 'passed over'
        : 'the export ends here; a node may be writing, or the journal has the rest';
      say(`${segment.path}: byte ${from}: ${why} (${end})`);
    };
    for await (const { records } of eachBatch(segment.path, undefined, gap)) {
      for (const record of records()) {
        const piece =
          format === 'json'
            ? [Buffer.from(`${stringify(recordJson(record) as { [key: string]: Json })}\n`)]
            : [record.value, ...(format === 'lines' ? [NEWLINE] : [])];
        pieces.push(...piece);
        bytes += piece.reduce((sum, part) => sum + part.length, 0);
      }
      if (bytes >= PIECE_BYTES) await flush();
    }
  }
  await flush();
  return passed > 0 ? ExitCode.found : ExitCode.done;
}

const NEWLINE = Buffer.from('\n');
