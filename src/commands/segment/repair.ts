import { Args, Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { runRepair } from '../../cli/segment-repair.js';
import { ExitCode } from '../../errors.js';

export default class SegmentRepair extends LanceCommand {
  static override summary = 'Cut torn ends and write indexes anew, while no node runs.';
  static override description =
    'Only what is torn or derived: never a healthy batch, never damage. What is cut is kept beside the file. A data directory is repaired as a start of the node would. Shows what it does and asks first. Exits 3 while damage is left.';
  static override examples = [
    { description: 'what would be done', command: 'lance segment repair ./lance-data --dry-run' },
    { description: 'do it without a question', command: 'lance segment repair ./lance-data --yes' },
  ];
  static override args = {
    path: Args.string({ required: true, description: 'a data directory, a topic directory or a segment' }),
  };
  static override flags = {
    'dry-run': Flags.boolean({ description: 'say what would be done, do nothing' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
    ...jsonFlag,
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SegmentRepair);
    const code = await runRepair(args.path, flags, {
      print: (text) => text !== '' && this.print(text),
      say: (text) => this.say(text),
    });
    if (code !== ExitCode.done) this.exit(code);
  }
}
