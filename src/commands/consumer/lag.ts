import { Args } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { fetchConsumers } from '../../cli/consumers.js';
import { adminFlags } from '../../cli/node-flags.js';
import { table } from '../../cli/table.js';
import { roundedSize } from '../../config/index.js';

export default class ConsumerLag extends LanceCommand {
  static override summary = 'Show how far each consumer of a topic is behind, the last one first.';
  static override examples = [{ description: 'bytes to the end', command: 'lance consumer lag default' }];
  static override args = { topic: Args.string({ required: true, description: 'the topic' }) };
  static override flags = { ...jsonFlag, ...adminFlags };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ConsumerLag);
    const consumers = await fetchConsumers(flags.admin, args.topic, flags.timeout);
    consumers.sort((a, b) => b.lag - a.lag);
    if (flags.json) this.printJson({ topic: args.topic, maxLag: consumers[0]?.lag ?? 0, consumers });
    else
      this.print(
        table(
          ['CONSUMER', 'BEHIND'],
          consumers.map(({ id, lag }) => [id, roundedSize(lag)]),
        ),
      );
  }
}
