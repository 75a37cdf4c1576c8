import { open, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';

/** Files of an archive by name, as text. */
export type Files = ReadonlyMap<string, string>;

/**
 * Writes a tar.gz of `files` below `folder` that only its owner may read. Rejects with the system's error; EEXIST when
 * `path` is there already. Nothing is left of one that could not be finished.
 */
export async function writeArchive(path: string, folder: string, files: Files): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  const tar = pack();
  for (const [name, text] of files) tar.entry({ name: `${folder}/${name}`, mode: 0o600 }, text);
  tar.finalize();
  try {
    await pipeline(tar, createGzip(), file.createWriteStream());
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}
