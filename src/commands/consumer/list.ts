import { Args } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { fetchConsumers } from '../../cli/consumers.js';
import { adminFlags } from '../../cli/node-flags.js';
import { table } from '../../cli/table.js';

export default class ConsumerList extends LanceCommand {
  static override summary = 'List the committed offsets of a topic.';
  static override examples = [{ description: 'who read how far', command: 'lance consumer list default' }];
  static override args = { topic: Args.string({ required: true, description: 'the topic' }) };
  static override flags = { ...jsonFlag, ...adminFlags };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ConsumerList);
    const consumers = await fetchConsumers(flags.admin, args.topic, flags.timeout);
    if (flags.json) this.printJson({ topic: args.topic, consumers });
    else {
      const rows = consumers.map(({ id, offset, lag, committedAt }) => [
        id,
        offset,
        lag,
        new Date(committedAt * 1000).toISOString(),
      ]);
      this.print(table(['CONSUMER', 'OFFSET', 'BEHIND', 'COMMITTED'], rows));
    }
  }
}
