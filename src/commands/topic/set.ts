import { Args } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { connectionOptions, nodeFlags, topicFlags, topicSettings } from '../../cli/node-flags.js';
import { descriptionDocument, topicText } from '../../cli/topic-report.js';
import { withAdmin } from '../../cli/with-admin.js';
import { ExitCode, LanceError } from '../../errors.js';

export default class TopicSet extends LanceCommand {
  static override summary = 'Change how long a topic keeps its records, and when it acknowledges them.';
  static override examples = [
    {
      description: 'keep a day, whatever the size',
      command: 'lance topic set default --max-age 1d --max-bytes 0',
    },
    { description: 'acknowledge before the flush', command: 'lance topic set default --durability written' },
  ];
  static override args = { name: Args.string({ required: true, description: 'the topic' }) };
  static override flags = { ...topicFlags, ...jsonFlag, ...nodeFlags };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TopicSet);
    const settings = topicSettings(flags);
    if (Object.values(settings).every((value) => value === undefined)) {
      throw new LanceError('Nothing to change was given.', {
        code: 'USAGE',
        hint: 'Give --max-age, --max-bytes or --durability.',
        exitCode: ExitCode.usage,
      });
    }
    const topic = await withAdmin(connectionOptions(flags), async (admin) =>
      admin.setTopic((await admin.findTopic(args.name)).id, settings),
    );
    if (flags.json) this.printJson(descriptionDocument(topic));
    else this.print(topicText(topic));
  }
}
