import { Args } from '@oclif/core';
import { compare, readResult } from '../../bench/compare.js';
import { bandwidth, time } from '../../bench/units.js';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { table } from '../../cli/table.js';

export default class BenchCompare extends LanceCommand {
  static override summary = 'Say what is better, worse, or within noise between two results.';
  static override description =
    'Takes two files of `lance bench ... --repeat N --json` and tests each figure over the runs (Mann-Whitney U, two-sided, 0.05). With fewer than four runs each nothing can be told from noise.';
  static override examples = [
    { description: 'before and after', command: 'lance bench compare before.json after.json' },
  ];
  static override args = {
    a: Args.string({ required: true, description: 'result to compare with' }),
    b: Args.string({ required: true, description: 'result that is judged' }),
  };
  static override flags = { ...jsonFlag };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(BenchCompare);
    const found = compare(readResult(args.a), readResult(args.b));
    if (flags.json) return this.printJson(found);
    const rows = found.differences.map(({ figure, a, b, change, p, verdict }) => {
      const show = figure === 'throughput' ? bandwidth : time;
      const percent = `${change >= 0 ? '+' : ''}${(change * 100).toFixed(1)}%`;
      return [figure === 'p999' ? 'p99.9' : figure, show(a), show(b), percent, p.toFixed(3), verdict];
    });
    this.print(table(['', 'A', 'B', 'CHANGE', 'P', 'B IS'], rows));
    for (const note of found.notes) this.say(note);
  }
}
