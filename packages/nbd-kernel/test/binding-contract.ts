import { constants } from 'node:os';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  NbdDeviceError,
  attachDevice,
  detachDevice,
  devicePath,
  isAttached,
  usersOf,
} from '../src/index.ts';
import type {
  AttachOptions,
  AttachWay,
  NativeBinding,
  NbdDevice,
  NbdMachine,
} from '../src/index.ts';
import { MemoryServer } from './memory-server.ts';

/** A kernel with the nbd driver, and the programs on it. */
export interface KernelRig {
  readonly machine: NbdMachine;
  /** A device that nobody uses. */
  readonly index: number;
  readonly ways: readonly AttachWay[];
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Past the page cache: it has reached the server when it is settled. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Opens the node in another process. @returns what closes it */
  hold(): Promise<() => Promise<void>>;
  /** Waits until nobody but the test reads the device. */
  settle(): Promise<void>;
  /** What `nbd-client -d` does. */
  disconnectElsewhere(): Promise<void>;
  dispose(): Promise<void>;
}

const SIZE_BYTES = 8 * 1024 * 1024;
/** Nothing but a test reads there. */
const HELD_OFFSET = 1024 * 1024;

/** What attaching does on every binding, for each way. */
export function bindingContract(
  title: string,
  ways: readonly AttachWay[],
  makeRig: () => Promise<KernelRig>,
): void {
  for (const way of ways) describe(`${title}: by ${way}`, () => wayContract(way, makeRig));
}

