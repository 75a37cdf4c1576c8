import { checkMachine, type Examined, loadConfig } from '../config/index.js';
import { DISCARD_VARIABLE } from '../engine/index.js';
import { misconfigured } from './errors.js';
import { createLog } from './log.js';
import { LogFile } from './log-file.js';
import { releaseStartMemory } from './memory.js';
import { LanceNode } from './node.js';
import type { NodePlacement } from './placement.js';
import { notify } from './service-manager.js';
import { firstSignal, onHangup } from './signals.js';

/** The flags of `lance serve` as they were typed. */
export interface ServeFlags {
  config?: string | undefined;
  dataDir?: string | undefined;
  bind?: string | undefined;
  admin?: string | undefined;
  nodeId?: string | undefined;
  logLevel?: string | undefined;
  logFormat?: string | undefined;
}

/**
 * Runs a node until SIGTERM or SIGINT and drains it; true when the drain came to its end. `place` says what the node
 * is granted of this machine, `ready` is called once connections are accepted. Throws ConfigError, StartError and EngineError when it does not come so far.
 */
export async function serve(
  flags: ServeFlags,
  version: string,
  place: (examined: Examined) => NodePlacement,
  ready: (node: LanceNode) => void,
): Promise<boolean> {
  const signalled = firstSignal();
  const examined = loadConfig({ file: flags.config, flags: flagsByKey(flags) });
  await refuseWhatIsLacking(examined);
  const { config } = examined;
  const terminal = process.stderr.isTTY === true;
  const logFile = new LogFile();
  const log = createLog({
    file: logFile,
    level: config.log.level,
    format: isSet(examined, 'log.format') || terminal ? config.log.format : 'json',
    colour: terminal && !process.env.NO_COLOR,
  });
  onHangup(terminal, () => {
    logFile.reopen();
    log.info('SIGHUP: opened lance.log anew');
  });
  for (const note of examined.notActive) log.warn(note);
  const node = await LanceNode.start({
    config,
    nodeIdExplicit: isSet(examined, 'node.id'),
    minFreeDiskExplicit: isSet(examined, 'limits.min_free_disk'),
    placement: place(examined),
    version,
    log,
    logFile,
    discard: process.env[DISCARD_VARIABLE],
  });
  const { lwp, admin, backend, durability } = node.ready;
  log.info({ lwp, admin, backend, durability }, `ready: clients on ${lwp}, admin on http://${admin}`);
  notify('READY=1', `serving on ${lwp}`);
  ready(node);
  releaseStartMemory();
  const signal = await signalled;
  log.info(`${signal}: draining; a second signal leaves at once`);
  return node.drain();
}

/** What the configuration names must be there before a node starts; `lance config check` only warns of it. */
async function refuseWhatIsLacking({ config }: Examined): Promise<void> {
  // The data directory has errors of its own, with another exit code.
  const lacking = (await checkMachine(config)).find(({ key }) => key !== 'node.data_dir');
  if (lacking) throw misconfigured('MACHINE_LACKS', `${lacking.key}: ${lacking.message}`, lacking.hint);
}

function flagsByKey(flags: ServeFlags): Record<string, { name: string; value: string | undefined }> {
  return {
    'node.data_dir': { name: '--data-dir', value: flags.dataDir },
    'network.bind': { name: '--bind', value: flags.bind },
    'admin.bind': { name: '--admin', value: flags.admin },
    'node.id': { name: '--node-id', value: flags.nodeId },
    'log.level': { name: '--log-level', value: flags.logLevel },
    'log.format': { name: '--log-format', value: flags.logFormat },
  };
}

function isSet({ origins }: Examined, key: string): boolean {
  return (origins.get(key)?.kind ?? 'default') !== 'default';
}
