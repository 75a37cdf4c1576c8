import { Args, Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../cli/command.js';
import { CONSUME_FORMATS, pour } from '../cli/consume-output.js';
import { untilInterrupted } from '../cli/interrupt.js';
import { connectionOptions, idFlag, nodeFlags } from '../cli/node-flags.js';
import { Consumer, parseStart } from '../client/index.js';

export default class Consume extends LanceCommand {
  static override summary = 'Write records to stdout.';
  static override description =
    'Without --count or --follow it stops at the end as it is at the start. lines: each value and a \\n. raw: the values alone. json: a document a record, with index, offset, key and time.';
  static override examples = [
    { description: 'all there is', command: 'lance consume events' },
    {
      description: 'what comes from now on',
      command: 'lance consume events --from latest --follow --format json',
    },
    {
      description: 'the next hundred, remembered',
      command: 'lance consume events --consumer 42 --commit --count 100',
    },
    { description: 'the last quarter of an hour', command: 'lance consume events --from time:15m' },
  ];
  static override args = { topic: Args.string({ required: true, description: 'where from' }) };
  static override flags = {
    from: Flags.string({
      helpValue: 'earliest|latest|offset:N|record:N|time:T',
      description: 'where to start; earliest, or where --consumer left off',
    }),
    count: Flags.integer({ min: 0, description: 'stop after so many records, and wait for them' }),
    follow: Flags.boolean({ description: 'wait for more at the end' }),
    consumer: idFlag({ description: 'number under which the position is remembered' }),
    commit: Flags.boolean({ dependsOn: ['consumer'], description: 'remember what was written' }),
    format: Flags.option({ options: CONSUME_FORMATS })({
      description: 'how records are written; lines, or json with --json',
    }),
    ...jsonFlag,
    ...nodeFlags,
  };
  protected override readonly endsOnInterrupt = false;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Consume);
    const { count, consumer: id, follow, commit } = flags;
    await untilInterrupted(async (signal) => {
      const consumer = await Consumer.open({
        ...connectionOptions(flags),
        topic: args.topic,
        from: flags.from === undefined ? undefined : parseStart(flags.from),
        consumer: id,
        follow: follow || count !== undefined,
        signal,
      });
      try {
        await pour(consumer, process.stdout, {
          format: flags.format ?? (flags.json ? 'json' : 'lines'),
          count,
          commit,
        });
      } finally {
        consumer.close();
      }
    });
  }
}
