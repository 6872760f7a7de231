import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { assert, type ByteRegion, type MemoryBackend } from '@oxmem/tloe-protocol';

/** What can be wrong with a backing file. The codes are the interface; messages may change. */
export type FileMemoryErrorCode =
  | 'ERR_FILE_MEMORY_OPEN'
  | 'ERR_FILE_MEMORY_SIZE'
  | 'ERR_FILE_MEMORY_READ'
  | 'ERR_FILE_MEMORY_WRITE';

/** A backing file that cannot be used, in one sentence with what to do about it. */
export class FileMemoryError extends Error {
  override readonly name = 'FileMemoryError';
  readonly code: FileMemoryErrorCode;

  constructor(code: FileMemoryErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/**
 * Memory kept in a file, so that it outlives the endpoint. Byte k of the file is byte k of the
 * memory. Accesses go through the page cache; nothing is forced to disk.
 *
 * An access that the system refuses (disk full, medium broken) throws, for an endpoint has no way to
 * take back what it has promised: the program is to end.
 */
export class FileMemory implements MemoryBackend {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #descriptor: number;
  #isClosed = false;

  /**
   * Opens the file, or creates it. A new or empty file gets the size of the memory without taking
   * disk space for it.
   *
   * @param sizeBytes  of the memory; a file that has another size (and is not empty) is refused
   * @throws FileMemoryError ERR_FILE_MEMORY_OPEN, ERR_FILE_MEMORY_SIZE
   */
  static open(path: string, sizeBytes: number): FileMemory {
    assert(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, 'a size is a safe integer');
    const descriptor = openFile(path);
    try {
      makeSize(descriptor, path, sizeBytes);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    return new FileMemory(path, sizeBytes, descriptor);
  }

  private constructor(path: string, sizeBytes: number, descriptor: number) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#descriptor = descriptor;
  }

  /** @throws FileMemoryError ERR_FILE_MEMORY_READ */
  read(offset: number, length: number, target: ByteRegion, targetOffset: number): void {
    let done = 0;
    while (done < length) {
      const part = this.#readPart(offset + done, length - done, target, targetOffset + done);
      if (part === 0) throw this.#failed('READ', 'it has become shorter than the memory');
      done += part;
    }
  }

  /** @throws FileMemoryError ERR_FILE_MEMORY_WRITE */
  write(offset: number, length: number, source: ByteRegion, sourceOffset: number): void {
    let done = 0;
    while (done < length) {
      const from = sourceOffset + done;
      try {
        done += writeSync(this.#descriptor, source.bytes, from, length - done, offset + done);
      } catch (error) {
        throw this.#failed('WRITE', reasonOf(error), error);
      }
    }
  }

  /** Closes the file; the memory must not be used any more. Idempotent. */
  close(): void {
    if (!this.#isClosed) closeSync(this.#descriptor);
    this.#isClosed = true;
  }

  #readPart(offset: number, length: number, target: ByteRegion, targetOffset: number): number {
    try {
      return readSync(this.#descriptor, target.bytes, targetOffset, length, offset);
    } catch (error) {
      throw this.#failed('READ', reasonOf(error), error);
    }
  }

  #failed(what: 'READ' | 'WRITE', reason: string, cause?: unknown): FileMemoryError {
    const verb = what === 'READ' ? 'read' : 'written';
    return new FileMemoryError(
      `ERR_FILE_MEMORY_${what}`,
      `The backing file "${this.path}" could not be ${verb}: ${reason}; see to the file or its ` +
        'disk and start again.',
      cause,
    );
  }
}

function openFile(path: string): number {
  try {
    return openExisting(path) ?? openSync(path, 'wx+', 0o600);
  } catch (error) {
    throw new FileMemoryError(
      'ERR_FILE_MEMORY_OPEN',
      `The backing file "${path}" cannot be opened for reading and writing: ${reasonOf(error)}; ` +
        'name a file that this user may write.',
      error,
    );
  }
}

/** @returns undefined if there is no such file */
function openExisting(path: string): number | undefined {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function makeSize(descriptor: number, path: string, sizeBytes: number): void {
  const found = fstatSync(descriptor);
  if (!found.isFile()) {
    throw new FileMemoryError(
      'ERR_FILE_MEMORY_OPEN',
      `The backing file "${path}" is not a plain file; name one that is, or one to be created.`,
    );
  }
  if (found.size === sizeBytes) return;
  if (found.size !== 0) {
    throw new FileMemoryError(
      'ERR_FILE_MEMORY_SIZE',
      `The backing file "${path}" has ${found.size} bytes and the memory ${sizeBytes}: give the ` +
        "file's size, or name another file.",
    );
  }
  try {
    ftruncateSync(descriptor, sizeBytes);
  } catch (error) {
    throw new FileMemoryError(
      'ERR_FILE_MEMORY_SIZE',
      `The backing file "${path}" cannot have ${sizeBytes} bytes: ${reasonOf(error)}; choose a ` +
        'smaller size or another file system.',
      error,
    );
  }
}

/** What the system says, without the call and the path that Node adds: "no space left on device". */
function reasonOf(error: unknown): string {
  const { message } = error as Error;
  return /^[A-Z0-9]+: (.*?)(?:, [a-z]+(?: '.*')?)?$/s.exec(message)?.[1] ?? message;
}
