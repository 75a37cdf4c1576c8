import { benchProduce, DEFAULTS } from '../../bench/index.js';
import { runBench } from '../../cli/bench.js';
import { benchFlags, benchOptions, discardFlag } from '../../cli/bench-flags.js';
import { LanceCommand } from '../../cli/command.js';

export default class BenchIngest extends LanceCommand {
  static override summary = "Measure how fast records are stored, beside the machine's own floor.";
  static override description =
    'Starts a node on a folder of its own, loads it from a native generator in another process, and measures the same disk, loopback and a bare pipeline without an engine in the same run. The floor of the throughput is the lower of disk and pipeline. Ctrl-C shows what was measured so far.';
  static override examples = [
    { description: '16 connections, batches of 64 KiB, durable', command: 'lance bench ingest' },
    {
      description: 'five runs to compare with later ones',
      command: 'lance bench ingest --repeat 5 --json > before.json',
    },
    { description: 'at a rate, as a page', command: 'lance bench ingest --rate 200000 --html report.html' },
    {
      description: 'small frames over many topics',
      command: 'lance bench ingest --topics 500 --record-size 300 --batch-bytes 1',
    },
  ];
  static override flags = { ...benchFlags(DEFAULTS.ingest), discard: discardFlag };
  protected override readonly endsOnInterrupt = false;

  async run(): Promise<void> {
    const { flags } = await this.parse(BenchIngest);
    await runBench(this.benchOutput(flags), (observer, signal) =>
      benchProduce('ingest', benchOptions(flags), observer, signal),
    );
  }
}
