import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LwpError } from '../../src/server/lwp-error.js';
import { refusal } from '../support/fake-engine.js';
import { openCatalogue, openDirectory, temporaryFolder } from './support.js';

const lwpCode = async (work: Promise<unknown> | (() => unknown)): Promise<number | undefined> => {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (error instanceof LwpError) return error.lwpCode;
    throw error;
  }
  return undefined;
};

const metadataOf = (path: string, name: string): unknown =>
  JSON.parse(readFileSync(join(path, 'segments', name, 'metadata.json'), 'utf8'));

describe('the topic catalogue', () => {
  it('has a created topic on disk before the engine serves it', async () => {
    const { catalogue, engine, path } = await openCatalogue();
    let onDisk: unknown;
    engine.before = (call) => {
      if (call.startsWith('addTopic')) onDisk = metadataOf(path, 'my-events');
    };
    const topic = await catalogue.create('my-events', { maxAgeSecs: 60n, maxBytes: 2n ** 63n });
    expect(topic).toMatchObject({ id: 1, name: 'my-events', createdAt: 1_700_000_000, epoch: 1 });
    expect(onDisk).toMatchObject({
      format: 1,
      id: 1,
      name: 'my-events',
      created_at: 1_700_000_000,
      topic_epoch: 1,
    });
    expect(onDisk).toMatchObject({ durability: 'durable', retention: { max_age_secs: 60 } });
    const text = readFileSync(join(path, 'segments/my-events/metadata.json'), 'utf8');
    expect(text).toContain('"max_bytes":9223372036854775808');
    expect(readdirSync(join(path, 'segments')).sort()).toEqual(['default', 'my-events']);
  });

  it('gives ids without gaps and never one twice, also after a deletion and a restart', async () => {
    const { catalogue, path } = await openCatalogue();
    expect((await catalogue.create('a')).id).toBe(1);
    expect((await catalogue.create('b')).id).toBe(2);
    await catalogue.delete(2);
    expect((await catalogue.create('b')).id).toBe(3);
    const again = await openCatalogue(path);
    expect((await again.catalogue.create('c')).id).toBe(4);
  });

  it('has the next id on disk before the topic', async () => {
    const { catalogue, engine, path } = await openCatalogue();
    let next: unknown;
    engine.before = () => {
      next = JSON.parse(readFileSync(join(path, 'node.json'), 'utf8')).nextTopicId;
    };
    await catalogue.create('a');
    expect(next).toBe(2);
  });

  it('takes the id of a topic found on disk as given, where a crash kept the next one from node.json', async () => {
    const { directory, catalogue } = await openCatalogue();
    await directory.reserveTopicIds([0, 6]);
    expect((await catalogue.create('a')).id).toBe(7);
    await directory.reserveTopicIds([0, 3]);
    expect((await catalogue.create('b')).id).toBe(8);
  });

  it('tells a deleted topic from one that never was', async () => {
    const { catalogue } = await openCatalogue();
    await catalogue.create('a');
    await catalogue.delete(1);
    expect(await lwpCode(() => catalogue.get(1))).toBe(0x13);
    expect(await lwpCode(() => catalogue.get(2))).toBe(0x10);
    expect(await lwpCode(catalogue.delete(1))).toBe(0x13);
    expect(await lwpCode(catalogue.setRetention(9, 1n, 1n))).toBe(0x10);
  });

  it('refuses names that are no names, and writes nothing for them', async () => {
    const { catalogue, path, engine } = await openCatalogue();
    for (const name of ['', '.', '..', 'a/b', '../x', 'a b', 'ü', 'a~b', 'a\0', 'x'.repeat(250)]) {
      expect(await lwpCode(catalogue.create(name)), JSON.stringify(name)).toBe(0x12);
    }
    expect(readdirSync(join(path, 'segments'))).toEqual(['default']);
    expect(engine.calls).toEqual([]);
    expect(await lwpCode(catalogue.create('x'.repeat(249)))).toBeUndefined();
    expect(await lwpCode(catalogue.create('...'))).toBeUndefined();
  });

  it('refuses a name that is taken, also when both are asked for at once', async () => {
    const { catalogue } = await openCatalogue();
    const codes = await Promise.all([lwpCode(catalogue.create('a')), lwpCode(catalogue.create('a'))]);
    expect(codes).toEqual([undefined, 0x11]);
    expect(await lwpCode(catalogue.create('default'))).toBe(0x11);
  });

  it('keeps default', async () => {
    const { catalogue } = await openCatalogue();
    expect(await lwpCode(catalogue.delete(0))).toBe(0x42);
    expect(catalogue.get(0).name).toBe('default');
  });

  it('stops at limits.topics', async () => {
    const { catalogue } = await openCatalogue(undefined, 2);
    await catalogue.create('a');
    expect(await lwpCode(catalogue.create('b'))).toBe(0x61);
    await catalogue.delete(1);
    expect(await lwpCode(catalogue.create('b'))).toBeUndefined();
  });

  it('takes a topic back that the engine does not take over', async () => {
    const { catalogue, engine, path } = await openCatalogue();
    engine.before = () => {
      throw refusal(0x61, 'DiskFull');
    };
    await expect(catalogue.create('a')).rejects.toThrow('The disk is full');
    expect(existsSync(join(path, 'segments/a'))).toBe(false);
    expect(catalogue.find('a')).toBeUndefined();
  });

  it('makes retention, durability and resume durable', async () => {
    const { catalogue, path } = await openCatalogue();
    await catalogue.create('a');
    await catalogue.setRetention(1, 3600n, 0n);
    await catalogue.setDurability(1, 'written');
    const key = `${'0'.repeat(15)}a${'0'.repeat(15)}1`;
    await catalogue.setResume(1, { offset: 100n, record: 7n, key, chain: 0xffffffff });
    expect(metadataOf(path, 'a')).toMatchObject({
      retention: { max_age_secs: 3600, max_bytes: 0 },
      durability: 'written',
      resume: { offset: 100, record: 7, key, chain: 0xffffffff },
    });
    await catalogue.setRetention(1, 0n, 0n);
    expect(metadataOf(path, 'a')).not.toHaveProperty('retention');
    expect(catalogue.get(1).retention).toBeUndefined();
  });
});

