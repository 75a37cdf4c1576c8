// What the machine itself can do. Bandwidths and single writes by programs that are not ours, fio for the disk and iperf3 for the
// loopback; a schedule by the load program against its own bare pipeline (bench/README.md).
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { start } from './children.mjs';
import { LOAD, load, output } from './programs.mjs';

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

/**
 * Ack latencies in ns of a receiver without an engine, under the load program's own schedule: it receives, checksums, copies and
 * writes 16 KiB durably, one write at a time with all that is there. `dir` takes its file.
 */
export async function bareLatency(dir, flags) {
  const bytes = 64 << 20;
  // Written once beforehand, so that no measured write converts an extent.
  writeFileSync(join(dir, 'floor'), Buffer.alloc(bytes), { flush: true });
  const words = ['receive', '--mode', 'write', '--policy', '16384:1:each', '--dir', dir, '--events', '1'];
  const receiver = start(LOAD, [...words, '--file-bytes', String(bytes)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = new Promise((resolve) => receiver.on('close', resolve));
  try {
    const line = await new Promise((resolve) =>
      createInterface({ input: receiver.stdout }).once('line', resolve),
    );
    const { endpoint } = JSON.parse(line);
    return (await load('latency', { endpoint, 'topic-ids': '1', ...flags })).latency;
  } finally {
    receiver.stdin.end('stop\n');
    await gone;
  }
}

/** CPU seconds that the host of this virtual machine has kept from it so far (steal, proc(5)). */
export function stolenSeconds() {
  return Number(/^cpu +(?:\d+ +){7}(\d+)/.exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? 0) / 100;
}

/** Bytes a second that one iperf3 stream moves through the loopback. */
export async function loopbackBytes(seconds, port) {
  const server = start('iperf3', ['-s', '-1', '-B', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
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
