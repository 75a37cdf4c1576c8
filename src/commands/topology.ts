import { Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../cli/command.js';
import { runTopology } from '../cli/topology.js';
import { ExitCode } from '../errors.js';
import { EMITS } from '../topology/emit.js';

const modes = ['apply', 'revert', 'check', 'emit'];
const without = (mode: string) => ({ exclusive: modes.filter((other) => other !== mode) });

export default class Topology extends LanceCommand {
  static override summary =
    'Show this machine and where LANCE belongs on it; steer its interrupts; put them back.';
  static override description =
    'Without a mode it only reads. --apply writes down what was, moves IRQs and queues as shown, and reads every file back; --revert puts back byte for byte; --check exits 3 when the machine has drifted from the plan.';
  static override examples = [
    {
      description: 'CPUs, nodes, cards, disks, interrupts, findings and the plan',
      command: 'lance topology',
    },
    { description: 'what --apply would write', command: 'lance topology --apply --dry-run' },
    {
      description: 'steer, then undo',
      command: 'sudo lance topology --apply && sudo lance topology --revert',
    },
    { description: 'for machines', command: 'lance topology --json' },
    {
      description: 'steer at boot, before the node',
      command: 'lance topology --emit systemd > /etc/systemd/system/lance-topology.service',
    },
  ];
  static override flags = {
    apply: Flags.boolean({
      description: 'move IRQs and queues as the plan says (needs root)',
      ...without('apply'),
    }),
    revert: Flags.boolean({
      description: 'put back what was before --apply (needs root)',
      ...without('revert'),
    }),
    check: Flags.boolean({ description: 'compare with the plan; exit 3 on drift', ...without('check') }),
    'dry-run': Flags.boolean({
      description: 'with --apply or --revert: say what would be written, write nothing',
      relationships: [{ type: 'some', flags: ['apply', 'revert'] }],
    }),
    emit: Flags.option({
      options: EMITS,
      description: 'print an irqbalance environment file or policy script, or a systemd unit',
      ...without('emit'),
    })(),
    nic: Flags.string({ description: 'network card to serve from', helpValue: 'NAME|PCI' }),
    'data-dir': Flags.string({ description: 'directory whose disk to plan for', helpValue: 'DIR' }),
    root: Flags.string({
      description: 'machine to look at: a directory with its sys and proc',
      helpValue: 'DIR',
      default: '/',
    }),
    config: Flags.string({ char: 'c', description: 'configuration file', helpValue: 'FILE' }),
    ...jsonFlag,
  };

  // An interrupted --apply rolls back first.
  protected override readonly endsOnInterrupt = false;

  async run(): Promise<void> {
    const { flags } = await this.parse(Topology);
    const stop = new AbortController();
    const onSignal = (): void => (flags.apply ? stop.abort() : process.exit(ExitCode.interrupted));
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
    const out = {
      json: (document: unknown) => this.printJson(document),
      print: (text: string) => this.print(text),
    };
    const code = await runTopology(flags, out, stop.signal);
    if (code !== ExitCode.done) this.exit(code);
  }
}
