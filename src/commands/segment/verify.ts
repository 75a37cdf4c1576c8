import { Args } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { runInspect } from '../../cli/segment.js';
import { ExitCode } from '../../errors.js';

export default class SegmentVerify extends LanceCommand {
  static override strict = false;
  static override summary = 'Read everything and check every checksum, chain, key, offset and index entry.';
  static override description =
    'Changes nothing; works beside a running node. A data directory without a node is compared with its journal, so that what the next start brings into the segments is no problem. Exits 3 when something does not hold.';
  static override examples = [
    { description: 'a whole data directory', command: 'lance segment verify ./lance-data' },
    { description: 'one topic', command: 'lance segment verify ./lance-data/segments/events' },
    { description: 'for machines, a line a file', command: 'lance segment verify ./lance-data --json' },
  ];
  static override args = {
    path: Args.string({ required: true, description: 'files or directories' }),
  };
  static override flags = { ...jsonFlag };

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(SegmentVerify);
    const out = { print: (text: string) => this.print(text), say: (text: string) => this.say(text) };
    const code = await runInspect(argv as string[], flags.json, out);
    if (code !== ExitCode.done) this.exit(code);
  }
}
