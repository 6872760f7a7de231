import { BlockCommand, NbdErrno } from '@oxmem/nbd-protocol';
import { SECOND, type MemoryStatus } from '@oxmem/tloe-protocol';
import { describe, expect, it } from 'vitest';

import { ZERO_PIECES, ZERO_PIECE_BYTES } from '../src/device/zero-fill.ts';
import { TestRequest } from './test-request.ts';
import { VirtualDevice } from './virtual-device.ts';

const { Read, Write, Flush, Trim, WriteZeroes } = BlockCommand;

function start(rig: VirtualDevice, ...requests: TestRequest[]): void {
  for (const request of requests) rig.device.submit(request);
  rig.device.kick();
}

function finish(rig: VirtualDevice, ...requests: TestRequest[]): void {
  start(rig, ...requests);
  rig.runUntil(() => requests.every(({ isDone }) => isDone));
}

async function openRig(options: ConstructorParameters<typeof VirtualDevice>[0]) {
  const rig = new VirtualDevice(options);
  expect(await rig.open()).toMatchObject({ isOpen: true, profile: { name: 'oxmem' } });
  return rig;
}

/** The wire is cut: frames are still sent, and nobody hears them. */
function cutWire(rig: VirtualDevice): void {
  rig.endpoint.close();
}

describe('long zeroings', () => {
  it('go in bounded pieces, a few at a time, all requests together', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 26 });
    const zeroes = [0, 1, 2].map((i) => new TestRequest(WriteZeroes, i * 2 ** 24 + 5, 2 ** 24 - 9));
    finish(rig, ...zeroes);
    expect(zeroes.map(({ error }) => error)).toEqual([0, 0, 0]);
    expect(rig.zeroesInFlightPeak).toBe(ZERO_PIECES);
    expect(rig.longestZero).toBe(ZERO_PIECE_BYTES);
    expect(rig.device.stats.bytesZeroed).toBe(3 * (2 ** 24 - 9));
  });

  it('leave zeros in their range and touch nothing else', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 22 });
    const all = new TestRequest(Write, 0, 2 ** 22);
    all.data.fill(0x5a);
    finish(rig, all);
    const [from, length] = [3, 3 * ZERO_PIECE_BYTES + 1];
    finish(rig, new TestRequest(WriteZeroes, from, length));
    const read = new TestRequest(Read, 0, 2 ** 22);
    finish(rig, read);
    all.data.fill(0, from, from + length);
    expect(Buffer.compare(read.data, all.data)).toBe(0);
  });

  it('hold up a read by less than a piece, however long they are', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 33 });
    const zeroing = new TestRequest(WriteZeroes, 0, 2 ** 32 - 1);
    start(rig, zeroing);
    rig.clock.advanceBy(10_000);
    const read = new TestRequest(Read, 2 ** 32, 4096);
    const startedAt = rig.clock.now();
    start(rig, read);
    rig.runUntil(() => read.isDone);
    expect(read.error).toBe(NbdErrno.OK);
    expect(rig.clock.now() - startedAt).toBeLessThan(20_000);
    expect(zeroing.isDone).toBe(false);
    // Nothing is left behind of a zeroing that is cut off by the end of the connection.
    void rig.memory.close();
    rig.runUntil(() => zeroing.isDone);
    expect(zeroing.error).toBe(NbdErrno.ESHUTDOWN);
    expect(rig.zeroesInFlight).toBe(0);
  });

  it('stop when the client has gone, after the pieces in flight', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 33 });
    const zeroing = new TestRequest(WriteZeroes, 0, 2 ** 32 - 1);
    start(rig, zeroing);
    rig.clock.advanceBy(10_000);
    zeroing.isAbandoned = true;
    rig.clock.advanceBy(20_000);
    expect(zeroing.error).toBe(NbdErrno.ESHUTDOWN);
    expect(rig.zeroesInFlight).toBe(0);
  });

  it('stop at the first piece that is refused, and fail once', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 26, servedBytes: 2 ** 20 });
    const zeroings = [0, 1].map(() => new TestRequest(WriteZeroes, 0, 2 ** 26));
    finish(rig, ...zeroings);
    expect(zeroings.map(({ error }) => error)).toEqual([NbdErrno.EIO, NbdErrno.EIO]);
    expect(zeroings[0]?.text).toBe('the memory endpoint refused the access');
    expect(rig.zeroesInFlight).toBe(0);
    const issued = rig.memory.initiator.stats.accessesIssued;
    rig.clock.advanceBy(SECOND);
    expect(rig.memory.initiator.stats.accessesIssued).toBe(issued);
  });

  it('fail without deep recursion when the connection is gone and many wait', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 26, capacity: 4096 });
    const zeroings = Array.from({ length: 4096 }, () => new TestRequest(WriteZeroes, 0, 2 ** 26));
    start(rig, ...zeroings);
    void rig.memory.close();
    expect(zeroings.every(({ error }) => error === NbdErrno.ESHUTDOWN)).toBe(true);
  });
});

