import { Args, Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { CONSUME_FORMATS } from '../../cli/consume-output.js';
import { runExport } from '../../cli/segment-export.js';
import { ExitCode } from '../../errors.js';

export default class SegmentExport extends LanceCommand {
  static override summary = "Write a topic's records to stdout from its files, without a node.";
  static override description =
    'Only whole batches whose checksums hold; what does not is said on stderr and passed over, then the exit code is 3. What stands in the journal alone is not part of it: start the node, or repair the data directory first.';
  static override examples = [
    {
      description: 'all records of a topic, a line each',
      command: 'lance segment export ./lance-data/segments/events',
    },
    {
      description: 'with offset, key and time',
      command: 'lance segment export ./lance-data/segments/events --format json',
    },
  ];
  static override args = {
    path: Args.string({ required: true, description: "a segment, or a topic's directory" }),
  };
  static override flags = {
    format: Flags.option({ options: CONSUME_FORMATS })({
      description: 'how records are written; lines, or json with --json',
    }),
    ...jsonFlag,
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SegmentExport);
    const format = flags.format ?? (flags.json ? 'json' : 'lines');
    const code = await runExport(args.path, format, (text) => this.say(text));
    if (code !== ExitCode.done) this.exit(code);
  }
}
