// What the guest's tests share: a line a check, the count of them, and the `lance` commands to be checked.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const entry = pathToFileURL('/opt/lance/bin/run.js').href;
const { run } = await import('/opt/lance/node_modules/@oclif/core/lib/index.js');
const { report } = await import('/opt/lance/dist/cli/report.js');
process.setMaxListeners(0); // each run of a command listens for signals

export const counts = { passed: 0, failed: 0 };

export const say = (text) => process.stdout.write(`${text}\n`);

/** A heading with the seconds since the kernel started: on an emulated processor, where the time goes is worth knowing. */
export function part(title) {
  say(`\n== ${title} (${Math.round(Number(text('/proc/uptime').split(' ')[0]))} s)`);
}

export function check(sentence, is, wanted) {
  const same = JSON.stringify(is) === JSON.stringify(wanted);
  if (same) counts.passed += 1;
  else counts.failed += 1;
  say(
    same
      ? `ok     ${sentence}`
      : `NOT OK ${sentence}: is ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`,
  );
}

export const text = (path) => readFileSync(path, 'latin1');

/** A command in a process of its own, as an operator runs it; it takes a while on an emulated processor. */
export function lanceProcess(...args) {
  const ended = spawnSync('node', ['/opt/lance/bin/run.js', ...args], { encoding: 'utf8', cwd: '/' });
  if (ended.status === null) say(`       ended by ${ended.signal ?? ended.error?.stack}`);
  return { code: ended.status, stdout: ended.stdout + ended.stderr };
}

/** A command in this process, with its own parsing, output and exit code. */
export async function lance(...argv) {
  const write = process.stdout.write.bind(process.stdout);
  let stdout = '';
  process.stdout.write = (chunk, encoding, done) => {
    stdout += chunk;
    (typeof encoding === 'function' ? encoding : done)?.();
    return true;
  };
  let code = 0;
  try {
    await run(argv, entry);
  } catch (error) {
    code = report(error, argv);
  } finally {
    process.stdout.write = write;
  }
  const documents = () =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  return { code, stdout, json: argv.includes('--json') ? documents()[0] : undefined, documents };
}
