import { describe, expect, it } from 'vitest';
import type { DemoNbdClient } from '../../scripts/demo-nbd-client.mjs';
import { ClientSlot } from './client-slot.mjs';
import { LoadMeter } from './load-meter.mjs';
import { SoakLoad, WrongByte } from './soak-load.mjs';

const STRETCH = 4096;
const PLACE = { seed: 1, workers: 2, stretchBytes: STRETCH, spacingBytes: 5000 };
const STYLE = { name: 'test', depth: 2, sizes: 'odd' } as const;

/** A memory that can be made to misbehave, and the clients of it. */
class FakeMemory {
  readonly bytes: Buffer = Buffer.alloc(12_000);
  readonly slot: ClientSlot = new ClientSlot();
  readonly meter: LoadMeter = new LoadMeter();
  /** What becomes of a write; undefined: all is well. */
  onWrite: ((offset: number, data: Buffer) => 'fail' | 'lose' | undefined) | undefined = undefined;

  /** Told before each read. */
  onRead: ((offset: number) => void) | undefined = undefined;

  start(): SoakLoad {
    this.renewClient();
    return new SoakLoad(this, PLACE, STYLE);
  }

  /** What a new driver is to the load. */
  renewClient(): void {
    const client = {
      read: async (offset: number, target: Buffer) => {
        await turn();
        this.onRead?.(offset);
        this.bytes.copy(target, 0, offset);
      },
      write: async (offset: number, data: Buffer) => {
        const fate = this.onWrite?.(offset, data);
        await turn();
        if (fate === 'fail') throw new Error('the server answered with error 5');
        if (fate !== 'lose') data.copy(this.bytes, offset);
      },
      flush: turn,
    };
    this.slot.client = client as unknown as DemoNbdClient;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function until(load: SoakLoad, isReached: () => boolean): Promise<void> {
  while (!isReached()) await load.runFor(1);
}

describe('the load of a long run', () => {
  it('is content with a memory that keeps what it is given', async () => {
    const memory = new FakeMemory();
    const load = memory.start();
    await until(load, () => memory.meter.total.requests > 500);
    memory.renewClient();
    await until(load, () => load.isAllVerified());
    await load.finish();
    expect(load.isAllVerified()).toBe(true);
    expect(load.bytesVerified).toBeGreaterThan(100_000);
    expect(memory.meter.phases.get('test')?.figures()).toMatchObject({ errors: {} });
  });

  it('notices acknowledged writes that are not there', async () => {
    const memory = new FakeMemory();
    const load = memory.start();
    let writes = 0;
    memory.onWrite = () => (++writes % 20 === 0 ? 'lose' : undefined);
    await expect(load.runFor(20_000)).rejects.toThrow(WrongByte);
  });

  it('notices under a new client that a byte is not what was acknowledged', async () => {
    const memory = new FakeMemory();
    const load = memory.start();
    await until(load, () => memory.meter.total.requests > 50);
    memory.slot.drop();
    await load.runFor(20);
    (memory.bytes[STRETCH - 1] as number) ^= 1;
    memory.renewClient();
    memory.slot.wakeAll();
    await expect(load.runFor(20_000)).rejects.toThrow(/^byte (4095|9095), .* it must be \d+$/);
  });

  it('takes old bytes and new ones after a write that failed', async () => {
    const memory = new FakeMemory();
    const load = memory.start();
    let writes = 0;
    memory.onWrite = (offset, data) => {
      if (++writes % 10 !== 0) return undefined;
      // Some parts have arrived.
      data.copy(memory.bytes, offset, 0, data.length >> 1);
      return 'fail';
    };
    await until(load, () => memory.meter.total.requests > 300);
    await load.finish();
    expect(memory.meter.total.errors.get('EIO')).toBeGreaterThan(10);
  });

  it('notices a failed write that lands after a read has shown the old bytes', async () => {
    const memory = new FakeMemory();
    const load = memory.start();
    let late: (() => void) | undefined;
    const isFirstWorker = (offset: number): boolean => offset < PLACE.spacingBytes;
    memory.onWrite = (offset, data) => {
      if (!isFirstWorker(offset)) return undefined;
      memory.onWrite = undefined;
      late = () => void data.copy(memory.bytes, offset);
      return 'fail';
    };
    await until(load, () => memory.meter.total.errors.size > 0);
    const failedMs = performance.now();
    await until(load, () => load.isGoodSince(failedMs));
    memory.renewClient();
    // While its worker reads, so that no write of it covers what lands.
    memory.onRead = (offset) => {
      if (!isFirstWorker(offset)) return;
      memory.onRead = undefined;
      late?.();
    };
    await expect(load.runFor(20_000)).rejects.toThrow(WrongByte);
  });

  it('says which request is open for how long', async () => {
    const memory = new FakeMemory();
    const load = memory.start();
    memory.slot.client = undefined;
    await load.runFor(5);
    expect(load.oldest()).toEqual({ ms: 0, request: 'none' });
    memory.renewClient();
    Object.assign(memory.slot.client ?? {}, { read: () => new Promise(() => {}) });
    memory.slot.wakeAll();
    await load.runFor(30);
    expect(load.oldest().ms).toBeGreaterThan(20);
    expect(load.oldest().request).toBe('read of 4096 at 0 (begun during: test)');
  });
});
