// Runs other programs for the benchmarks and reads their JSON.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { goOn, start } from './children.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** The load program (bench/load), built in release mode. */
export const LOAD = `${root}native/target/release/lance-load`;

/**
 * Runs a program to its end and gives its stdout; an exit code other than 0 is an error with its stderr. Of a script that is being
 * ended it never settles.
 */
export async function output(program, args, options = {}) {
  await goOn();
  const child = start(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const out = [];
  const err = [];
  child.stdout.on('data', (piece) => out.push(piece));
  child.stderr.on('data', (piece) => err.push(piece));
  const { status, error } = await new Promise((done) => {
    child.on('error', (error) => done({ error }));
    child.on('close', (code, signal) => done({ status: signal ?? code }));
  });
  await goOn();
  if (error) throw new Error(`${program} could not be started: ${error.message}`);
  if (status !== 0)
    throw new Error(`${program} ended with ${status}: ${Buffer.concat(err).toString().trim()}`);
  return { out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}

/** One scenario of the load program; its report. */
export async function load(scenario, flags) {
  if (!existsSync(LOAD)) {
    throw new Error(
      `${LOAD} is absent: run \`cargo build --release --manifest-path native/Cargo.toml -p lance-load\``,
    );
  }
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { out } = await output(LOAD, [scenario, ...words]);
  return JSON.parse(out);
}

/** The median of numbers; of an even count the lower middle one, which was measured. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}
