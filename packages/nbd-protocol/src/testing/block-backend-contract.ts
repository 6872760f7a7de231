import { describe, expect, it } from 'vitest';
import { assert } from '../assert.ts';
import {
  type BlockBackend,
  BlockCommand,
  BlockRequest,
  type RequestBuffer,
} from '../block-backend.ts';
import { NbdErrno } from '../wire/constants.ts';

/** How the suite gets at a backend. */
export interface BlockBackendFixture {
  /** A writable device of at least 4 MiB whose contents may be destroyed. */
  readonly backend: BlockBackend;
  /**
   * Lets the backend work until the requests that it has are complete: turns the event loop, moves
   * virtual time. Called after `kick`, again and again while requests are open.
   */
  advance(): void | Promise<void>;
  /** Ends the fixture. */
  close?(): void | Promise<void>;
}

const BUFFER_BYTES = 4 * 1024 * 1024;
const GUARD = 0xa5;
/** Advances after which an open request counts as forgotten. */
const PATIENCE = 10_000;

/**
 * The suite that every `BlockBackend` must pass, whatever it stands on. Call it at the top level of
 * a test file.
 */
export function describeBlockBackend(
  name: string,
  makeFixture: () => BlockBackendFixture | Promise<BlockBackendFixture>,
): void {
  const check = (title: string, body: (rig: Rig) => Promise<void>): void => {
    it(title, async () => {
      const fixture = await makeFixture();
      try {
        await body(new Rig(fixture));
      } finally {
        await fixture.close?.();
      }
    });
  };
  describe(`${name} as a block backend`, () => {
    describeFacts(check);
    describeData(check);
    describeCommands(check);
    describeConcurrency(check);
  });
}

type Check = (title: string, body: (rig: Rig) => Promise<void>) => void;

function describeFacts(check: Check): void {
  check('tells sizes that obey the rules of the protocol', async ({ backend }) => {
    const { sizeBytes, minimumBlockBytes, preferredBlockBytes } = backend;
    expect(Number.isSafeInteger(sizeBytes)).toBe(true);
    expect(sizeBytes).toBeGreaterThanOrEqual(BUFFER_BYTES);
    expect(Math.log2(minimumBlockBytes) % 1).toBe(0);
    expect(minimumBlockBytes).toBeLessThanOrEqual(65536);
    expect(Math.log2(preferredBlockBytes) % 1).toBe(0);
    expect(preferredBlockBytes).toBeGreaterThanOrEqual(Math.max(512, minimumBlockBytes));
    expect(sizeBytes % minimumBlockBytes).toBe(0);
    expect(backend.readOnly).toBe(false);
    await Promise.resolve();
  });
}

function describeData(check: Check): void {
  check('reads back what was written, at both ends of the device', async (rig) => {
    const block = rig.blockBytes;
    for (const offset of [0, rig.backend.sizeBytes - block]) {
      await rig.write(offset, pattern(block, offset));
      expect(await rig.read(offset, block)).toEqual(pattern(block, offset));
    }
  });

  check('touches nothing of the buffer but the stretch of the request', async (rig) => {
    const length = 3 * rig.blockBytes;
    await rig.write(0, pattern(length, 1));
    rig.buffer.bytes.fill(GUARD);
    const request = rig.make(BlockCommand.Read, rig.blockBytes, rig.blockBytes, 8192);
    await rig.perform(request);
    const expected = new Uint8Array(BUFFER_BYTES).fill(GUARD);
    expected.set(pattern(length, 1).subarray(rig.blockBytes, 2 * rig.blockBytes), 8192);
    expect(equal(rig.buffer.bytes, expected)).toBe(true);
  });

  check('writes ranges of any start and length and leaves their neighbours alone', async (rig) => {
    const block = rig.backend.minimumBlockBytes;
    const span = 64 * block + 8192;
    const model = pattern(span, 2);
    await rig.write(0, model);
    let seed = 1;
    for (let i = 0; i < 24; i++) {
      const start = block * ((seed = next(seed)) % 40);
      const length = block * (1 + ((seed = next(seed)) % Math.floor((span - start) / block)));
      const data = pattern(length, seed);
      await rig.write(start, data);
      model.set(data, start);
    }
    expect(equal(await rig.read(0, span), model)).toBe(true);
  });

  check('carries a request of 1 MiB and more', async (rig) => {
    const length = 3 * 1024 * 1024;
    await rig.write(rig.blockBytes, pattern(length, 3));
    expect(equal(await rig.read(rig.blockBytes, length), pattern(length, 3))).toBe(true);
  });
}

function describeCommands(check: Check): void {
  check('reads zeros where zeros were written, and only there', async (rig) => {
    const block = rig.blockBytes;
    const model = pattern(8 * block, 4);
    await rig.write(0, model);
    for (const noHole of [false, true]) {
      const request = rig.make(BlockCommand.WriteZeroes, (noHole ? 5 : 1) * block, 2 * block, 0);
      request.noHole = noHole;
      expect((await rig.perform(request)).error).toBe(NbdErrno.OK);
    }
    model.fill(0, block, 3 * block).fill(0, 5 * block, 7 * block);
    expect(equal(await rig.read(0, model.length), model)).toBe(true);
  });

  check('trims without touching what lies beside', async (rig) => {
    const block = rig.blockBytes;
    const model = pattern(3 * block, 5);
    await rig.write(0, model);
    const request = rig.make(BlockCommand.Trim, block, block, 0);
    expect((await rig.perform(request)).error).toBe(NbdErrno.OK);
    expect(await rig.read(0, block)).toEqual(model.subarray(0, block));
    expect(await rig.read(2 * block, block)).toEqual(model.subarray(2 * block));
  });

  check('flushes, with and without anything to flush, and takes FUA on a write', async (rig) => {
    expect((await rig.perform(rig.make(BlockCommand.Flush, 0, 0, 0))).error).toBe(NbdErrno.OK);
    const write = rig.make(BlockCommand.Write, 0, rig.blockBytes, 0);
    write.fua = true;
    expect((await rig.perform(write)).error).toBe(NbdErrno.OK);
    expect((await rig.perform(rig.make(BlockCommand.Flush, 0, 0, 0))).error).toBe(NbdErrno.OK);
  });
}

