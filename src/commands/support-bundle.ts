import { resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { writeBundle } from '../bundle/index.js';
import { jsonFlag, LanceCommand } from '../cli/command.js';
import { localTopology } from '../cli/topology.js';
import { examineConfig, roundedSize } from '../config/index.js';

export default class SupportBundle extends LanceCommand {
  static override summary = 'Write one archive about a node for somebody who is to help with it.';
  static override description =
    'Configuration without secrets, counters, topology, segments by name and size, last logs, versions; no records. Works while the node runs, hangs, or is gone.';
  static override examples = [
    { description: 'of the node with its data in ./lance-data', command: 'lance support-bundle' },
    {
      description: 'of a node that runs as a service',
      command: 'sudo lance support-bundle -c /etc/lance/lance.toml --output /tmp/bundle.tar.gz',
    },
  ];
  static override flags = {
    config: Flags.string({ char: 'c', description: 'configuration file', helpValue: 'FILE' }),
    'data-dir': Flags.string({ description: 'data directory of the node', helpValue: 'DIR' }),
    admin: Flags.string({ description: 'admin endpoint of the node', helpValue: 'HOST:PORT' }),
    output: Flags.string({
      char: 'o',
      description: 'file to write; lance-support-TIME.tar.gz unless told',
      helpValue: 'FILE',
    }),
    ...jsonFlag,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(SupportBundle);
    const examined = examineConfig({
      file: flags.config,
      flags: {
        'node.data_dir': { name: '--data-dir', value: flags['data-dir'] },
        'admin.bind': { name: '--admin', value: flags.admin },
      },
    });
    const dataDir = resolve(examined.config.node.dataDir);
    const time = new Date().toISOString().replace(/[:.]/g, '');
    const bundle = await writeBundle({
      output: flags.output ?? `lance-support-${time}.tar.gz`,
      dataDir,
      admin: flags.admin,
      examined,
      version: this.config.version,
      topology: () => localTopology(dataDir, flags.config),
    });
    for (const problem of bundle.problems) this.say(`Not in it: ${problem}`);
    if (flags.json) this.printJson(bundle);
    else
      this.print(
        `${bundle.path}: ${bundle.files.length} files, ${roundedSize(bundle.bytes)}; the node ${WORDS[bundle.node]}.`,
      );
  }
}

const WORDS = { running: 'runs', hangs: 'hangs', gone: 'is gone', unknown: 'left no counters' } as const;
