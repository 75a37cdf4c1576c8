import { Args } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { connectionOptions, nodeFlags, topicFlags, topicSettings } from '../../cli/node-flags.js';
import { topicDocument } from '../../cli/topic-report.js';
import { withAdmin } from '../../cli/with-admin.js';

export default class TopicCreate extends LanceCommand {
  static override summary = 'Create a topic.';
  static override examples = [
    { description: 'keeps everything, an ack means stable storage', command: 'lance topic create events' },
    {
      description: 'keeps a week, at most 10 GiB',
      command: 'lance topic create logs --max-age 7d --max-bytes 10GiB',
    },
  ];
  static override args = {
    name: Args.string({ required: true, description: '1 to 249 of A-Z a-z 0-9 . _ -' }),
  };
  static override flags = { ...topicFlags, ...jsonFlag, ...nodeFlags };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TopicCreate);
    const topic = await withAdmin(connectionOptions(flags), (admin) =>
      admin.createTopic(args.name, topicSettings(flags)),
    );
    if (flags.json) this.printJson(topicDocument(topic));
    else this.print(`Created topic ${topic.name} with id ${topic.id}.`);
  }
}