describe('a flush', () => {
  it('completes at once while the endpoint is there', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 20 });
    const flush = new TestRequest(Flush, 0, 0);
    rig.device.submit(flush);
    expect(flush.error).toBe(NbdErrno.OK);
  });

  it('fails while the endpoint is lost', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 20 });
    cutWire(rig);
    finish(rig, new TestRequest(Write, 0, 512));
    expect(rig.memory.link.isLost).toBe(true);
    const flush = new TestRequest(Flush, 0, 0);
    start(rig, flush);
    expect(flush).toMatchObject({ error: NbdErrno.EIO, text: 'the memory endpoint is silent' });
  });

  it('waits while the endpoint is lost and requests are to wait', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 20, whenLost: 'wait' });
    cutWire(rig);
    const write = new TestRequest(Write, 0, 512);
    start(rig, write);
    rig.runUntil(() => rig.memory.link.isLost);
    const flush = new TestRequest(Flush, 0, 0);
    start(rig, flush);
    rig.clock.advanceBy(30 * SECOND);
    expect([write.isDone, flush.isDone]).toEqual([false, false]);
    void rig.memory.close();
    expect([write.error, flush.error]).toEqual([NbdErrno.ESHUTDOWN, NbdErrno.ESHUTDOWN]);
  });
});

describe('a failed request', () => {
  it('of a part that the endpoint refuses is an I/O error, and is told with its range', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 20, servedBytes: 2 ** 16 });
    const read = new TestRequest(Read, 2 ** 16 - 512, 1024);
    finish(rig, read);
    expect(read.error).toBe(NbdErrno.EIO);
    const denied: MemoryStatus = 1;
    expect(rig.device.stats.failed[denied]).toBe(1);
    const before = new TestRequest(Read, 2 ** 16 - 512, 512);
    finish(rig, before);
    expect(before.error).toBe(NbdErrno.OK);
  });
});

describe('a trim', () => {
  it('is done at once and sends nothing', async () => {
    const rig = await openRig({ sizeBytes: 2 ** 20 });
    const trim = new TestRequest(Trim, 0, 2 ** 20);
    rig.device.submit(trim);
    expect(trim.error).toBe(NbdErrno.OK);
    expect(rig.memory.initiator.stats.accessesIssued).toBe(0);
  });
});

describe('the addresses of a device', () => {
  it.each([
    ['beyond 4 GiB', { high: 1, low: 0xfffff000 }],
    ['with bit 63 set', { high: 0x80000000, low: 8 }],
    ['up to the very last byte', { high: 0xffffffff, low: 0xfff00000 }],
  ])('may lie %s', async (_, base) => {
    const rig = await openRig({ sizeBytes: 2 ** 20, base });
    const offsets = [0, 2 ** 12 - 3, 2 ** 20 - 11];
    const writes = offsets.map((offset) => new TestRequest(Write, offset, 11));
    for (const [i, { data }] of writes.entries()) data.fill(0x10 + i);
    finish(rig, ...writes);
    for (const [i, offset] of offsets.entries()) {
      const read = new TestRequest(Read, offset, 11);
      finish(rig, read);
      expect(read.data).toEqual(new Uint8Array(11).fill(0x10 + i));
    }
  });
});

it('serves any number of requests with the memory requests that it made at the start', async () => {
  const rig = await openRig({ sizeBytes: 2 ** 20, capacity: 20 });
  for (let round = 0; round < 50; round++) {
    const reads = Array.from({ length: 16 }, (_, i) => new TestRequest(Read, i * 512, 512));
    finish(rig, ...reads, new TestRequest(WriteZeroes, 0, 2 ** 20));
  }
  expect(rig.device.stats.reads).toBe(800);
  expect(rig.requestsSeen.size).toBeLessThanOrEqual(20 + ZERO_PIECES);
});
