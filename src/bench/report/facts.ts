import type { BenchResult } from '../result.js';
import { size } from '../units.js';

/** A name and what it is, as people read it. */
type Fact = [string, string];

/** What the machine is. */
export function machineFacts(machine: BenchResult['machine']): Fact[] {
  const { cpu, cpus, memoryBytes, kernel, fileSystem, device, node, lance, commit, loadAverage } = machine;
  return [
    ['CPU', cpu],
    ['CPUs', String(cpus)],
    ['memory', `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    ['kernel', kernel],
    ['file system', fileSystem],
    ...(device === null ? [] : ([['device', device]] as Fact[])),
    ['Node.js', node],
    ['LANCE', commit === null ? lance : `${lance}, commit ${commit}`],
    [
      'load average',
      `${loadAverage.map((load) => load.toFixed(2)).join(', ')} (of 1, 5 and 15 minutes, at the start)`,
    ],
  ];
}

const seconds = (value: unknown): string => `${String(value)} s`;
const bytes = (value: unknown): string => size(Number(value));

/** Settings whose number says too little by itself; the others are shown by the words of their names. */
const SETTINGS: Readonly<Record<string, readonly [name: string, show: (value: unknown) => string]>> = {
  seconds: ['measured time', seconds],
  warmupSeconds: ['warm-up', seconds],
  rate: [
    'rate',
    (value) =>
      value === 'max'
        ? 'max: as fast as acknowledgements come'
        : `${Number(value).toLocaleString('en-US')} records/s`,
  ],
  recordSize: ['record size', bytes],
  batchBytes: ['batch size', (value) => (value === 1 ? 'a record a batch' : bytes(value))],
  inFlight: ['in flight', (value) => `${String(value)} frames a connection, at rate max`],
  logBytes: ['log size', bytes],
  dataDir: ['data directory', String],
};

/** What the bench ran with. */
export function configFacts(config: BenchResult['config']): Fact[] {
  return Object.entries(config)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([key, value]) => {
      const known = SETTINGS[key];
      return known ? [known[0], known[1](value)] : [words(key), shown(value)];
    });
}

/** `configFile`: `config file`. */
function words(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ');
  if (value === true) return 'yes';
  return typeof value === 'number' ? value.toLocaleString('en-US') : String(value);
}

/** How a floor was written, `4194304:2:33554432`: `4 MiB blocks, 2 under way, flushed every 32 MiB`. */
export function policyWords(policy: string): string {
  const [block, depth, flush] = policy.split(':');
  if (block === undefined || depth === undefined || flush === undefined) return policy;
  const flushed = { never: 'never flushed', each: 'each flushed' }[flush] ?? `flushed every ${bytes(flush)}`;
  return `${bytes(block)} blocks, ${depth} under way, ${flushed}`;
}
