import { Args } from '@oclif/core';
import { LanceCommand } from '../cli/command.js';
import { bashCompletion } from '../cli/completion/bash.js';
import { completionModel } from '../cli/completion/model.js';
import { zshCompletion } from '../cli/completion/zsh.js';

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion };

export default class Autocomplete extends LanceCommand {
  static override summary = 'Print the completion of lance for bash or zsh.';
  static override description =
    'Completes commands, flags, what flags take, files, and the topics of the node at LANCE_ENDPOINT. Print it again after an upgrade. For all users of a machine: /usr/share/bash-completion/completions/lance, /usr/share/zsh/site-functions/_lance.';
  static override examples = [
    {
      description: 'for every new bash',
      command: "echo 'source <(lance autocomplete bash)' >> ~/.bashrc",
    },
    {
      description: 'for every new zsh, with `autoload -Uz compinit && compinit` before it',
      command: "echo 'source <(lance autocomplete zsh)' >> ~/.zshrc",
    },
    {
      description: 'loaded at the first TAB (package bash-completion)',
      command:
        'mkdir -p ~/.local/share/bash-completion/completions && lance autocomplete bash > ~/.local/share/bash-completion/completions/lance',
    },
  ];
  static override args = {
    shell: Args.string({
      options: Object.keys(SCRIPTS),
      description: 'the shell; without it, how to set up each',
    }),
  };

  async run(): Promise<void> {
    const { args } = await this.parse(Autocomplete);
    const script = SCRIPTS[args.shell as keyof typeof SCRIPTS];
    if (script) this.print(script(completionModel(this.config)));
    else
      for (const { description, command } of Autocomplete.examples)
        this.print(`# ${description}\n${command}`);
  }
}
