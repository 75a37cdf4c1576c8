import { fileURLToPath } from 'node:url';
import { type Command, CommandHelp, Help, type Interfaces } from '@oclif/core';
import { EVERY_COMMAND, HELP_GROUPS, START_HERE } from './help-groups.js';

class WithoutExamples extends CommandHelp {
  protected override sections() {
    return super.sections().filter(({ header }) => header !== 'EXAMPLES');
  }
}

/** Every page starts with an example that works (cli.md); the first page groups commands by what they are for. */
export default class LanceHelp extends Help {
  protected override CommandHelpClass = WithoutExamples;

  override async showCommandHelp(command: Command.Loadable): Promise<void> {
    this.showExamples(command.examples ?? []);
    await super.showCommandHelp(command);
  }

  protected override async showRootHelp(): Promise<void> {
    const { bin, version, pjson } = this.config;
    const start = START_HERE.map(({ command, description }) => `# ${description}\n$ ${command}`);
    this.log(`${this.section('START HERE', start.join('\n'))}\n`);
    for (const { title, commands } of HELP_GROUPS) {
      this.log(
        `${this.section(title, this.list(commands.map((id) => [id.replaceAll(':', ' '), this.lineOf(id)])))}\n`,
      );
    }
    this.log(`${this.section('EVERY COMMAND', this.list(EVERY_COMMAND))}\n`);
    const docs = fileURLToPath(new URL('../../docs', import.meta.url));
    this.log(
      `${pjson.description}\n${bin} ${version}; pages for people on call and for the curious: ${docs}`,
    );
  }

  protected override async showTopicHelp(topic: Interfaces.Topic): Promise<void> {
    const within = this.config.commands.filter(({ id }) => id.startsWith(`${topic.name}:`));
    this.showExamples(within.flatMap(({ examples }) => examples?.slice(0, 1) ?? []));
    await super.showTopicHelp(topic);
  }

  /** What a command or a topic of commands is for, in a line. */
  private lineOf(id: string): string {
    const command = this.config.findCommand(id);
    if (command) return this.render((command.summary ?? command.description ?? '').split('\n')[0] ?? '');
    return this.config.findTopic(id)?.description ?? '';
  }

  private list(rows: readonly (readonly [string, string])[]): string {
    return this.renderList(
      rows.map(([name, about]) => [name, about]),
      {
        indentation: 2,
        spacer: '\n',
        stripAnsi: this.opts.stripAnsi,
      },
    );
  }

  private showExamples(examples: readonly Command.Example[]): void {
    if (examples.length === 0) return;
    const lines = examples.map((example) =>
      typeof example === 'string'
        ? `  $ ${example.replace(/^\$ /, '')}` // plugins write the prompt, too
        : `  # ${example.description}\n  $ ${example.command}`,
    );
    this.log(`${this.render(lines.join('\n'))}\n`);
  }
}
