import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Native from '../../native/addon/engine.js';
import { EngineError } from './errors.js';

/** What the addon exports (native/addon/src, typed by the generated engine.d.ts). */
export type Addon = typeof Native;

const FOLDER = fileURLToPath(new URL('../../native/addon', import.meta.url));

let loaded: Addon | undefined;

/** The addon, loaded on first use. Throws EngineError `ENGINE_ABSENT` when it was not built for this machine. */
export function addon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  const prefix = `lance.${process.platform}-${process.arch}`;
  const names = list(FOLDER).filter((file) => file.startsWith(prefix) && file.endsWith('.node'));
  let failure: unknown;
  // A package may carry one for another C library beside the one that was built here.
  for (const name of names) {
    try {
      return createRequire(import.meta.url)(join(FOLDER, name)) as Addon;
    } catch (error) {
      failure ??= error;
    }
  }
  // npm may leave install scripts out, so the hint names the script itself.
  const script = fileURLToPath(new URL('../../scripts/install-addon.mjs', import.meta.url));
  const toBuild = `With Rust and a C compiler, \`npm run build\` builds it in a checkout, and \`node ${script}\` in an installed package.`;
  if (names.length === 0) {
    throw new EngineError(`The engine is not built: there is no ${prefix}*.node in ${FOLDER}.`, {
      code: 'ENGINE_ABSENT',
      hint: toBuild,
    });
  }
  throw new EngineError(`The engine ${names.join(', ')} cannot be loaded: ${reason(failure)}.`, {
    code: 'ENGINE_UNUSABLE',
    hint: `It was built for another system or library. ${toBuild}`,
    cause: failure,
  });
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
}