describe('the data directory', () => {
  it('is made with default, and opened again as it is', async () => {
    const path = join(temporaryFolder(), 'deep/down');
    const first = await openDirectory(path);
    expect(metadataOf(path, 'default')).toMatchObject({ id: 0, name: 'default' });
    expect(first.node).toMatchObject({ format: 1, nodeId: 1, nextTopicId: 1 });
    const again = await openDirectory(path);
    expect(again.node).toEqual(first.node);
  });

  it('forgets topics whose creation was cut short', async () => {
    const { path } = await openCatalogue();
    mkdirSync(join(path, 'segments/half~new'));
    await openDirectory(path);
    expect(readdirSync(join(path, 'segments'))).toEqual(['default']);
  });

  it('in use is refused with the process that holds it', async () => {
    const { DataDirectory } = await import('../../src/server/data-directory.js');
    const lock = () => ({ kind: 'held', pid: 4711 }) as const;
    const nodeId = { nodeId: 1, explicit: false };
    await expect(
      DataDirectory.open({ path: temporaryFolder(), nodeId, durability: 'durable', lock }),
    ).rejects.toMatchObject({
      code: 'DATA_DIR_IN_USE',
      exitCode: 1,
      message: expect.stringContaining('process 4711'),
    });
  });

  it('that cannot be written is refused with what to do', async () => {
    const { DataDirectory } = await import('../../src/server/data-directory.js');
    const lock = () => ({ kind: 'failed', message: 'Read-only file system (os error 30)' }) as const;
    const nodeId = { nodeId: 1, explicit: false };
    await expect(
      DataDirectory.open({ path: temporaryFolder(), nodeId, durability: 'durable', lock }),
    ).rejects.toMatchObject({ code: 'DATA_DIR_UNUSABLE', hint: expect.stringContaining('write access') });
  });

  it('keeps its node id: another one is a wrong configuration, none is taken from it', async () => {
    const path = temporaryFolder();
    await openDirectory(path, { nodeId: 7, explicit: true });
    await expect(openDirectory(path, { nodeId: 8, explicit: true })).rejects.toMatchObject({
      code: 'NODE_ID_DIFFERS',
      exitCode: 2,
    });
    expect((await openDirectory(path, { nodeId: 1, explicit: false })).node.nodeId).toBe(7);
  });

  it('of a newer format, with a damaged node.json, or where a file stands is refused clearly', async () => {
    const { writeFileSync } = await import('node:fs');
    const path = temporaryFolder();
    await openDirectory(path);
    const write = (text: string) => writeFileSync(join(path, 'node.json'), text);
    write('{"format":2}');
    await expect(openDirectory(path)).rejects.toMatchObject({ code: 'NEWER_FORMAT' });
    write('{"format":1,"nodeId":');
    await expect(openDirectory(path)).rejects.toMatchObject({ code: 'NODE_FILE_DAMAGED' });
    write('{"format":1,"nodeId":1,"clusterId":"c","nextTopicId":-4,"counters":"x"}');
    await expect(openDirectory(path)).rejects.toThrow('nextTopicId');
    const file = join(path, 'file');
    writeFileSync(file, '');
    await expect(openDirectory(file)).rejects.toMatchObject({ code: 'DATA_DIR_UNUSABLE', exitCode: 1 });
  });
});