function describeConcurrency(check: Check): void {
  check('completes many requests that are open together, each exactly once', async (rig) => {
    const block = rig.blockBytes;
    const count = 64;
    const writes = Array.from({ length: count }, (_, i) => {
      rig.buffer.bytes.set(pattern(block, i), i * block);
      return rig.make(BlockCommand.Write, i * block, block, i * block);
    });
    await rig.performAll(writes);
    rig.buffer.bytes.fill(GUARD);
    const reads = writes.map((_, i) => rig.make(BlockCommand.Read, i * block, block, i * block));
    await rig.performAll(reads);
    for (const request of [...writes, ...reads]) {
      expect(request.completions).toBe(1);
      expect(request.error).toBe(NbdErrno.OK);
    }
    for (let i = 0; i < count; i++) {
      const got = rig.buffer.bytes.subarray(i * block, (i + 1) * block);
      expect(equal(got, pattern(block, i))).toBe(true);
    }
  });

  check(
    'lets overlapping writes end in one of them, never in a mixture of an area',
    async (rig) => {
      const block = rig.blockBytes;
      rig.buffer.bytes.fill(0x11, 0, block);
      rig.buffer.bytes.fill(0x22, block, 2 * block);
      const both = [0, block].map((at) => rig.make(BlockCommand.Write, 0, block, at));
      await rig.performAll(both);
      const got = await rig.read(0, block);
      expect([0x11, 0x22]).toContain(got[0]);
      expect(got.every((byte) => byte === got[0])).toBe(true);
    },
  );

  check('may reuse a request object at once after its completion', async (rig) => {
    const request = rig.make(BlockCommand.Write, 0, rig.blockBytes, 0);
    for (let i = 0; i < 8; i++) {
      request.bufferOffset = 0;
      rig.buffer.bytes.set(pattern(rig.blockBytes, i));
      request.offset = i * rig.blockBytes;
      request.completions = 0;
      request.backendData = undefined;
      request.backendTag = 0;
      request.backendCount = 0;
      await rig.perform(request);
    }
    for (let i = 0; i < 8; i++) {
      const got = await rig.read(i * rig.blockBytes, rig.blockBytes);
      expect(got).toEqual(pattern(rig.blockBytes, i));
    }
  });
}

class ContractRequest extends BlockRequest {
  completions = 0;
  error: NbdErrno = NbdErrno.OK;
  text = '';

  override get isAbandoned(): boolean {
    return false;
  }

  override complete(error: NbdErrno, text = ''): void {
    this.completions++;
    assert(this.completions === 1, 'a request is completed exactly once');
    this.error = error;
    this.text = text;
  }
}

class Rig {
  readonly backend: BlockBackend;
  readonly buffer: RequestBuffer;
  /** A comfortable block: at least 4096 bytes. */
  readonly blockBytes: number;
  private readonly fixture: BlockBackendFixture;

  constructor(fixture: BlockBackendFixture) {
    const bytes = new Uint8Array(BUFFER_BYTES);
    this.fixture = fixture;
    this.backend = fixture.backend;
    this.buffer = { bytes, view: new DataView(bytes.buffer), words: new Int32Array(bytes.buffer) };
    this.blockBytes = Math.max(4096, fixture.backend.minimumBlockBytes);
  }

  make(
    command: BlockCommand,
    offset: number,
    length: number,
    bufferOffset: number,
  ): ContractRequest {
    const request = new ContractRequest(this.buffer);
    request.command = command;
    request.offset = offset;
    request.length = length;
    request.bufferOffset = bufferOffset;
    return request;
  }

  async perform(request: ContractRequest): Promise<ContractRequest> {
    await this.performAll([request]);
    return request;
  }

  async performAll(requests: readonly ContractRequest[]): Promise<void> {
    for (const request of requests) this.backend.submit(request);
    this.backend.kick();
    for (let i = 0; requests.some((request) => request.completions === 0); i++) {
      assert(i < PATIENCE, 'the backend completes every request');
      await this.fixture.advance();
    }
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.buffer.bytes.set(data);
    const request = this.make(BlockCommand.Write, offset, data.length, 0);
    expect((await this.perform(request)).error).toBe(NbdErrno.OK);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.buffer.bytes.fill(GUARD, 0, length);
    const request = this.make(BlockCommand.Read, offset, length, 0);
    expect((await this.perform(request)).error).toBe(NbdErrno.OK);
    return this.buffer.bytes.slice(0, length);
  }
}

/** Bytes that differ from place to place and from seed to seed. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed % 0x7fffffff) + 1;
  for (let i = 0; i < length; i++) {
    state = next(state);
    bytes[i] = state >>> 11;
  }
  return bytes;
}

function next(state: number): number {
  return (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
