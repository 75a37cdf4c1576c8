import { Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { describeInForce } from '../../cli/config-report.js';
import { inForce, loadConfig } from '../../config/index.js';

export default class ConfigShow extends LanceCommand {
  static override summary = 'Print every value in force and where it came from.';
  static override description =
    'Flags win over variables (LANCE_SECTION_KEY), variables over the file, the file over defaults.';
  static override examples = [
    { description: 'what a node started here would use', command: 'lance config show' },
    { description: 'for machines', command: 'lance config show --json' },
  ];
  static override flags = {
    config: Flags.string({ char: 'c', description: 'configuration file', helpValue: 'FILE' }),
    ...jsonFlag,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(ConfigShow);
    const examined = loadConfig({ file: flags.config });
    const values = inForce(examined);
    for (const note of examined.notActive) this.say(`Note: ${note}`);
    if (flags.json) this.printJson({ file: examined.file ?? null, values, notActive: examined.notActive });
    else this.print(describeInForce(examined.file, values));
  }
}
