import {
  Admin,
  Connection,
  type ConnectionOptions,
  LwpError,
  Producer,
  type ProducerOptions,
} from '../client/index.js';
import { roundedSize } from '../config/index.js';
import { LanceError } from '../errors.js';
import { feed, openInput, type ProduceFormat } from './produce-input.js';

/** What `lance produce` was asked to do. */
export interface ProduceRequest extends ProducerOptions {
  topic: string;
  file: string | undefined;
  format: ProduceFormat;
  key: string | undefined;
  create: boolean;
}

/** What it did (cli.md, JSON of `lance produce`). Records and bytes are those of the input; acked and unknown are records. */
export interface ProduceResult {
  records: number;
  bytes: number;
  batches: number;
  acked: number;
  unknown: number;
  seconds: number;
}

/** Sends a whole input and waits for every acknowledgement. A LanceError it throws carries the ProduceResult as `data`. */
export async function produce(
  request: ProduceRequest,
  onProgress: (result: ProduceResult) => void,
): Promise<ProduceResult> {
  const input = await openInput(request.file);
  if (request.create) await createIfAbsent(request, request.topic);
  const producer = await Producer.open(request);
  const started = performance.now();
  const result = (): ProduceResult => ({
    ...producer.stats,
    seconds: Math.round(performance.now() - started) / 1000,
  });
  const progress = setInterval(() => onProgress(result()), 250);
  try {
    try {
      await feed(input, producer, request.format, request.key);
    } catch (error) {
      // What was read before the input failed is sent all the same; the first error is the one to report.
      await producer.flush().catch(() => {});
      throw error;
    }
    await producer.close();
    return result();
  } catch (error) {
    if (error instanceof LanceError) error.data = { ...result() };
    throw error;
  } finally {
    clearInterval(progress);
    await producer.close().catch(() => {});
    input.destroy();
  }
}

/** One sentence for people. */
export function describeProduced({
  records,
  bytes,
  batches,
  acked,
  unknown,
  seconds,
}: ProduceResult): string {
  const sent = `${counted(records, 'record')} (${roundedSize(bytes)}) in ${counted(batches, 'batch', 'batches')}`;
  if (acked === records) return `Sent ${sent}, all acknowledged, in ${seconds} s.`;
  return `Of ${sent}, ${acked} are acknowledged, ${unknown} have an unknown outcome, ${records - acked - unknown} are not stored.`;
}

function counted(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

async function createIfAbsent(options: ConnectionOptions, name: string): Promise<void> {
  const connection = await Connection.open(options);
  try {
    await new Admin(connection).createTopic(name);
  } catch (error) {
    if (!(error instanceof LwpError && error.code === 'TOPIC_EXISTS')) throw error;
  } finally {
    connection.close();
  }
}
