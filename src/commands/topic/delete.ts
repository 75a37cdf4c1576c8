import { Args, Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { confirm } from '../../cli/confirm.js';
import { connectionOptions, nodeFlags } from '../../cli/node-flags.js';
import { withAdmin } from '../../cli/with-admin.js';

export default class TopicDelete extends LanceCommand {
  static override summary = 'Delete a topic and all its records.';
  static override examples = [
    { description: 'asks first', command: 'lance topic delete events' },
    { description: 'does not ask', command: 'lance topic delete events --yes' },
  ];
  static override args = { name: Args.string({ required: true, description: 'the topic' }) };
  static override flags = {
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
    ...jsonFlag,
    ...nodeFlags,
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TopicDelete);
    const deleted = await withAdmin(connectionOptions(flags), async (admin) => {
      const topic = await admin.findTopic(args.name);
      if (!flags.yes) await confirm(`Delete topic ${topic.name} and all its records?`);
      await admin.deleteTopic(topic.id);
      return topic;
    });
    if (flags.json) this.printJson({ deleted: deleted.id, name: deleted.name });
    else this.print(`Deleted topic ${deleted.name} (id ${deleted.id}).`);
  }
}
