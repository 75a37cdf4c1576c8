// What the machine itself can do, by programs that are not ours: fio for the disk, iperf3 for the loopback.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { output } from './programs.mjs';

/** Ways to write a file durably, in sequence; the best of them is the floor. */
export const DURABLE_WAYS = [
  ['64k fdatasync', ['--bs=64k', '--fdatasync=1']],
  ['1m fdatasync', ['--bs=1m', '--fdatasync=1']],
  ['4m fdatasync', ['--bs=4m', '--fdatasync=1']],
  ['256k direct dsync', ['--bs=256k', '--direct=1', '--sync=dsync']],
  ['1m direct dsync', ['--bs=1m', '--direct=1', '--sync=dsync']],
  ['4m direct dsync', ['--bs=4m', '--direct=1', '--sync=dsync']],
];

async function fio(file, seconds, flags) {
  const fixed = ['--name=floor', `--filename=${file}`, '--rw=write', '--ioengine=psync', '--overwrite=1'];
  const timed = ['--time_based=1', `--runtime=${seconds}`, '--output-format=json'];
  const { out } = await output('fio', [...fixed, ...timed, ...flags]);
  // fio may write a warning before its document.
  return JSON.parse(out.slice(out.indexOf('{'))).jobs[0];
}

/** Durable bytes a second of one way. */
export async function durableBytes(file, seconds, flags) {
  const job = await fio(file, seconds, ['--size=512m', ...flags]);
  return job.write.bw_bytes;
}

/** Quantiles in ns of 4 KiB O_DIRECT writes with O_DSYNC over laid out blocks, one after the other. */
export async function dsync4k(file, seconds) {
  const job = await fio(file, seconds, ['--size=64m', '--bs=4k', '--direct=1', '--sync=dsync']);
  const at = job.write.clat_ns.percentile;
  return { p50: at['50.000000'], p99: at['99.000000'], p999: at['99.900000'] };
}

/** Bytes a second that one iperf3 stream moves through the loopback. */
export async function loopbackBytes(seconds, port) {
  const server = spawn('iperf3', ['-s', '-1', '-B', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const gone = new Promise((resolve) => server.on('close', resolve));
  try {
    await sleep(300);
    const client = ['-c', '127.0.0.1', '-p', String(port), '-t', String(seconds), '-J'];
    const { out } = await output('iperf3', client);
    return JSON.parse(out).end.sum_received.bits_per_second / 8;
  } finally {
    server.kill();
    await gone;
  }
}
