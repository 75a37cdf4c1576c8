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
  const name = list(FOLDER).find((file) => file.startsWith(prefix) && file.endsWith('.node'));
  if (!name) {
    throw new EngineError(`The engine is not built: there is no ${prefix}*.node in ${FOLDER}.`, {
      code: 'ENGINE_ABSENT',
      hint: 'Run `npm start` or `npm run build`; both build it (with Rust and a C compiler).',
    });
  }
  try {
    return createRequire(import.meta.url)(join(FOLDER, name)) as Addon;
  } catch (error) {
    throw new EngineError(`The engine ${name} cannot be loaded: ${reason(error)}.`, {
      code: 'ENGINE_UNUSABLE',
      hint: 'It was built for another system or library: run `npm run build` here.',
      cause: error,
    });
  }
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
