import { benchFloor, DEFAULTS } from '../../bench/index.js';
import { runBench } from '../../cli/bench.js';
import { benchFlags, benchOptions } from '../../cli/bench-flags.js';
import { LanceCommand } from '../../cli/command.js';

const { endpoint: _, config: __, warmup: ___, floor: ____, ...flags } = benchFlags(DEFAULTS.ingest, 20_000);

export default class BenchFloor extends LanceCommand {
  static override summary = 'Measure this machine without a node: disk, loopback, and a bare pipeline.';
  static override description =
    "The best durable and unsynced sequential bandwidth over a small grid of block size, depth and flush interval; a durable 4 KiB write; a loopback round trip between spinning ends and a loopback stream; and the generator's load against a receiver without an engine, which discards, writes, or writes durably.";
  static override examples = [
    { description: 'twenty seconds', command: 'lance bench floor' },
    {
      description: 'another file system, quickly',
      command: 'lance bench floor --data-dir /var/lib/lance --duration 5s',
    },
  ];
  static override flags = flags;
  protected override readonly endsOnInterrupt = false;

  async run(): Promise<void> {
    const { flags } = await this.parse(BenchFloor);
    const options = benchOptions({ ...flags, warmup: 0, floor: true });
    await runBench(this.benchOutput(flags), (observer, signal) => benchFloor(options, observer, signal));
  }
}
