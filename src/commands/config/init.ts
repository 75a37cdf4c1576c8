import { Args, Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { exampleToml, writeExample } from '../../config/index.js';

export default class ConfigInit extends LanceCommand {
  static override summary = 'Write a commented configuration file with every key and its default.';
  static override examples = [
    { description: 'look at it first', command: 'lance config init -' },
    { description: 'write ./lance.toml', command: 'lance config init' },
  ];
  static override args = {
    file: Args.string({ default: 'lance.toml', description: 'where to; - is stdout' }),
  };
  static override flags = {
    force: Flags.boolean({ description: 'replace a file that is there' }),
    ...jsonFlag,
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ConfigInit);
    if (args.file === '-') {
      this.print(exampleToml());
      return;
    }
    const file = await writeExample(args.file, flags.force);
    if (flags.json) this.printJson({ file });
    else this.print(`Wrote ${file}. Next: edit it, then \`lance config check ${args.file}\`.`);
  }
}
