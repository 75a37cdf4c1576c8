export { type Address, formatAddress, parseAddress } from './address.js';
export { didYouMean } from './did-you-mean.js';
export {
  ConfigError,
  describeOrigin,
  type Examined,
  examineConfig,
  loadConfig,
  type Origin,
  type Problem,
  type Sources,
} from './load.js';
export { checkMachine, type MachineFinding } from './machine.js';
export { formatDuration, formatSize, parseDuration, parseSize, roundedSize } from './quantity.js';
export type { LanceConfig } from './schema.js';
export { exampleToml, type InForce, inForce, writeExample } from './write.js';
