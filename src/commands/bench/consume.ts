import { Flags } from '@oclif/core';
import { benchConsume, CONSUME_MODES, DEFAULTS } from '../../bench/index.js';
import { runBench } from '../../cli/bench.js';
import { benchFlags, benchOptions } from '../../cli/bench-flags.js';
import { LanceCommand } from '../../cli/command.js';
import { sizeFlag } from '../../cli/node-flags.js';

export default class BenchConsume extends LanceCommand {
  static override summary = 'Measure reading: a log from cold disk, again warm, and its end as it grows.';
  static override description =
    'Fills a topic, starts the node anew and reads it back (cold), reads it again (warm), then publishes at --rate and times each record from publishing to delivery (tail). Throughput is that of the first pass, latency that of tail.';
  static override examples = [
    { description: 'all three', command: 'lance bench consume' },
    {
      description: 'publish to deliver alone',
      command: 'lance bench consume --mode tail --durability written',
    },
    { description: 'a longer log', command: 'lance bench consume --mode cold --log-size 8GiB' },
  ];
  static override flags = {
    ...benchFlags(DEFAULTS.consume),
    mode: Flags.option({ options: CONSUME_MODES, multiple: true })({
      description: 'what to read; all unless told',
    }),
    'log-size': sizeFlag({
      default: 2 ** 30,
      defaultHelp: async () => '1GiB',
      description: 'bytes that each topic is filled with, and one more for the floor of a cold read',
    }),
  };
  protected override readonly endsOnInterrupt = false;

  async run(): Promise<void> {
    const { flags } = await this.parse(BenchConsume);
    const modes = CONSUME_MODES.filter((mode) => flags.mode?.includes(mode) ?? true);
    const options = { ...benchOptions(flags), modes, logBytes: flags['log-size'] };
    await runBench(this.benchOutput(flags), (observer, signal) => benchConsume(options, observer, signal));
  }
}
