import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { connectionOptions, nodeFlags } from '../../cli/node-flags.js';
import { topicTable } from '../../cli/topic-report.js';
import { withAdmin } from '../../cli/with-admin.js';

export default class TopicList extends LanceCommand {
  static override summary = 'List all topics.';
  static override examples = [
    { description: 'as a table', command: 'lance topic list' },
    { description: 'the names alone', command: "lance topic list --json | jq -r '.topics[].name'" },
  ];
  static override flags = { ...jsonFlag, ...nodeFlags };

  async run(): Promise<void> {
    const { flags } = await this.parse(TopicList);
    const topics = await withAdmin(connectionOptions(flags), (admin) => admin.listTopics());
    if (flags.json) this.printJson({ topics });
    else this.print(topicTable(topics));
  }
}
