import { expect, it } from 'vitest';
import { ByteRegion } from '../byte-region.ts';
import { DEFAULT_REISSUE_POLICY } from '../tilelink/reissue-policy.ts';
import { MILLISECOND, SECOND } from '../units.ts';
import { RejectReason } from '../wire/reject-reason.ts';
import type { FrameTransport, TransportHandlers } from './frame-transport.ts';
import { RemoteMemory } from './remote-memory.ts';

/** A host whose clock, alarms and wire are in the hands of the test. */
function rig() {
  let now = 0;
  let onAlarm = (): void => {};
  let alarms = 0;
  let armedAt = Infinity;
  let handlers: TransportHandlers | undefined;
  let room = Infinity;
  const transport: FrameTransport = {
    mtuBytes: 1500,
    ownMac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    receiveRegion: ByteRegion.allocate(4096),
    receiveDescriptors: new Int32Array(2),
    start: (given) => {
      handlers = given;
    },
    sendBatch: (_region, _descriptors, _first, count) => Math.min(count, room),
    close: () => {},
  };
  const clock = {
    now: () => now,
    createAlarm: (callback: () => void) => {
      // The host's alarm is the first one; the next belongs to the opening.
      const isHosts = alarms++ === 0;
      if (isHosts) onAlarm = callback;
      return {
        arm: (at: number) => {
          if (isHosts) armedAt = at;
        },
        close: () => {},
      };
    },
  };
  const memory = new RemoteMemory(
    {
      peerMac: Uint8Array.of(2, 0, 0, 0, 0, 2),
      initiator: {
        base: { high: 0, low: 0 },
        sizeBytes: 4096,
        dataOrder: 'raw',
        window: 8,
        maxAccessLog2: 10,
        reissue: DEFAULT_REISSUE_POLICY,
        firstSource: 0,
      },
    },
    { transport, clock },
    { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} },
  );
  return {
    memory,
    open: () => void memory.open(SECOND),
    armedAt: () => armedAt,
    alarmAt: (at: number) => {
      now = at;
      onAlarm();
    },
    receive: (bytes: readonly number[]) => {
      transport.receiveRegion.bytes.set(bytes, 2);
      transport.receiveDescriptors.set([2, bytes.length]);
      handlers?.onReceiveBatch(1);
    },
    setRoom: (frames: number) => {
      room = frames;
    },
    writable: () => handlers?.onWritable(),
  };
}

it('resends when its alarm rings in time', () => {
  const { memory, open, armedAt, alarmAt } = rig();
  open();
  expect(memory.host.stats.framesSent).toBe(5);
  alarmAt(armedAt());
  expect(memory.link.stats.framesResent).toBe(5);
});

it('reads what may have arrived before it resends, when its alarm rings late', () => {
  const { memory, open, armedAt, alarmAt } = rig();
  open();
  const late = armedAt() + 50 * MILLISECOND;
  alarmAt(late);
  expect(memory.link.stats.framesResent).toBe(0);
  expect(armedAt()).toBe(late);
  alarmAt(late);
  expect(memory.link.stats.framesResent).toBe(5);
});

it('goes on where the transport was full', () => {
  const { memory, open, setRoom, writable } = rig();
  setRoom(2);
  open();
  expect(memory.host.stats.framesSent).toBe(2);
  expect(memory.host.stats.transmitBlocked).toBe(1);
  setRoom(Infinity);
  writable();
  expect(memory.host.stats.framesSent).toBe(5);
  expect(memory.link.stats.framesResent).toBe(0);
});

it('counts frames that are not for it, and remembers who sent them', () => {
  const { memory, open, receive } = rig();
  open();
  const me = [2, 0, 0, 0, 0, 1];
  const peer = [2, 0, 0, 0, 0, 2];
  const stranger = [2, 0, 0, 0, 0, 9];
  receive([...me, ...stranger, 0xaa, 0xaa]);
  receive([...stranger, ...peer, 0xaa, 0xaa]);
  receive([...me, ...peer, 0x08, 0x00]);
  receive([...me, ...peer]);
  receive([...me, ...peer, 0xaa, 0xaa, 0, 0]);
  const { rejected, foreignSources } = memory.host.stats;
  expect(rejected[RejectReason.foreignSource]).toBe(1);
  expect(rejected[RejectReason.foreignDestination]).toBe(1);
  expect(rejected[RejectReason.foreignEtherType]).toBe(1);
  expect(rejected[RejectReason.tooShort]).toBe(1);
  expect(memory.link.stats.rejected[RejectReason.tooShort]).toBe(1);
  expect(foreignSources.map((mac) => mac.at(-1))).toEqual([9, 2]);
});
