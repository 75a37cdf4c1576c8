import { Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../cli/command.js';
import { runTop } from '../cli/top-run.js';
import { ExitCode } from '../errors.js';

export default class Top extends LanceCommand {
  static override summary = 'Watch a node: rates, latency, agents, device, topics, events.';
  static override description =
    'With --data-dir it reads the counters file: that works while the control plane hangs, and after the process is gone. With --admin it asks one or several nodes over HTTP. Without either: the configured data directory if a node lives there, else 127.0.0.1:1993. Press ? for the keys.';
  static override examples = [
    { description: 'the node on this machine', command: 'lance top' },
    { description: 'what a node did before it died', command: 'lance top --data-dir /var/lib/lance' },
    {
      description: 'three nodes; n goes from one to the next',
      command: 'lance top --admin a:1993,b:1993,c:1993',
    },
    { description: 'one sample for machines', command: 'lance top --once --json' },
    {
      description: 'keep it for the post-mortem, and look at it later',
      command: 'lance top --record incident.jsonl; lance top --replay incident.jsonl',
    },
  ];
  // What oclif makes of flags that exclude one another is no sentence.
  static override usage = [
    '<%= command.id %> [--admin H:P,... | --data-dir DIR] [--fps 1|5] [--record FILE]',
    '<%= command.id %> [--admin H:P,... | --data-dir DIR] --once [--json]',
    '<%= command.id %> --replay FILE [--fps 1|5]',
  ];
  static override flags = {
    admin: Flags.string({
      helpValue: 'H:P,...',
      env: 'LANCE_ADMIN',
      description: 'admin endpoints of the nodes to watch',
    }),
    'data-dir': Flags.string({
      helpValue: 'DIR',
      description: 'data directory of the node to watch',
      exclusive: ['replay'],
    }),
    once: Flags.boolean({
      description: 'print one sample and leave; needs no terminal',
      exclusive: ['replay'],
    }),
    fps: Flags.option({
      options: ['1', '5'] as const,
      default: '1' as const,
      description: 'frames a second',
    })(),
    record: Flags.string({
      helpValue: 'FILE',
      description: 'also write every reading to FILE, one JSON document a line',
      exclusive: ['replay', 'once'],
    }),
    replay: Flags.string({ helpValue: 'FILE', description: 'show what --record wrote' }),
    ...jsonFlag,
  };

  // The terminal is put back first.
  protected override readonly endsOnInterrupt = false;

  async run(): Promise<void> {
    const { flags } = await this.parse(Top);
    const code = await runTop(flags, {
      json: (document) => this.printJson(document),
      print: (text) => this.print(text),
    });
    if (code !== ExitCode.done) this.exit(code);
  }
}