function wayContract(way: AttachWay, makeRig: () => Promise<KernelRig>): void {
  let rig: KernelRig;
  const attached: NbdDevice[] = [];

  beforeEach(async () => {
    rig = await makeRig();
  });
  afterEach(async () => {
    for (const device of attached.splice(0)) await device.detach({ flushMillis: 0 });
    await rig.dispose();
  });

  async function attach(server: MemoryServer, more: Partial<AttachOptions> = {}) {
    const device = await attachDevice(
      {
        device: devicePath(rig.index),
        attach: way,
        sizeBytes: SIZE_BYTES,
        flags: server.flags,
        onStream: server.onStream,
        ...more,
      },
      rig.machine,
    );
    attached.push(device);
    server.device = device;
    return device;
  }

  function isGone(): boolean {
    return !isAttached(rig.index, rig.machine.files);
  }

  /** Reads what the server does not answer. Settled when the server has the request. */
  async function heldRead(server: MemoryServer): Promise<{ outcome: Promise<unknown> }> {
    await rig.settle();
    server.backend.holding = true;
    const outcome = rig.read(HELD_OFFSET, 4096).then(
      () => 'data',
      (error: { code?: string }) => error.code ?? error,
    );
    await vi.waitUntil(() => server.backend.held.some(({ offset }) => offset === HELD_OFFSET), {
      timeout: 60_000,
      interval: 5,
    });
    return { outcome };
  }

  test('attaches with the size asked for, and is serving', async () => {
    const device = await attach(new MemoryServer(SIZE_BYTES));
    expect(device).toMatchObject({ index: rig.index, way, state: 'serving', end: undefined });
    expect(device.facts()).toMatchObject({ sizeBytes: SIZE_BYTES, isReadOnly: false });
    expect(device.facts().attachedPid).toBeGreaterThan(0);
  });

  test('has the kernel read the partition table before it reports the device usable', async () => {
    const server = new MemoryServer(SIZE_BYTES);
    await attach(server);
    expect(server.backend.submitted.some(({ command, offset }) => !command && !offset)).toBe(true);
  });

  test('carries what programs write to the server and back', async () => {
    await attach(new MemoryServer(SIZE_BYTES));
    const bytes = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => (i * 31 + (i >> 12)) & 0xff);
    await rig.write(65536, bytes);
    expect(Buffer.from(await rig.read(65536, bytes.length)).equals(bytes)).toBe(true);
    expect(Buffer.from(await rig.read(0, 4096)).equals(Buffer.alloc(4096))).toBe(true);
  });

  test('serves many requests at once, each with its own data', async () => {
    await attach(new MemoryServer(SIZE_BYTES));
    const blocks = Array.from({ length: 64 }, (_, i) => new Uint8Array(4096).fill(i + 1));
    await Promise.all(blocks.map((block, i) => rig.write(i * 8192, block)));
    const read = await Promise.all(blocks.map((_, i) => rig.read(i * 8192, 4096)));
    expect(read.map((block) => [block[0], block[4095]])).toEqual(
      blocks.map((_, i) => [i + 1, i + 1]),
    );
  });

  test('detaches: the kernel forgets the device, and the record says that it was asked', async () => {
    const server = new MemoryServer(SIZE_BYTES);
    const device = await attach(server);
    const result = await device.detach();
    expect(result).toMatchObject({ isReleased: true, facts: undefined });
    expect(device).toMatchObject({ state: 'detached', end: { reason: 'detached' } });
    expect(isGone()).toBe(true);
    expect(server.connections[0]?.stream.isOver).toBe(true);
  });

  test('detaching twice, or at the same time, is detaching once', async () => {
    const device = await attach(new MemoryServer(SIZE_BYTES));
    const [first, second] = await Promise.all([device.detach(), device.detach()]);
    expect(second).toEqual(first);
    expect(await device.detach()).toEqual(first);
  });

  test('can be attached again and again', async () => {
    for (let i = 0; i < 5; i++) {
      const device = await attach(new MemoryServer(SIZE_BYTES));
      expect(await device.detach({ flushMillis: 0 })).toMatchObject({ isReleased: true });
    }
  });

  test('refuses a device that is attached already, names it, and leaves it alone', async () => {
    await attach(new MemoryServer(SIZE_BYTES));
    const second = attach(new MemoryServer(SIZE_BYTES));
    await expect(second).rejects.toThrow(NbdDeviceError);
    await expect(second).rejects.toMatchObject({
      code: 'ERR_NBD_BUSY',
      device: devicePath(rig.index),
    });
    await expect(second).rejects.toThrow(/attached by process \d+/);
    await rig.write(0, new Uint8Array(4096).fill(7));
    expect((await rig.read(0, 4096))[100]).toBe(7);
  });

  test('a device that somebody holds open stays held after the detachment, until he lets go', async () => {
    const device = await attach(new MemoryServer(SIZE_BYTES));
    const release = await rig.hold();
    const result = await device.detach({ releaseMillis: 200 });
    expect(result.isReleased).toBe(false);
    expect(device.state).toBe('held');
    expect(result.facts && usersOf(result.facts)).toMatch(/open in /);
    await release();
    expect(await device.detach()).toMatchObject({ isReleased: true });
    expect(device.state).toBe('detached');
  });

  test('notices that another program disconnected the device', async () => {
    const device = await attach(new MemoryServer(SIZE_BYTES));
    await rig.disconnectElsewhere();
    expect(await device.ended).toMatchObject({ reason: 'disconnectedElsewhere' });
    expect(device.state).not.toBe('serving');
    expect(await device.detach()).toMatchObject({ isReleased: true });
  });

  test('notices it also while requests are open, and they fail', async () => {
    const server = new MemoryServer(SIZE_BYTES);
    const device = await attach(server);
    const reading = await heldRead(server);
    await rig.disconnectElsewhere();
    expect(await device.ended).toMatchObject({ reason: 'disconnectedElsewhere' });
    expect(await reading.outcome).toBe('EIO');
    expect(await device.detach()).toMatchObject({ isReleased: true });
  });

  for (const hasNetlink of [true, false]) {
    const means = hasNetlink ? 'netlink' : 'ioctl';
    test(`detachDevice ends a device that another serves, by ${means}`, async () => {
      const device = await attach(new MemoryServer(SIZE_BYTES));
      const binding = withNetlink(rig.machine.binding, hasNetlink);
      const ending = detachDevice(
        device.path,
        { releaseMillis: 20_000 },
        { ...rig.machine, binding },
      );
      expect(await device.ended).toMatchObject({ reason: 'disconnectedElsewhere' });
      await device.detach();
      expect(await ending).toMatchObject({ wasAttached: true, isReleased: true });
      expect(isGone()).toBe(true);
    });

    test(`detachDevice ends one whose server does not react, by ${means}`, async () => {
      const server = new MemoryServer(SIZE_BYTES);
      const device = await attach(server);
      const reading = await heldRead(server);
      const binding = withNetlink(rig.machine.binding, hasNetlink);
      const options = { drainMillis: 50, releaseMillis: 20_000 };
      const ending = detachDevice(device.path, options, { ...rig.machine, binding });
      expect(await reading.outcome).toBe('EIO');
      await device.detach({ flushMillis: 0 });
      expect(await ending).toMatchObject({ wasAttached: true, isReleased: true });
    });
  }

  test('a server that closes its stream ends the device, with I/O errors and no hang', async () => {
    const server = new MemoryServer(SIZE_BYTES);
    const device = await attach(server);
    const reading = await heldRead(server);
    server.connections[0]?.nbd.abort('test');
    expect(await device.ended).toMatchObject({ reason: 'serverClosed' });
    await device.detach({ flushMillis: 0 });
    expect(await reading.outcome).toBe('EIO');
    expect(isGone()).toBe(true);
  });

  test('a detachment whose server answers nothing is over soon all the same', async () => {
    const server = new MemoryServer(SIZE_BYTES);
    const device = await attach(server);
    const reading = await heldRead(server);
    const result = await device.detach({ flushMillis: 100, drainMillis: 100 });
    expect(await reading.outcome).toBe('EIO');
    expect(result.isReleased).toBe(true);
  });

  test('carries the read-only flag to the kernel', async () => {
    const server = new MemoryServer(SIZE_BYTES, true);
    const device = await attach(server);
    expect(device.facts().isReadOnly).toBe(true);
  });

  test('takes the first free device when none is named', async () => {
    const device = await attach(new MemoryServer(SIZE_BYTES), { device: 'auto' });
    expect(device.state).toBe('serving');
    expect(isAttached(device.index, rig.machine.files)).toBe(true);
  });

  test('an answer that the kernel does not accept ends the device, and is told from a clean end', async () => {
    const server = new MemoryServer(SIZE_BYTES);
    const device = await attach(server);
    const garbage = { bytes: new Uint8Array(16).fill(0x5a), offset: 0, length: 16 };
    expect(server.connections[0]?.stream.send([garbage], 1)).toBe(16);
    expect(await device.ended).toMatchObject({ reason: 'connectionLost' });
    expect(await device.detach()).toMatchObject({ isReleased: true });
  });

  test('spreads over several connections', async () => {
    const server = new MemoryServer(SIZE_BYTES);
    await attach(server, { connections: 2 });
    expect(server.connections).toHaveLength(2);
    const blocks = Array.from({ length: 16 }, (_, i) => new Uint8Array(4096).fill(i + 1));
    await Promise.all(blocks.map((block, i) => rig.write(i * 4096, block)));
    expect((await rig.read(15 * 4096, 4096))[0]).toBe(16);
  });

  if (way === 'netlink') {
    test('a successor with another identifier is refused', async () => {
      await attach(new MemoryServer(SIZE_BYTES), { backendIdentifier: 'a' });
      const second = attach(new MemoryServer(SIZE_BYTES), {
        backendIdentifier: 'b',
        isTakeOver: true,
      });
      await expect(second).rejects.toMatchObject({ errno: constants.errno.EINVAL });
      await rig.write(0, new Uint8Array(4096).fill(3));
    });

    test('a successor that comes while the old server lives is told so and changes nothing', async () => {
      const device = await attach(new MemoryServer(SIZE_BYTES));
      const second = attach(new MemoryServer(SIZE_BYTES), { isTakeOver: true });
      await expect(second).rejects.toThrow(device.path);
      expect(device.state).toBe('serving');
      await rig.write(0, new Uint8Array(4096).fill(4));
      expect((await rig.read(0, 4096))[0]).toBe(4);
    });

    test('a successor takes a device over, and I/O that waited goes on', async () => {
      const terms = { deadConnectionSeconds: 60, timeoutSeconds: 2, backendIdentifier: 'me' };
      const first = new MemoryServer(SIZE_BYTES);
      const old = await attach(first, terms);
      await rig.write(0, new Uint8Array(4096).fill(1));
      const dead = new Promise<void>((resolve) => old.watchLink(() => resolve()));
      for (const { nbd } of first.connections) nbd.abort('restart');
      await dead;
      const waiting = rig.write(4096, new Uint8Array(4096).fill(2));
      const second = new MemoryServer(SIZE_BYTES);
      await attach(second, { ...terms, isTakeOver: true });
      await waiting;
      expect((await rig.read(4096, 4096))[0]).toBe(2);
      attached.shift();
      old.abandon();
    });
  }
}

/** The same kernel, seen from where the netlink family is hidden. */
function withNetlink(binding: NativeBinding, hasNetlink: boolean): NativeBinding {
  return hasNetlink ? binding : { ...binding, hasNetlinkFamily: () => false };
}
