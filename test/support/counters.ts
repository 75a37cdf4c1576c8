/** One value of a hand-made counters file. */
export interface MadeValue {
  key: number;
  kind: 1 | 2 | 3;
  unit: 0 | 1 | 2;
  name: string;
  label?: string;
  help?: string;
  /** Of a counter or gauge. */
  value?: bigint;
  /** Of a histogram: values counted. */
  counted?: readonly number[];
}

const SUB_BITS = 7;
const VALUE_BITS = 36;
const BUCKETS = (VALUE_BITS - SUB_BITS + 1) * 2 ** SUB_BITS;

/** Lays a counters file out by hand from docs/formats.md, without any of the code under test. */
export function makeCounters(
  values: readonly MadeValue[],
  header: { pid?: number; startNs?: bigint; heartbeatNs?: bigint; version?: number } = {},
): Buffer {
  const valuesAt = 4096 + values.length * 256;
  const sizes = values.map(({ kind }) => (kind === 3 ? 64 + BUCKETS * 8 : 64));
  const file = Buffer.alloc(valuesAt + sizes.reduce((a, b) => a + b, 0));
  file.write('LNCF');
  file.writeUInt32LE(header.version ?? 1, 4);
  file.writeUInt32LE(header.pid ?? 7, 8);
  file.writeUInt32LE(256, 12);
  file.writeBigUInt64LE(header.startNs ?? 1_700_000_000_000_000_000n, 16);
  file.writeBigUInt64LE(4096n, 24);
  file.writeBigUInt64LE(BigInt(valuesAt), 32);
  file.writeBigUInt64LE(BigInt(file.length), 40);
  file.writeUInt32LE(values.length, 48);
  file.writeUInt32LE(values.length, 64);
  file.writeBigUInt64LE(BigInt(file.length), 72);
  file.writeBigUInt64LE(header.heartbeatNs ?? 1_700_000_001_000_000_000n, 128);
  let valueAt = valuesAt;
  for (const [
    i,
    { key, kind, unit, name, label = '', help = '', value = 0n, counted = [] },
  ] of values.entries()) {
    const at = 4096 + i * 256;
    file.writeUInt32LE(key, at);
    file.set([kind, unit, ...(kind === 3 ? [SUB_BITS, VALUE_BITS] : [])], at + 4);
    file.writeBigUInt64LE(BigInt(valueAt), at + 8);
    file.writeUInt32LE(sizes[i] ?? 0, at + 16);
    file.set([name.length, label.length, help.length], at + 20);
    file.write(name, at + 32);
    file.write(label, at + 80);
    file.write(help, at + 160);
    if (kind !== 3) file.writeBigUInt64LE(value, valueAt);
    else writeHistogram(file, valueAt, counted);
    valueAt += sizes[i] ?? 0;
  }
  return file;
}

function writeHistogram(file: Buffer, at: number, counted: readonly number[]): void {
  const put = (where: number, value: number) => file.writeBigUInt64LE(BigInt(value), at + where);
  if (counted.length === 0) return;
  put(0, counted.length);
  put(
    8,
    counted.reduce((a, b) => a + b, 0),
  );
  put(16, Math.min(...counted));
  put(24, Math.max(...counted));
  for (const value of counted) {
    const shift = value < 256 ? 0 : Math.floor(Math.log2(value)) - SUB_BITS;
    const bucket = value < 256 ? value : shift * 128 + Math.floor(value / 2 ** shift);
    const cell = at + 64 + bucket * 8;
    file.writeBigUInt64LE(file.readBigUInt64LE(cell) + 1n, cell);
  }
}
