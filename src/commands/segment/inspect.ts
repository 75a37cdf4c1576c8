import { Args, Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../../cli/command.js';
import { runInspect } from '../../cli/segment.js';
import { parseAddress } from '../../cli/segment-details.js';
import { ExitCode } from '../../errors.js';

export default class SegmentInspect extends LanceCommand {
  static override strict = false;
  static override summary = 'Look at segments, indexes, the journal or a whole data directory.';
  static override description =
    'Changes nothing; works beside a running node. Several files are summarised by topic. --at finds the record that holds an offset, or the first one at or after a record index, a time or a key. Exits 3 when something does not hold.';
  static override examples = [
    { description: 'a whole data directory', command: 'lance segment inspect ./lance-data' },
    {
      description: 'the record at an offset, as hexadecimal and text',
      command: 'lance segment inspect ./lance-data/segments/events --at offset:0',
    },
    {
      description: 'twenty records from a quarter of an hour ago on',
      command: 'lance segment inspect ./lance-data/segments/events --at time:15m --records --limit 20',
    },
    {
      description: 'batch headers, for machines',
      command: 'lance segment inspect ./lance-data/segments/events --batches --json',
    },
    { description: 'page through them', command: 'lance segment inspect ./lance-data --tui' },
  ];
  static override args = {
    path: Args.string({ required: true, description: 'files or directories' }),
  };
  static override flags = {
    batches: Flags.boolean({ description: 'list batch headers, of a journal chunk its blocks; every field' }),
    records: Flags.boolean({ description: 'list records' }),
    index: Flags.boolean({ description: 'list index entries' }),
    at: Flags.string({
      helpValue: 'offset:N|record:N|time:T|key:HEX|byte:N',
      description: 'list from there on; one record unless --batches or --records is given',
    }),
    limit: Flags.integer({ min: 1, description: 'list no more than so many' }),
    tui: Flags.boolean({ description: 'browse segments, batches and records', exclusive: ['json'] }),
    ...jsonFlag,
  };

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(SegmentInspect);
    const { batches, records, index, limit, json } = flags;
    if (flags.tui) {
      const { runBrowser } = await import('../../cli/segment-browser.js');
      const code = await runBrowser(argv as string[]);
      if (code !== ExitCode.done) this.exit(code);
      return;
    }
    const at = flags.at === undefined ? undefined : parseAddress(flags.at);
    const details =
      batches || records || index || at ? { batches, records, index, at, limit, json } : undefined;
    const out = { print: (text: string) => this.print(text), say: (text: string) => this.say(text) };
    const code = await runInspect(argv as string[], json, out, details);
    if (code !== ExitCode.done) this.exit(code);
  }
}
