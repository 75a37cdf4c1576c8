import { Flags } from '@oclif/core';
import { benchProduce, DEFAULTS } from '../../bench/index.js';
import { runBench } from '../../cli/bench.js';
import { benchFlags, benchOptions } from '../../cli/bench-flags.js';
import { LanceCommand } from '../../cli/command.js';

export default class BenchLatency extends LanceCommand {
  static override summary = 'Measure how long acknowledgements take at a rate, without coordinated omission.';
  static override description =
    'Requests leave on schedule whether or not answers came, and each is timed from when it was due. Evenly spaced ones are held against a round trip plus one durable write of this machine, Poisson arrivals against an ideal group commit. A rate that is not reached is reported with the shortfall.';
  static override examples = [
    { description: '5,000 records of 300 B a second', command: 'lance bench latency' },
    { description: 'up to the knee', command: 'lance bench latency --ladder --duration 2s' },
    { description: 'as traffic comes', command: 'lance bench latency --rate 10000 --arrivals poisson' },
    { description: 'with curves', command: 'lance bench latency --html report.html' },
  ];
  static override flags = {
    ...benchFlags(DEFAULTS.latency),
    ladder: Flags.boolean({
      description: 'also walk the rate up from 1,000/s to the knee, each step as long as --duration',
    }),
  };
  protected override readonly endsOnInterrupt = false;

  async run(): Promise<void> {
    const { flags } = await this.parse(BenchLatency);
    const options = { ...benchOptions(flags), ladder: flags.ladder };
    await runBench(this.benchOutput(flags), (observer, signal) =>
      benchProduce('latency', options, observer, signal),
    );
  }
}
