import { Flags } from '@oclif/core';
import { ALL_WALKS, benchSweep, DEFAULTS, parseWalk, type Walk } from '../../bench/index.js';
import { runBench } from '../../cli/bench.js';
import { benchFlags, benchOptions } from '../../cli/bench-flags.js';
import { LanceCommand } from '../../cli/command.js';
import { durationFlag } from '../../cli/node-flags.js';

const { warmup: _, ...flags } = benchFlags(DEFAULTS.ingest, 2_000);

export default class BenchSweep extends LanceCommand {
  static override summary = 'Measure how cost grows: with topics, connections, record, batch and log size.';
  static override description =
    'Changes one thing at a time and leaves the rest as the flags say, each point on a fresh node and beside the lower of disk and bare pipeline under the same load. On the axis log-size the log is filled first and the node started over it, which is timed. Ctrl-C shows what was measured so far.';
  static override examples = [
    { description: 'all five axes, about three minutes', command: 'lance bench sweep' },
    {
      description: 'two of them, one with values of its own',
      command: 'lance bench sweep --axis topics --axis record-size=64,1KiB,1MiB',
    },
    {
      description: 'small frames over more and more topics, as a page',
      command:
        'lance bench sweep --axis topics=1,500,5000 --record-size 300 --batch-bytes 1 --in-flight 64 --html sweep.html',
    },
  ];
  static override flags = {
    ...flags,
    warmup: durationFlag({
      default: 500,
      defaultHelp: async () => '500ms',
      description: 'load before each point, not counted',
    }),
    axis: Flags.custom<Walk>({
      helpValue: 'NAME[=V,V...]',
      parse: async (text) => parseWalk(text),
    })({
      multiple: true,
      description: 'topics, connections, record-size, batch-bytes or log-size; all unless told',
    }),
  };
  protected override readonly endsOnInterrupt = false;

  async run(): Promise<void> {
    const { flags } = await this.parse(BenchSweep);
    const options = { ...benchOptions(flags), walks: flags.axis ?? ALL_WALKS };
    await runBench(this.benchOutput(flags), (observer, signal) => benchSweep(options, observer, signal));
  }
}
