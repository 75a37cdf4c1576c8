import { Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../cli/command.js';
import { placeNode } from '../cli/placement.js';
import { describeReady } from '../cli/ready.js';
import { ExitCode } from '../errors.js';
import { serve } from '../server/index.js';

export default class Serve extends LanceCommand {
  static override summary = 'Run a node until SIGTERM or SIGINT, then drain and exit.';
  static override description =
    'What is acknowledged is on stable storage. A first signal stops accepting, finishes what is in flight and exits with 0; a second one leaves at once with 1. Logs go to stderr.';
  static override examples = [
    { description: 'a node on 127.0.0.1:1992 with its data in ./lance-data', command: 'lance serve' },
    {
      description: 'for scripts: any free ports, told on the first line of stdout',
      command: 'lance serve --data-dir /tmp/lance --bind 127.0.0.1:0 --admin 127.0.0.1:0 --json',
    },
    { description: 'with a configuration file', command: 'lance serve -c /etc/lance/lance.toml' },
  ];
  static override flags = {
    config: Flags.string({ char: 'c', description: 'configuration file', helpValue: 'FILE' }),
    'data-dir': Flags.string({ description: 'where journal, segments and metadata live', helpValue: 'DIR' }),
    bind: Flags.string({ description: 'where clients connect; port 0 picks one', helpValue: 'HOST:PORT' }),
    admin: Flags.string({ description: 'where the admin endpoint listens', helpValue: 'HOST:PORT' }),
    'node-id': Flags.string({ description: 'number of this node', helpValue: 'N' }),
    'log-level': Flags.string({
      description: 'trace, debug, info, warn, error, fatal or silent',
      helpValue: 'LEVEL',
    }),
    'log-format': Flags.string({
      description: 'pretty or json; pretty on a terminal, else json, unless told',
      helpValue: 'FORMAT',
    }),
    ...jsonFlag,
  };

  protected override readonly endsOnInterrupt = false;

  async run(): Promise<void> {
    const { flags } = await this.parse(Serve);
    const sources = {
      config: flags.config,
      dataDir: flags['data-dir'],
      bind: flags.bind,
      admin: flags.admin,
      nodeId: flags['node-id'],
      logLevel: flags['log-level'],
      logFormat: flags['log-format'],
    };
    const drained = await serve(sources, this.config.version, placeNode, ({ ready }) => {
      if (flags.json) this.printJson(ready);
      else this.print(describeReady(ready, this.config.version));
    });
    this.exit(drained ? ExitCode.done : ExitCode.failed);
  }
}
