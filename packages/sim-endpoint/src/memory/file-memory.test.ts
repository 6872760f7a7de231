import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteRegion } from '@oxmem/tloe-protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileMemory, FileMemoryError } from './file-memory.ts';

let folder = '';
let path = '';
const opened: FileMemory[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sim-endpoint-'));
  path = join(folder, 'backing');
});

afterEach(() => {
  for (const memory of opened.splice(0)) memory.close();
  rmSync(folder, { recursive: true });
});

function open(sizeBytes: number, name = path): FileMemory {
  const memory = FileMemory.open(name, sizeBytes);
  opened.push(memory);
  return memory;
}

function thrownBy(action: () => unknown): FileMemoryError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(FileMemoryError);
    return error as FileMemoryError;
  }
  throw new Error('nothing was thrown');
}

describe('FileMemory', () => {
  it('creates a sparse file of the size of the memory', () => {
    open(2 ** 33);
    expect(statSync(path).size).toBe(2 ** 33);
    expect(statSync(path).blocks).toBeLessThan(64);
  });

  it('keeps every byte at its place in the file', () => {
    const memory = open(100);
    memory.write(97, 3, new ByteRegion(Uint8Array.of(9, 1, 2, 3)), 1);
    memory.close();
    expect([...readFileSync(path).subarray(96)]).toEqual([0, 1, 2, 3]);
  });

  it('serves what the file holds already', () => {
    writeFileSync(path, Uint8Array.of(5, 6, 7, 8));
    const target = ByteRegion.allocate(4);
    open(4).read(1, 3, target, 1);
    expect([...target.bytes]).toEqual([0, 6, 7, 8]);
  });

  it('gives an empty file its size', () => {
    writeFileSync(path, '');
    open(64);
    expect(statSync(path).size).toBe(64);
  });

  it('refuses a file of another size in a sentence that names both', () => {
    writeFileSync(path, 'hello');
    const error = thrownBy(() => open(64));
    expect(error.code).toBe('ERR_FILE_MEMORY_SIZE');
    expect(error.message).toBe(
      `The backing file "${path}" has 5 bytes and the memory 64: give the file's size, or name ` +
        'another file.',
    );
    expect(readFileSync(path, 'utf8')).toBe('hello');
  });

  it('says why a file cannot be opened', () => {
    const error = thrownBy(() => open(64, join(folder, 'missing', 'file')));
    expect(error.code).toBe('ERR_FILE_MEMORY_OPEN');
    expect(error.message).toContain('no such file or directory; name a file');
    expect(thrownBy(() => open(64, folder)).message).toContain('illegal operation on a directory');
    expect(thrownBy(() => open(64, '/dev/null')).message).toContain('is not a plain file');
  });

  it('says so when the file was cut short behind its back', () => {
    const memory = open(64);
    truncateSync(path, 8);
    const error = thrownBy(() => memory.read(0, 16, ByteRegion.allocate(16), 0));
    expect(error.code).toBe('ERR_FILE_MEMORY_READ');
    expect(error.message).toContain('has become shorter');
  });
});
