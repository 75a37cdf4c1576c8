import { Args, Flags } from '@oclif/core';
import { jsonFlag, LanceCommand } from '../cli/command.js';
import { connectionOptions, nodeFlags, sizeFlag } from '../cli/node-flags.js';
import { describeProduced, produce } from '../cli/produce.js';
import { PRODUCE_FORMATS } from '../cli/produce-input.js';
import { Progress } from '../cli/progress.js';
import { LanceError } from '../errors.js';

export default class Produce extends LanceCommand {
  static override summary = 'Send records from a file or stdin and wait for every acknowledgement.';
  static override description =
    'lines: a record ends at \\n only, so \\r stays and an empty line is an empty record. json: a document a line, stored as JSON. blob: the whole input is one record. A frame whose acknowledgement never came has an unknown outcome: it is reported, and sent again (perhaps stored twice) only with --retry-unknown.';
  static override examples = [
    { description: 'one record', command: "echo 'hello' | lance produce events --create" },
    { description: 'a file, a record a line', command: 'lance produce events --file access.log' },
    {
      description: 'JSON documents',
      command: 'lance produce events --format json --file events.jsonl --json',
    },
  ];
  static override args = { topic: Args.string({ required: true, description: 'where to' }) };
  static override flags = {
    file: Flags.string({ char: 'f', description: 'file to read; - or nothing is stdin' }),
    format: Flags.option({ options: PRODUCE_FORMATS })({
      default: 'lines',
      description: 'how input becomes records',
    }),
    key: Flags.string({ description: 'key of every record' }),
    create: Flags.boolean({ description: 'create the topic when it is not there' }),
    'batch-bytes': sizeFlag({
      default: 262_144,
      defaultHelp: async () => '256KiB',
      description: 'records sent together',
    }),
    'in-flight': Flags.integer({ default: 8, min: 1, max: 1024, description: 'batches under way at once' }),
    'retry-unknown': Flags.boolean({ description: 'send again what may be stored already' }),
    ...jsonFlag,
    ...nodeFlags,
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Produce);
    const progress = new Progress();
    if (process.stdin.isTTY && !flags.file)
      this.say('Reading records from the terminal, one a line; Ctrl-D ends.');
    const request = {
      ...connectionOptions(flags),
      topic: args.topic,
      file: flags.file,
      format: flags.format,
      key: flags.key,
      create: flags.create,
      batchBytes: flags['batch-bytes'],
      inFlight: flags['in-flight'],
      retryUnknown: flags['retry-unknown'],
    };
    try {
      const result = await produce(request, (so) =>
        progress.show(`${so.acked} of ${so.records} records acknowledged`),
      );
      progress.clear();
      if (flags.json) this.printJson(result);
      else this.print(describeProduced(result));
    } catch (error) {
      progress.clear();
      if (!flags.json && error instanceof LanceError && 'acked' in error.data)
        this.say(describeProduced(error.data as never));
      throw error;
    }
  }
}
