import { Args } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { connectionOptions, nodeFlags } from '../../cli/node-flags.js';
import { descriptionDocument, topicText } from '../../cli/topic-report.js';
import { withAdmin } from '../../cli/with-admin.js';

export default class TopicDescribe extends LanceCommand {
  static override summary = "Show a topic's settings, offsets, records and size.";
  static override examples = [
    { description: 'for people', command: 'lance topic describe default' },
    { description: 'for machines', command: 'lance topic describe default --json' },
  ];
  static override args = { name: Args.string({ required: true, description: 'the topic' }) };
  static override flags = { ...jsonFlag, ...nodeFlags };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TopicDescribe);
    const topic = await withAdmin(connectionOptions(flags), async (admin) =>
      admin.describeTopic((await admin.findTopic(args.name)).id),
    );
    if (flags.json) this.printJson(descriptionDocument(topic));
    else this.print(topicText(topic));
  }
}
