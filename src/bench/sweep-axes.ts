import { parseSize, roundedSize } from '../config/index.js';
import { ExitCode, LanceError } from '../errors.js';
import type { BenchOptions } from './options.js';
import { size } from './units.js';

const KiB = 2 ** 10;
const MiB = 2 ** 20;
const GiB = 2 ** 30;

/** What a sweep can change, one at a time. */
export type AxisName = 'topics' | 'connections' | 'recordSize' | 'batchBytes' | 'logSize';

/** One of the things that a sweep changes. */
interface Axis {
  /** As flags name it. */
  flag: string;
  /** What is measured unless told. */
  values: readonly number[];
  most: number;
  least: number;
  size: boolean;
  /** The options of a point; undefined where it is no option of the load. */
  option?: 'topics' | 'connections' | 'recordSize' | 'batchBytes';
}

/** The axes of `lance bench sweep`, in the order they are walked. */
export const AXES: Readonly<Record<AxisName, Axis>> = {
  topics: {
    flag: 'topics',
    values: [1, 10, 100, 1_000],
    least: 1,
    most: 10_000,
    size: false,
    option: 'topics',
  },
  connections: {
    flag: 'connections',
    values: [1, 4, 16, 64, 256, 1_000],
    least: 1,
    most: 60_000,
    size: false,
    option: 'connections',
  },
  recordSize: {
    flag: 'record-size',
    values: [64, 256, KiB, 4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB],
    least: 1,
    most: 16 * MiB - 8 * KiB,
    size: true,
    option: 'recordSize',
  },
  batchBytes: {
    flag: 'batch-bytes',
    values: [1, 4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB],
    least: 1,
    most: 16 * MiB - 8 * KiB,
    size: true,
    option: 'batchBytes',
  },
  logSize: {
    flag: 'log-size',
    values: [0, 256 * MiB, GiB, 4 * GiB],
    least: 0,
    most: 2 ** 50,
    size: true,
  },
};

/** An axis and the points that are measured on it. */
export interface Walk {
  axis: AxisName;
  values: readonly number[];
}

/** All axes with the values they have unless told. */
export const ALL_WALKS: readonly Walk[] = (Object.keys(AXES) as AxisName[]).map((axis) => ({
  axis,
  values: AXES[axis].values,
}));

/** Reads `topics`, or `record-size=64,1KiB,1MiB`. Throws LanceError, exit code 2. */
export function parseWalk(text: string): Walk {
  const [name = '', list] = text.split('=', 2);
  const found = (Object.entries(AXES) as [AxisName, Axis][]).find(([, { flag }]) => flag === name);
  if (!found) {
    const known = Object.values(AXES).map(({ flag }) => flag);
    throw usage(
      `--axis "${name}" is none of ${known.join(', ')}.`,
      'For example --axis topics or --axis record-size=64,1KiB,1MiB.',
    );
  }
  const [axis, { values, size, least, most }] = found;
  if (list === undefined) return { axis, values };
  const given = list.split(',').map((word) => {
    const value = size ? parseSize(word) : /^\d+$/.test(word) ? Number(word) : undefined;
    if (value !== undefined && value >= least && value <= most) return value;
    const limit = size ? roundedSize(most) : most.toLocaleString('en-US');
    throw usage(
      `--axis ${name}: "${word}" is no ${size ? 'size' : 'number'} from ${least} to ${limit}.`,
      `For example --axis ${name}=${values.slice(0, 3).join(',')}.`,
    );
  });
  return { axis, values: [...new Set(given)].sort((a, b) => a - b) };
}

function usage(message: string, hint: string): LanceError {
  return new LanceError(message, { code: 'USAGE', hint, exitCode: ExitCode.usage });
}

/** The options of one point. */
export function optionsAt(options: BenchOptions, axis: AxisName, value: number): BenchOptions {
  const { option } = AXES[axis];
  return option ? { ...options, [option]: value } : options;
}

/** A value as people read it: `1,000`, `64 KiB`, `a record a frame`. */
export function showValue(axis: AxisName, value: number): string {
  if (!AXES[axis].size) return value.toLocaleString('en-US');
  if (axis === 'logSize' && value === 0) return 'empty';
  return size(value);
}

/** An axis as a heading. */
export function axisTitle(axis: AxisName): string {
  return AXES[axis].flag.replace('-', ' ').replace(/^./, (first) => first.toUpperCase());
}
