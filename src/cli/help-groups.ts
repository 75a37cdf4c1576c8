/** Commands that belong together in `lance --help`, in the order in which a newcomer needs them. */
export interface HelpGroup {
  title: string;
  /** Ids of commands, `topic:create`. */
  commands: readonly string[];
}

/** Every command in one group, but for topics with many commands, which stand as one line (`bench`). */
export const HELP_GROUPS: readonly HelpGroup[] = [
  { title: 'RUN A NODE', commands: ['serve', 'config:init', 'config:check', 'config:show'] },
  {
    title: 'RECORDS',
    commands: [
      'topic:create',
      'topic:list',
      'topic:describe',
      'topic:set',
      'topic:delete',
      'produce',
      'consume',
      'consumer:list',
      'consumer:lag',
    ],
  },
  { title: 'WATCH IT, AND FIND OUT WHY', commands: ['top', 'support-bundle'] },
  {
    title: 'LOOK INTO ITS FILES',
    commands: ['segment:inspect', 'segment:verify', 'segment:repair', 'segment:export'],
  },
  { title: 'THIS MACHINE', commands: ['topology', 'bench'] },
  { title: 'THIS COMMAND LINE', commands: ['help', 'autocomplete'] },
];

/** The way from nothing to records, for the top of the page; each line runs behind the one before. */
export const START_HERE: readonly { command: string; description: string }[] = [
  { command: 'lance serve', description: 'a node on 127.0.0.1:1992, its data in ./lance-data' },
  {
    command: "echo 'hello' | lance produce events --create",
    description: 'in another terminal: a topic, and a record',
  },
  { command: 'lance consume events', description: 'read it back' },
  { command: 'lance top', description: 'watch the node' },
];

/** What holds for every command. */
export const EVERY_COMMAND: readonly (readonly [string, string])[] = [
  ['lance COMMAND --help', 'examples that work, then every flag'],
  ['--json', 'one document a line on stdout, messages on stderr'],
  ['--endpoint H:P', 'the node to talk to (LANCE_ENDPOINT; 127.0.0.1:1992)'],
  ['exit codes', '0 done, 1 failed, 2 wrong usage or input, 3 a check found something, 130 interrupted'],
];
