import { type Command, CommandHelp, Help, type Interfaces } from '@oclif/core';

class WithoutExamples extends CommandHelp {
  protected override sections() {
    return super.sections().filter(({ header }) => header !== 'EXAMPLES');
  }
}

/** Every page starts with an example that works (cli.md); the rest is oclif's. */
export default class LanceHelp extends Help {
  protected override CommandHelpClass = WithoutExamples;

  override async showCommandHelp(command: Command.Loadable): Promise<void> {
    this.showExamples(command.examples ?? []);
    await super.showCommandHelp(command);
  }

  protected override async showRootHelp(): Promise<void> {
    const firstOf = (id: string) => this.config.findCommand(id)?.examples?.slice(0, 1) ?? [];
    this.showExamples(['serve', 'topic:create', 'produce', 'consume'].flatMap(firstOf));
    await super.showRootHelp();
  }

  protected override async showTopicHelp(topic: Interfaces.Topic): Promise<void> {
    const within = this.config.commands.filter(({ id }) => id.startsWith(`${topic.name}:`));
    this.showExamples(within.flatMap(({ examples }) => examples?.slice(0, 1) ?? []));
    await super.showTopicHelp(topic);
  }

  private showExamples(examples: readonly Command.Example[]): void {
    if (examples.length === 0) return;
    const lines = examples.map((example) =>
      typeof example === 'string' ? `  $ ${example}` : `  # ${example.description}\n  $ ${example.command}`,
    );
    this.log(`${this.render(lines.join('\n'))}\n`);
  }
}
