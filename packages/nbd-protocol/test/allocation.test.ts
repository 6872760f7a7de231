import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { BlockBackend, BlockRequest } from '../src/block-backend.ts';
import { NbdExport } from '../src/export-table.ts';
import { createOutputWindows } from '../src/session/connection-host.ts';
import { NbdConnection } from '../src/session/nbd-connection.ts';
import { Command, NbdErrno } from '../src/wire/constants.ts';
import { RequestHeader, writeRequest } from '../src/wire/request.ts';

const BATCH = 32;
const ROUNDS = 3000;

/** Completes everything at the kick, newest first, and allocates nothing. */
class IdleBackend implements BlockBackend {
  readonly sizeBytes = 1 << 30;
  readonly readOnly = false;
  readonly preferredBlockBytes = 4096;
  readonly minimumBlockBytes = 1;
  private readonly open = new Array<BlockRequest | undefined>(BATCH).fill(undefined);
  private count = 0;

  submit(request: BlockRequest): void {
    this.open[this.count++] = request;
  }

  kick(): void {
    while (this.count > 0) this.open[--this.count]?.complete(NbdErrno.OK);
  }
}

function batchOf(type: number, length: number, payloadBytes: number): Uint8Array {
  const bytes = new Uint8Array(BATCH * (28 + payloadBytes));
  const header = new RequestHeader();
  header.type = type;
  header.length = length;
  for (let i = 0; i < BATCH; i++) {
    header.cookieLow = i;
    header.offsetLow = i * 4096;
    writeRequest(new DataView(bytes.buffer), i * (28 + payloadBytes), header);
  }
  return bytes;
}

describe('a request in steady state', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;

  it.each([
    ['READ', Command.READ, 4096, 0],
    ['short WRITE', Command.WRITE, 64, 64],
    ['FLUSH', Command.FLUSH, 0, 0],
    ['TRIM', Command.TRIM, 4096, 0],
  ])('allocates nothing: %s', (_name, type, length, payloadBytes) => {
    const fixedExport = new NbdExport({ name: '', backend: new IdleBackend() });
    const ignore = (): void => undefined;
    const host = { onOutput: ignore, onInputWanted: ignore, onClose: ignore, onReleased: ignore };
    const connection = new NbdConnection({ fixedExport }, host);
    const windows = createOutputWindows(2 * BATCH);
    // A flush has no offset.
    const batch = type === Command.FLUSH ? flushes() : batchOf(type, length, payloadBytes);
    const round = (): void => {
      if (connection.receive(batch, 0, batch.length) !== batch.length) throw new Error('full');
      let sent = 0;
      const count = connection.gatherOutput(windows, windows.length);
      for (let i = 0; i < count; i++) sent += windows[i]?.length ?? 0;
      connection.outputWritten(sent);
    };
    let least = Infinity;
    for (let attempt = 0; attempt < 5; attempt++) {
      collectGarbage();
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < ROUNDS; i++) round();
      const grown = process.memoryUsage().heapUsed - before;
      least = Math.min(least, grown / (ROUNDS * BATCH));
    }
    // Bytes per request; the smallest object has 16. What is left is the measurement's own.
    expect(least).toBeLessThan(4);
    expect(connection.requestsInUse).toBe(0);
  });
});

function flushes(): Uint8Array {
  const batch = batchOf(Command.FLUSH, 0, 0);
  for (let i = 0; i < BATCH; i++) batch.fill(0, i * 28 + 16, i * 28 + 28);
  return batch;
}
