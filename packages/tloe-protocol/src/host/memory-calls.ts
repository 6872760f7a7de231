import { ByteRegion } from '../byte-region.ts';
import { MemoryRequest, MemoryStatus, RequestKind } from '../tilelink/memory-request.ts';

/**
 * Remote memory by promise, one call at a time: for tools, tests and first steps. Each call makes
 * its request and buffer; data paths keep pools and use `RemoteMemory.submit`.
 */

/** Where a call goes: a `RemoteMemory`, or what stands before one. */
export interface CallableMemory {
  submit(request: MemoryRequest): void;
  kick(): void;
}

/** What a read gave: the bytes, or why there are none. */
export type ReadResult =
  | { readonly status: typeof MemoryStatus.ok; readonly bytes: Uint8Array }
  | { readonly status: Exclude<MemoryStatus, typeof MemoryStatus.ok> };

/** Reads `length` bytes, 1 and up, from `offset` on, counted from the base address. */
export async function readMemory(
  memory: CallableMemory,
  offset: number,
  length: number,
): Promise<ReadResult> {
  const buffer = ByteRegion.allocate(length);
  const status = await call(memory, { kind: RequestKind.read, offset, length, buffer });
  return status === MemoryStatus.ok ? { status, bytes: buffer.bytes } : { status };
}

/** Writes `bytes`, at least one, which are copied before the call returns. */
export function writeMemory(
  memory: CallableMemory,
  offset: number,
  bytes: Uint8Array,
): Promise<MemoryStatus> {
  const buffer = ByteRegion.allocate(bytes.length);
  buffer.bytes.set(bytes);
  return call(memory, { kind: RequestKind.write, offset, length: bytes.length, buffer });
}

/** Writes `length` zeros, 1 and up. */
export function zeroMemory(
  memory: CallableMemory,
  offset: number,
  length: number,
): Promise<MemoryStatus> {
  return call(memory, { kind: RequestKind.zero, offset, length });
}

type Range = Pick<MemoryRequest, 'kind' | 'offset' | 'length'> & Partial<MemoryRequest>;

function call(memory: CallableMemory, range: Range): Promise<MemoryStatus> {
  return new Promise((resolve) => {
    const owner = {
      requestDone: (_: MemoryRequest, status: MemoryStatus) => resolve(status),
    };
    memory.submit(Object.assign(new MemoryRequest(owner), range));
    memory.kick();
  });
}
