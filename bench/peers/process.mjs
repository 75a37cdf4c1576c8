// A peer's server as a process: started, waited for, looked at through /proc, and ended by its own id alone.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { goOn, isInterrupted, start } from '../children.mjs';

/** Clock ticks a second in /proc. */
const TICKS = 100;
const READY_MS = 60_000;
const STOP_MS = 15_000;

/** A port of the loopback that is free now. */
export function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Starts a server and waits until its output matches `ready`, where it says so at all; `said` is what it printed. `stop` ends it: asked first, killed after 15 s. */
export async function startServer(program, args, { ready, cwd, env }) {
  await goOn();
  const child = start(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const ended = new Promise((done) => child.once('close', (code, signal) => done(signal ?? code)));
  child.once('error', (error) => {
    said += error.message;
  });
  await new Promise((done, fail) => {
    const late = setTimeout(
      () => fail(new Error(`${program} was not ready in time: ${said.slice(-2_000)}`)),
      READY_MS,
    );
    const look = (piece) => {
      said = (said + piece).slice(-20_000);
      if (!ready?.test(said)) return;
      clearTimeout(late);
      done();
    };
    if (!ready) done();
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    void ended.then((status) => {
      clearTimeout(late);
      if (isInterrupted()) return;
      fail(new Error(`${program} ended with ${status}: ${said.slice(-2_000)}`));
    });
  });
  return {
    pid: child.pid,
    said: () => said,
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(late);
      await goOn();
    },
  };
}

/** User and system CPU seconds that a process and the children it has waited for have used (proc(5)). */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
}

/** CPU seconds that the whole machine has spent in soft interrupts: the kernel's network work that no process is charged for. */
export function softirqSeconds() {
  const fields = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'latin1'))[1].split(' ');
  return Number(fields[6]) / TICKS;
}
