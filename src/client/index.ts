/**
 * Client of a LANCE node for Node programs: `Admin` for topics and offsets, `Producer` to send records, `Consumer` to
 * read them. All of them speak LWP over one connection each.
 */
export { LanceError } from '../errors.js';
export { RecordType } from '../protocol/index.js';
export {
  Admin,
  type Durability,
  type Location,
  type Retention,
  type Topic,
  type TopicDescription,
  type TopicSettings,
} from './admin.js';
export { Connection } from './connection.js';
export { type ConsumedRecord, Consumer, type ConsumerOptions, type RecordBytes } from './consumer.js';
export {
  ConnectionLostError,
  LwpError,
  NotSentError,
  OutcomeUnknownError,
  RecordTooLargeError,
  RequestTimeoutError,
  UnreachableError,
} from './errors.js';
export { type ConnectionOptions, parseEndpoints, type TlsOptions } from './options.js';
export { Producer, type ProducerOptions, type ProducerRecord, type ProducerStats } from './producer.js';
export { parseStart, parseTime, type Start } from './start.js';
