// Runs other programs for the benchmarks and reads their JSON.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** The load program (bench/load), built in release mode. */
export const LOAD = `${root}native/target/release/lance-load`;

/** What runs now: none of it may outlive a script that is ended. */
const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill();
});

/** Runs a program to its end and gives its stdout; an exit code other than 0 is an error with its stderr. */
export function output(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const out = [];
    const err = [];
    child.stdout.on('data', (piece) => out.push(piece));
    child.stderr.on('data', (piece) => err.push(piece));
    child.on('error', (error) => reject(new Error(`${program} could not be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve({ out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() });
      else
        reject(new Error(`${program} ended with ${signal ?? code}: ${Buffer.concat(err).toString().trim()}`));
    });
  });
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
