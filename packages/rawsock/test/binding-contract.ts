import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RawSocket, RawSocketError, interfaceInfo, listInterfaces } from '../src/index.ts';
import type { NativeBinding, RawSocketOptions } from '../src/index.ts';
import { ETHER_TYPE, Inbox, hex, numberedFrame, sendAll, slabOf } from './frame-exchange.ts';
import { until } from './frame-exchange.ts';
import type { Route } from './frame-exchange.ts';

/** Two interfaces joined by a cable, and what a test may do to them. */
export interface BindingRig {
  readonly binding: NativeBinding;
  readonly left: string;
  readonly right: string;
  setUp(name: string, isUp: boolean): void;
  setMtu(mtuBytes: number): void;
  remove(name: string): void;
  /** Makes `left` take a few dozen frames and then be full, for a moment each time. */
  clog(kind: 'socket-full' | 'device-full'): void;
  /** Waits until all that is under way has arrived. */
  settle(): Promise<void>;
  dispose(): void;
}

/** What every NativeBinding does, seen through RawSocket; `always`: what all sockets are given. */
export function bindingContract(
  title: string,
  makeRig: () => BindingRig,
  always: Partial<RawSocketOptions> = {},
): void {
  let rig: BindingRig;
  const opened: RawSocket[] = [];

  beforeEach(() => {
    rig = makeRig();
  });
  afterEach(() => {
    for (const socket of opened.splice(0)) socket.close();
    rig.dispose();
  });

  function open(interfaceName: string, options: Partial<RawSocketOptions> = {}): RawSocket {
    const all = { interfaceName, etherType: ETHER_TYPE, ...always, ...options };
    const socket = RawSocket.open(all, rig.binding);
    opened.push(socket);
    return socket;
  }

  /** Both ends, started. */
  function openBoth(rightOptions: Partial<RawSocketOptions> = {}) {
    const left = Inbox.start(open(rig.left));
    const right = Inbox.start(open(rig.right, rightOptions));
    const toRight: Route = { to: right.socket.ownMac, from: left.socket.ownMac };
    const toLeft: Route = { to: left.socket.ownMac, from: right.socket.ownMac };
    return { left, right, toRight, toLeft };
  }

  function thrownBy(run: () => unknown): unknown {
    try {
      run();
    } catch (error) {
      return error;
    }
    return undefined;
  }

  describe(`${title}: interfaces`, () => {
    test('lists the interfaces and tells the facts of each', () => {
      expect(listInterfaces(rig.binding)).toEqual(expect.arrayContaining([rig.left, rig.right]));
      const info = interfaceInfo(rig.left, rig.binding);
      expect(info).toMatchObject({ name: rig.left, mtuBytes: 1500, isUp: true, hasCarrier: true });
      expect(info).toMatchObject({ isLoopback: false, isEthernet: true });
      expect(info?.mac).toHaveLength(6);
      expect(info?.index).toBeGreaterThan(0);
    });

    test('knows nothing of an interface that does not exist', () => {
      for (const name of ['nosuch0', '', 'much-too-long-for-an-interface', `${rig.left}:1`]) {
        expect(interfaceInfo(name, rig.binding)).toBeUndefined();
      }
    });

    test('tells that an interface is down', () => {
      rig.setUp(rig.left, false);
      const info = interfaceInfo(rig.left, rig.binding);
      expect(info).toMatchObject({ isUp: false, hasCarrier: false });
    });
  });

  describe(`${title}: opening`, () => {
    test('names the interfaces that exist when asked for another', () => {
      const error = thrownBy(() => open('nosuch0'));
      expect(error).toBeInstanceOf(RawSocketError);
      expect(error).toMatchObject({ code: 'ERR_RAWSOCK_NO_INTERFACE', interfaceName: 'nosuch0' });
      expect((error as Error).message).toContain(rig.left);
    });

    test('opens on an interface that is down, unless it is asked not to', () => {
      rig.setUp(rig.left, false);
      expect(open(rig.left).interfaceInfo.isUp).toBe(false);
      const error = thrownBy(() => open(rig.left, { requireUp: true }));
      expect(error).toMatchObject({ code: 'ERR_RAWSOCK_INTERFACE_DOWN' });
    });

    test('tells MTU and MAC address of its interface', () => {
      const socket = open(rig.left);
      expect(socket.mtuBytes).toBe(1500);
      expect(socket.ownMac).toEqual(interfaceInfo(rig.left, rig.binding)?.mac);
    });
  });

  describe(`${title}: exchange`, () => {
    test('carries frames of every length intact and in order, both ways', async () => {
      const { left, right, toRight, toLeft } = openBoth();
      const lengths = [46, 47, 48, 63, 64, 65, 100, 512, 1023, 1024, 1499, 1500];
      const there = lengths.map((length, i) => numberedFrame(toRight, i, length));
      const back = lengths.map((length, i) => numberedFrame(toLeft, 1000 + i, length));
      await sendAll(left, there);
      await sendAll(right, back);
      expect(await right.received(there.length)).toEqual(there);
      expect(await left.received(back.length)).toEqual(back);
    });

    test('aligns what follows the MAC header to 8 bytes', async () => {
      const { left, right, toRight } = openBoth();
      await sendAll(
        left,
        [0, 1, 2].map((i) => numberedFrame(toRight, i, 100)),
      );
      await right.received(3);
      expect(right.offsets.map((offset) => offset % 8)).toEqual([2, 2, 2]);
    });

    test('delivers many frames in batches of at most receiveSlots', async () => {
      const { left, right, toRight } = openBoth({ receiveSlots: 16 });
      const frames = Array.from({ length: 1000 }, (_, i) => numberedFrame(toRight, i, 200));
      await sendAll(left, frames);
      expect(hex(await right.received(1000))).toEqual(hex(frames));
      expect(Math.max(...right.batches)).toBeLessThanOrEqual(16);
      expect(right.batches.length).toBeLessThan(1000);
    });

    test('sends the part of a descriptor table that it is told', async () => {
      const { left, right, toRight } = openBoth();
      const frames = [0, 1, 2, 3, 4].map((i) => numberedFrame(toRight, i, 64));
      const slab = slabOf(frames);
      expect(left.socket.sendBatch(slab, slab.descriptors, 1, 3)).toBe(3);
      expect(left.socket.sendBatch(slab, slab.descriptors, 0, 0)).toBe(0);
      await right.received(3);
      await rig.settle();
      expect(right.frames).toEqual(frames.slice(1, 4));
    });

    test('does not hear what it sends itself', async () => {
      const { left, right, toRight } = openBoth();
      await sendAll(left, [numberedFrame(toRight, 1, 64)]);
      await right.received(1);
      await rig.settle();
      expect(left.frames).toEqual([]);
    });

    test('keeps what arrives between open and start', async () => {
      const receiver = open(rig.right);
      const left = Inbox.start(open(rig.left));
      const frame = numberedFrame({ to: receiver.ownMac, from: left.socket.ownMac }, 7, 64);
      await sendAll(left, [frame]);
      await rig.settle();
      expect(await Inbox.start(receiver).received(1)).toEqual([frame]);
    });

    test('counts what it did', async () => {
      const { left, right, toRight } = openBoth();
      await sendAll(
        left,
        [0, 1, 2].map((i) => numberedFrame(toRight, i, 86)),
      );
      await right.received(3);
      const sent = left.socket.counters();
      expect(sent).toMatchObject({ framesSent: 3, bytesSent: 300, sendCalls: 1, sendErrors: 0 });
      const received = right.socket.counters();
      expect(received).toMatchObject({ framesReceived: 3, bytesReceived: 300, kernelDrops: 0 });
      expect(received.receiveCalls).toBeGreaterThan(0);
    });
  });

  describe(`${title}: filter`, () => {
    const stranger = Uint8Array.of(2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee);

    test('leaves frames of another EtherType in the kernel', async () => {
      const { left, right, toRight } = openBoth();
      await sendAll(left, [
        numberedFrame({ ...toRight, etherType: 0xaaab }, 1, 64),
        numberedFrame(toRight, 2, 64),
      ]);
      await right.received(1);
      await rig.settle();
      expect(right.frames).toEqual([numberedFrame(toRight, 2, 64)]);
    });

    test('lets a monitor hear whole frames of everybody in both directions, with their times', async () => {
      const monitor = Inbox.start(open(rig.left, { monitor: true }));
      const left = Inbox.start(open(rig.left, { bypassQdisc: false }));
      const right = Inbox.start(open(rig.right));
      const toLeft: Route = { to: left.socket.ownMac, from: right.socket.ownMac };
      const toStranger: Route = { to: stranger, from: right.socket.ownMac };
      const sent = numberedFrame({ to: right.socket.ownMac, from: left.socket.ownMac }, 1, 64);
      const received = [numberedFrame(toLeft, 2, 64), numberedFrame(toStranger, 3, 64)];
      await sendAll(left, [sent]);
      await right.received(1);
      await sendAll(right, [...received, numberedFrame({ ...toLeft, etherType: 0xaaab }, 4, 64)]);
      expect(await monitor.received(3)).toEqual([sent, ...received]);
      await rig.settle();
      expect(monitor.frames).toHaveLength(3);
      const { receiveTimes } = monitor.socket;
      expect(Math.abs((receiveTimes?.[0] ?? 0) - Date.now() / 1000)).toBeLessThan(60);
      expect(left.socket.receiveTimes).toBeUndefined();
    });

    test('shows a monitor nothing of what bypasses the queue of its interface', async () => {
      const monitor = Inbox.start(open(rig.left, { monitor: true }));
      const { left, right, toRight } = openBoth();
      await sendAll(left, [numberedFrame(toRight, 1, 64)]);
      await right.received(1);
      await rig.settle();
      expect(monitor.frames).toEqual([]);
    });

    test('cuts frames for somebody else to their MAC header', async () => {
      const { left, right, toRight } = openBoth();
      const foreign = { to: stranger, from: toRight.from };
      const everybody = { to: new Uint8Array(6).fill(0xff), from: toRight.from };
      await sendAll(left, [
        numberedFrame(foreign, 1, 64),
        numberedFrame(everybody, 2, 64),
        numberedFrame(toRight, 3, 64),
      ]);
      expect(await right.received(3)).toEqual([
        numberedFrame(foreign, 0, 0),
        numberedFrame(everybody, 0, 0),
        numberedFrame(toRight, 3, 64),
      ]);
    });

    test('cuts frames of other senders once it has a peer, from open on', async () => {
      const { left, right, toRight } = openBoth({ peerMac: stranger });
      await sendAll(left, [
        numberedFrame(toRight, 1, 64),
        numberedFrame({ to: toRight.to, from: stranger }, 2, 64),
      ]);
      expect(await right.received(2)).toEqual([
        numberedFrame(toRight, 0, 0),
        numberedFrame({ to: toRight.to, from: stranger }, 2, 64),
      ]);
    });

    test('compares MAC addresses in all their bytes', async () => {
      const { left, right, toRight } = openBoth({ peerMac: open(rig.left).ownMac });
      for (let i = 0; i < 6; i++) {
        const to = toRight.to.slice();
        const from = toRight.from.slice();
        to[i] = (to[i] as number) ^ 4;
        from[i] = (from[i] as number) ^ 4;
        await sendAll(left, [
          numberedFrame({ to, from: toRight.from }, i, 64),
          numberedFrame({ to: toRight.to, from }, i, 64),
        ]);
      }
      await right.received(12);
      expect(right.frames.map((frame) => frame.length)).toEqual(Array(12).fill(14));
    });

    test('changes its peer at run time', async () => {
      const { left, right, toRight } = openBoth();
      const lengths: number[] = [];
      for (const peer of [stranger, toRight.from, undefined]) {
        right.socket.setPeerMac(peer);
        await sendAll(left, [numberedFrame(toRight, 1, 64)]);
        lengths.push((await right.received(lengths.length + 1)).at(-1)?.length ?? 0);
      }
      expect(lengths).toEqual([14, 78, 78]);
    });
  });

  describe(`${title}: limits`, () => {
    for (const kind of ['socket-full', 'device-full'] as const) {
      test(`takes part of a batch and tells when to go on (${kind})`, async () => {
        rig.clog(kind);
        const sendBufferBytes = kind === 'socket-full' ? 32 * 1024 : 16 * 1024 * 1024;
        const left = Inbox.start(open(rig.left, { bypassQdisc: false, sendBufferBytes }));
        const right = Inbox.start(open(rig.right));
        const route = { to: right.socket.ownMac, from: left.socket.ownMac };
        const frames = Array.from({ length: 500 }, (_, i) => numberedFrame(route, i, 1000));
        const record = await sendAll(left, frames);
        expect(record.shortCalls).toBeGreaterThan(0);
        expect(hex(await right.received(500))).toEqual(hex(frames));
        expect(left.socket.counters()).toMatchObject({ framesSent: 500, sendErrors: 0 });
        expect(left.socket.counters().sendBlocked).toBe(record.shortCalls);
        // Once there is room and nobody waits, nobody is told.
        const { writableCalls } = left;
        await rig.settle();
        expect(left.writableCalls).toBe(writableCalls);
      });
    }

    test('skips and counts a frame that no interface of this MTU can carry', async () => {
      const { left, right, toRight } = openBoth();
      const sound = [1, 2].map((i) => numberedFrame(toRight, i, 64));
      const tooLong = numberedFrame(toRight, 3, 2000);
      const tooShort = new Uint8Array(5);
      const [first, second] = sound as [Uint8Array, Uint8Array];
      const record = await sendAll(left, [tooLong, first, tooShort, tooLong, second]);
      expect(record.shortCalls).toBe(0);
      expect(await right.received(2)).toEqual(sound);
      expect(left.socket.counters()).toMatchObject({ framesSent: 2, sendErrors: 3 });
    });

    test('refuses descriptors that point outside their region', () => {
      const { left } = openBoth();
      const region = { bytes: new Uint8Array(100) };
      const wrong = [
        [90, 11],
        [-1, 20],
        [0, -1],
        [101, 0],
        [2147483647, 2147483647],
      ];
      for (const pair of wrong) {
        const descriptors = Int32Array.from(pair);
        expect(() => left.socket.sendBatch(region, descriptors, 0, 1)).toThrow(RangeError);
      }
      const single = Int32Array.of(0, 100);
      expect(() => left.socket.sendBatch(region, single, 0, 2)).toThrow(RangeError);
      expect(() => left.socket.sendBatch(region, single, 1, 1)).toThrow(RangeError);
      expect(() => left.socket.sendBatch(region, single, -1, 1)).toThrow(RangeError);
      expect(() => left.socket.sendBatch(region, single, 0, -1)).toThrow(RangeError);
      expect(left.socket.counters().framesSent).toBe(0);
    });

    test('drops and counts frames that outgrow its slots', async () => {
      const right = Inbox.start(open(rig.right));
      rig.setMtu(9000);
      const left = Inbox.start(open(rig.left));
      const route = { to: right.socket.ownMac, from: left.socket.ownMac };
      await sendAll(left, [numberedFrame(route, 1, 4000), numberedFrame(route, 2, 1500)]);
      expect(await right.received(1)).toEqual([numberedFrame(route, 2, 1500)]);
      expect(right.socket.counters()).toMatchObject({ framesReceived: 1, receiveTruncated: 1 });
    });

    test('counts what the kernel dropped because nobody read', async () => {
      const receiveRingFrames = Math.min(1, always.receiveRingFrames ?? 0);
      const slow = open(rig.right, { receiveBufferBytes: 4096, receiveRingFrames });
      const left = Inbox.start(open(rig.left));
      const route = { to: slow.ownMac, from: left.socket.ownMac };
      await sendAll(
        left,
        Array.from({ length: 200 }, (_, i) => numberedFrame(route, i, 1000)),
      );
      await rig.settle();
      const dropped = slow.counters().kernelDrops;
      expect(dropped).toBeGreaterThan(0);
      const { frames } = Inbox.start(slow);
      await until('the rest', () => frames.length + dropped === 200);
      expect(slow.counters().kernelDrops).toBe(dropped);
    });
  });

  describe(`${title}: outages`, () => {
    test('loses frames while the interface is down and goes on when it is up', async () => {
      const { left, right, toRight } = openBoth();
      rig.setUp(rig.left, false);
      await rig.settle();
      const lost = await sendAll(
        left,
        [1, 2, 3].map((i) => numberedFrame(toRight, i, 64)),
      );
      expect(lost.shortCalls).toBe(0);
      expect(left.socket.counters()).toMatchObject({ framesSent: 0, sendErrors: 3 });
      rig.setUp(rig.left, true);
      await until('the carrier', () => isReady(rig.left) && isReady(rig.right));
      await sendAll(left, [numberedFrame(toRight, 4, 64)]);
      expect(await right.received(1)).toEqual([numberedFrame(toRight, 4, 64)]);
      expect([left.failures, right.failures]).toEqual([[], []]);
    });

    test('hears again after its own interface was down', async () => {
      const { left, right, toRight } = openBoth();
      for (let i = 0; i < 3; i++) {
        rig.setUp(rig.right, false);
        await rig.settle();
        rig.setUp(rig.right, true);
        await until('the carrier', () => isReady(rig.left) && isReady(rig.right));
        await sendAll(left, [numberedFrame(toRight, i, 64)]);
        expect((await right.received(i + 1)).at(-1)).toEqual(numberedFrame(toRight, i, 64));
      }
      expect(right.failures).toEqual([]);
    });

    test('loses frames while nobody is at the other end of the cable', async () => {
      const { left, right, toRight } = openBoth();
      rig.setUp(rig.right, false);
      const lost = await sendAll(
        left,
        [1, 2].map((i) => numberedFrame(toRight, i, 64)),
      );
      expect(lost.shortCalls).toBe(0);
      await rig.settle();
      expect(right.frames).toEqual([]);
    });

    test('comes to life when an interface that was down at open is switched on', async () => {
      rig.setUp(rig.right, false);
      const right = Inbox.start(open(rig.right));
      await rig.settle();
      rig.setUp(rig.right, true);
      await until('the carrier', () => isReady(rig.left) && isReady(rig.right));
      const left = Inbox.start(open(rig.left));
      const frame = numberedFrame({ to: right.socket.ownMac, from: left.socket.ownMac }, 1, 64);
      await sendAll(left, [frame]);
      expect(await right.received(1)).toEqual([frame]);
    });

    test('fails once, readably, when the interface is removed', async () => {
      const { left, toRight } = openBoth();
      rig.remove(rig.left);
      await until('the failure', () => left.failures.length > 0);
      const [error] = left.failures;
      expect(error).toBeInstanceOf(RawSocketError);
      expect(error).toMatchObject({ code: 'ERR_RAWSOCK_NO_INTERFACE', interfaceName: rig.left });
      const record = await sendAll(left, [numberedFrame(toRight, 1, 64)]);
      expect(record.shortCalls).toBe(0);
      expect(left.socket.counters()).toMatchObject({ framesSent: 0, sendErrors: 1 });
      await rig.settle();
      expect(left.failures).toHaveLength(1);
    });

    test('fails when the interface is removed while it was down', async () => {
      const { left } = openBoth();
      rig.setUp(rig.left, false);
      await rig.settle();
      rig.remove(rig.left);
      await until('the failure', () => left.failures.length > 0);
      expect(left.failures).toHaveLength(1);
    });

    function isReady(name: string): boolean {
      return interfaceInfo(name, rig.binding)?.hasCarrier === true;
    }
  });

  describe(`${title}: closing`, () => {
    test('can be closed twice, and says so to whoever uses it afterwards', () => {
      const socket = open(rig.left);
      socket.close();
      socket.close();
      expect(socket.isOpen).toBe(false);
      const closed = expect.objectContaining({ code: 'ERR_RAWSOCK_CLOSED' }) as unknown;
      expect(thrownBy(() => socket.sendBatch(slabOf([]), new Int32Array(2), 0, 0))).toEqual(closed);
      expect(thrownBy(() => socket.setPeerMac(undefined))).toEqual(closed);
      expect(thrownBy(() => socket.start(new Inbox(socket)))).toEqual(closed);
    });

    test('keeps its counters after it was closed', async () => {
      const { left, right, toRight } = openBoth();
      await sendAll(left, [numberedFrame(toRight, 1, 86)]);
      await right.received(1);
      left.socket.close();
      right.socket.close();
      expect(left.socket.counters()).toMatchObject({ framesSent: 1, bytesSent: 100 });
      expect(right.socket.counters()).toMatchObject({ framesReceived: 1 });
    });

    test('may be closed by its own handler, which is then not called again', async () => {
      const { left, right, toRight } = openBoth({ receiveSlots: 4 });
      right.afterBatch = () => right.socket.close();
      await sendAll(
        left,
        Array.from({ length: 40 }, (_, i) => numberedFrame(toRight, i, 64)),
      );
      await until('a batch', () => right.batches.length > 0);
      await rig.settle();
      expect(right.batches).toHaveLength(1);
    });

    test('calls nobody after close, whatever is under way', async () => {
      const { left, right, toRight } = openBoth();
      await sendAll(
        left,
        Array.from({ length: 100 }, (_, i) => numberedFrame(toRight, i, 64)),
      );
      right.socket.close();
      rig.remove(rig.right);
      await rig.settle();
      expect([right.batches, right.writableCalls, right.failures]).toEqual([[], 0, []]);
    });

    test('calls handlers from the event loop only, never from inside a method', async () => {
      const { left, right, toRight, toLeft } = openBoth();
      await sendAll(left, [numberedFrame(toRight, 1, 64)]);
      const frames = slabOf([numberedFrame(toLeft, 2, 64)]);
      right.socket.sendBatch(frames, frames.descriptors, 0, 1);
      expect([left.batches, right.batches]).toEqual([[], []]);
      await left.received(1);
      await right.received(1);
    });

    test('the next socket on the same interface works', async () => {
      open(rig.right).close();
      const { left, right, toRight } = openBoth();
      await sendAll(left, [numberedFrame(toRight, 1, 64)]);
      expect(await right.received(1)).toHaveLength(1);
    });
  });
}
