import { Args } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { describeCheck } from '../../cli/config-report.js';
import { checkMachine, examineConfig } from '../../config/index.js';
import { ExitCode } from '../../errors.js';

export default class ConfigCheck extends LanceCommand {
  static override summary =
    'Validate a configuration file, the variables and what they name on this machine.';
  static override description =
    'What is wrong in form ends with exit code 2. What this machine lacks, such as a PCI address, is a warning here; `lance serve` refuses it.';
  static override examples = [
    { description: 'the file that a node would use', command: 'lance config check' },
    { description: 'a file that is still being written', command: 'lance config check ./lance.toml --json' },
  ];
  static override args = {
    file: Args.string({ description: 'file to check; else the one that a node would use' }),
  };
  static override flags = { ...jsonFlag };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ConfigCheck);
    const examined = examineConfig({ file: args.file });
    const warnings = examined.problems.length === 0 ? await checkMachine(examined.config) : [];
    const { document, text } = describeCheck(examined, warnings);
    if (flags.json) this.printJson(document);
    else if (examined.problems.length > 0) this.say(text);
    else this.print(text);
    process.exitCode = examined.problems.length > 0 ? ExitCode.usage : ExitCode.done;
  }
}
