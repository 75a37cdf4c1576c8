import { loadConfig, parseAddress } from '../config/index.js';
import { ExitCode, LanceError } from '../errors.js';
import { AdminEndpoint, DataDirectorySource, isDataDirectory, type Source } from '../sampling/index.js';

const DEFAULT_ADMIN = '127.0.0.1:1993';

/** Which nodes `lance top` looks at. */
export interface TopTargets {
  /** `H:P[,H:P...]`. */
  readonly admin?: string | undefined;
  readonly 'data-dir'?: string | undefined;
}

/**
 * The nodes that the flags name. Without flags: the data directory of the configuration, if a node lives there, else the
 * admin endpoint on this machine. Throws LanceError, exit code 2, for an address or a directory that is none.
 */
export async function topSources(targets: TopTargets): Promise<Source[]> {
  const dataDir = targets['data-dir'];
  if (dataDir !== undefined) return [await DataDirectorySource.open(dataDir)];
  if (targets.admin !== undefined)
    return addresses(targets.admin).map((address) => new AdminEndpoint(address));
  const configured = configuredDataDir();
  if (configured !== undefined && (await isDataDirectory(configured))) {
    return [await DataDirectorySource.open(configured)];
  }
  return [new AdminEndpoint(DEFAULT_ADMIN)];
}

function addresses(text: string): string[] {
  const all = text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
  for (const one of all.length > 0 ? all : [text]) {
    const address = parseAddress(one);
    const problem =
      typeof address === 'string' ? address : address.port === 0 ? 'port 0 is no node' : undefined;
    if (problem === undefined) continue;
    throw new LanceError(`--admin "${one}": ${problem}.`, {
      code: 'USAGE',
      hint: 'Write --admin 127.0.0.1:1993, with commas between several nodes.',
      exitCode: ExitCode.usage,
    });
  }
  return [...new Set(all)];
}

/** A broken configuration file must not keep anybody from looking at a node. */
function configuredDataDir(): string | undefined {
  try {
    return loadConfig({}).config.node.dataDir;
  } catch {
    return undefined;
  }
}
