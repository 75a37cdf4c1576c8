import { type LogFile, openLogFile } from '../engine/index.js';
import { unreadable } from './errors.js';

/** Opens a file, runs `look` on it and closes it. Throws SegmentError where the system refuses the file. */
export async function withFile<T>(path: string, look: (file: LogFile) => Promise<T>): Promise<T> {
  const file = openLogFile(path);
  if ('message' in file) throw unreadable(path, file);
  try {
    return await look(file);
  } finally {
    file.close();
  }
}
