import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RawSocket } from '../src/index.ts';
import { openError } from '../src/errors.ts';
import { bindingContract } from './binding-contract.ts';
import type { BindingRig } from './binding-contract.ts';
import {
  ETHER_TYPE,
  Inbox,
  hex,
  loopTurn,
  numberedFrame,
  slabOf,
  until,
} from './frame-exchange.ts';
import * as network from './private-network.ts';
import { makeVethRig } from './veth-rig.ts';

const obstacle = network.obstacleToNativeTests();
const packageRoot = fileURLToPath(new URL('..', import.meta.url));

describe.skipIf(obstacle !== undefined)('native binding on a veth pair', () => {
  // Some send a thousand frames at once.
  bindingContract('native, with a ring', makeVethRig, { receiveRingFrames: 2048 });
  bindingContract('native, by recvmmsg', makeVethRig, { receiveRingFrames: 0 });

  describe('traffic', () => {
    let rig: BindingRig;
    beforeEach(() => {
      rig = makeVethRig();
    });
    afterEach(() => rig.dispose());

    for (const mtuBytes of [1500, 9000]) {
      for (const ring of [512, 0]) {
        const how = ring === 0 ? 'by recvmmsg' : 'in a ring';
        test(`exchanges 100 000 frames of up to MTU ${mtuBytes} intact, in order, ${how}`, async () => {
          rig.setMtu(mtuBytes);
          await exchangeManyFrames(rig, { count: 100_000, mtuBytes, receiveRingFrames: ring });
        });
      }
    }

    test('a ring that is full drops frames, counts them, and goes on when it is read', async () => {
      const left = RawSocket.open({ interfaceName: rig.left, etherType: ETHER_TYPE });
      const narrow = { etherType: ETHER_TYPE, receiveRingFrames: 1 };
      const right = RawSocket.open({ interfaceName: rig.right, ...narrow });
      const route = { to: right.ownMac, from: left.ownMac };
      const frames = Array.from({ length: 200 }, (_, i) => numberedFrame(route, i, 64));
      const slab = slabOf(frames);
      left.sendBatch(slab, slab.descriptors, 0, frames.length);
      const inbox = Inbox.start(right);
      // A block of the ring holds 40 of them.
      const kept = await inbox.received(40);
      await rig.settle();
      expect(hex(kept)).toEqual(hex(frames.slice(0, 40)));
      expect(right.counters()).toMatchObject({ framesReceived: 40, kernelDrops: 160 });
      left.sendBatch(slab, slab.descriptors, 40, 10);
      expect(hex(await inbox.received(50)).slice(40)).toEqual(hex(frames.slice(40, 50)));
      left.close();
      right.close();
    });

    test('a ring full of frames that outgrow it does not stand still, nor keep anybody busy', async () => {
      const narrow = { etherType: ETHER_TYPE, receiveRingFrames: 1 };
      const right = Inbox.start(RawSocket.open({ interfaceName: rig.right, ...narrow }));
      rig.setMtu(9000);
      const left = RawSocket.open({ interfaceName: rig.left, etherType: ETHER_TYPE });
      const route = { to: right.socket.ownMac, from: left.ownMac };
      const large = slabOf(Array.from({ length: 8 }, (_, i) => numberedFrame(route, i, 4000)));
      // More than the ring has slots, a few at a time.
      for (let sent = 0; sent < 80; sent += 8) {
        left.sendBatch(large, large.descriptors, 0, 8);
        await rig.settle();
      }
      const before = right.socket.counters();
      expect(before).toMatchObject({ receiveTruncated: 80, kernelDrops: 0 });
      await rig.settle();
      expect(right.socket.counters().receiveCalls).toBe(before.receiveCalls);
      const small = slabOf([numberedFrame(route, 1, 64)]);
      left.sendBatch(small, small.descriptors, 0, 1);
      expect(await right.received(1)).toHaveLength(1);
      left.close();
      right.socket.close();
    });

    test('rests between two looks while a crowd of frames is awaited', async () => {
      const looks = await looksWhileAwaiting(rig, 1000);
      // 50 us each; the first half millisecond tells that they are many.
      expect(looks.count).toBeLessThan(looks.micros / 50 + 600);
    });

    test('memory of a closed socket can still be looked at', () => {
      const socket = RawSocket.open({ interfaceName: rig.left, etherType: ETHER_TYPE });
      const { bytes } = socket.receiveRegion;
      socket.close();
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    });

    test('exchanges frames while it spins for them, and timers keep their turns', async () => {
      let timerCalls = 0;
      const timer = setInterval(() => timerCalls++, 1);
      await exchangeManyFrames(rig, { count: 30_000, mtuBytes: 1500, busyPollMicros: 200 });
      clearInterval(timer);
      expect(timerCalls).toBeGreaterThan(0);
    });

    test('stops spinning when no more frames come', async () => {
      const options = { etherType: ETHER_TYPE, busyPollMicros: 500 };
      const left = Inbox.start(RawSocket.open({ interfaceName: rig.left, ...options }));
      const right = Inbox.start(RawSocket.open({ interfaceName: rig.right, ...options }));
      const route = { to: right.socket.ownMac, from: left.socket.ownMac };
      const slab = slabOf([numberedFrame(route, 1, 64)]);
      left.socket.sendBatch(slab, slab.descriptors, 0, 1);
      await right.received(1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const before = right.socket.counters().receiveCalls;
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(right.socket.counters().receiveCalls).toBe(before);
      left.socket.close();
      right.socket.close();
    });

    test('an exception in a handler reaches the process and leaves the socket usable', async () => {
      const left = Inbox.start(RawSocket.open({ interfaceName: rig.left, etherType: ETHER_TYPE }));
      const right = Inbox.start(
        RawSocket.open({ interfaceName: rig.right, etherType: ETHER_TYPE }),
      );
      const route = { to: right.socket.ownMac, from: left.socket.ownMac };
      const slab = slabOf([numberedFrame(route, 1, 64)]);
      const thrown = new Error('planned');
      const uncaught: unknown[] = [];
      const usual = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.on('uncaughtException', (error) => uncaught.push(error));
      right.afterBatch = () => {
        right.afterBatch = undefined;
        throw thrown;
      };
      left.socket.sendBatch(slab, slab.descriptors, 0, 1);
      await until('the exception', () => uncaught.length > 0);
      process.removeAllListeners('uncaughtException');
      for (const listener of usual) process.on('uncaughtException', listener);
      expect(uncaught).toEqual([thrown]);
      left.socket.sendBatch(slab, slab.descriptors, 0, 1);
      expect(await right.received(2)).toHaveLength(2);
      left.socket.close();
      right.socket.close();
    });
  });

  describe('permission', () => {
    test('tells what is missing when the capability is', () => {
      // No capability survives: neither in the bounding set nor in the ambient one.
      const script = fileURLToPath(
        new URL('./fixtures/open-without-permission.mjs', import.meta.url),
      );
      const output = execFileSync(
        'setpriv',
        ['--bounding-set=-net_raw', '--inh-caps=-net_raw', process.execPath, script].concat([
          packageRoot,
          'lo',
        ]),
        { encoding: 'utf8' },
      );
      const said = JSON.parse(output) as { syscall: string; errno: number };
      expect(said).toEqual({ syscall: 'socket', errno: 1 });
      const error = openError('lo', Object.assign(new Error('socket'), said));
      expect(error).toMatchObject({ code: 'ERR_RAWSOCK_PERMISSION', syscall: 'socket', errno: 1 });
      expect((error as Error).message).toMatch(/CAP_NET_RAW.*sudo/);
    });
  });
});

interface ManyFrames {
  readonly count: number;
  readonly mtuBytes: number;
  readonly busyPollMicros?: number;
  readonly receiveRingFrames?: number;
}

/**
 * Sends numbered frames from left to right, at most 400 on the way at a time, with a window that
 * the right end opens by one frame per batch. Checks number and every byte of each.
 */
async function exchangeManyFrames(rig: BindingRig, plan: ManyFrames): Promise<void> {
  const { busyPollMicros, receiveRingFrames } = plan;
  const common = { etherType: ETHER_TYPE, busyPollMicros, receiveRingFrames };
  const left = RawSocket.open({ ...common, interfaceName: rig.left });
  const right = RawSocket.open({ ...common, interfaceName: rig.right, peerMac: left.ownMac });
  const route = { to: right.ownMac, from: left.ownMac };
  const back = { to: left.ownMac, from: right.ownMac };
  const lengths = [46, 70, 1056, plan.mtuBytes, 333];
  const samples = Array.from({ length: 1280 }, (_, i) =>
    Buffer.from(numberedFrame(route, i, lengths[i % lengths.length] as number)),
  );
  const slab = slabOf(samples);
  const credit = slabOf([numberedFrame(back, 0, 46)]);
  const progress = { sent: 0, received: 0, wrong: 0, credits: 0 };

  function sendSome(): void {
    while (progress.sent < plan.count && progress.sent - progress.received < 400 - 32) {
      const first = progress.sent % samples.length;
      const count = Math.min(32, samples.length - first, plan.count - progress.sent);
      const taken = left.sendBatch(slab, slab.descriptors, first, count);
      progress.sent += taken;
      if (taken < count) return;
    }
  }
  function check(count: number): void {
    const bytes = right.receiveRegion.bytes;
    for (let i = 0; i < count; i++) {
      const offset = right.receiveDescriptors[2 * i] as number;
      const end = offset + (right.receiveDescriptors[2 * i + 1] as number);
      const expected = samples[progress.received % samples.length] as Buffer;
      if (expected.compare(bytes, offset, end) !== 0) progress.wrong++;
      progress.received++;
    }
    right.sendBatch(credit, credit.descriptors, 0, 1);
  }
  const onFailure = (error: Error) => {
    throw error;
  };
  right.start({ onReceiveBatch: check, onWritable: () => undefined, onFailure });
  left.start({
    onReceiveBatch: (count) => {
      progress.credits += count;
      sendSome();
    },
    onWritable: sendSome,
    onFailure,
  });
  sendSome();
  await until('all frames', () => progress.received >= plan.count, 60_000);
  await rig.settle();
  left.close();
  right.close();
  expect(progress).toMatchObject({ sent: plan.count, received: plan.count, wrong: 0 });
  expect(progress.credits).toBe(right.counters().framesSent);
  expect(right.counters()).toMatchObject({ kernelDrops: 0, receiveTruncated: 0 });
}

/** How often a socket looks for frames while they come steadily, a few at each turn of the loop. */
async function looksWhileAwaiting(
  rig: BindingRig,
  awaited: number,
): Promise<{ count: number; micros: number }> {
  const left = RawSocket.open({ interfaceName: rig.left, etherType: ETHER_TYPE });
  const right = Inbox.start(RawSocket.open({ interfaceName: rig.right, etherType: ETHER_TYPE }));
  right.socket.awaited[0] = awaited;
  const route = { to: right.socket.ownMac, from: left.ownMac };
  const slab = slabOf([numberedFrame(route, 1, 64)]);
  const begun = performance.now();
  let frames = 0;
  while (performance.now() - begun < 100) {
    for (let i = 0; i < 4; i++) frames += left.sendBatch(slab, slab.descriptors, 0, 1);
    await loopTurn();
  }
  const micros = (performance.now() - begun) * 1e3;
  await right.received(frames);
  const { receiveCalls } = right.socket.counters();
  left.close();
  right.socket.close();
  return { count: receiveCalls, micros };
}
