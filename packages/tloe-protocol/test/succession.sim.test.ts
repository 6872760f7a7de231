import { describe, expect, it } from 'vitest';
import type { FrameTransport, TransportHandlers } from '../src/host/frame-transport.ts';
import { RemoteMemory, type OpenResult } from '../src/host/remote-memory.ts';
import { PEER_PROFILES } from '../src/link/peer-profile.ts';
import { ADDRESS_ZERO } from '../src/remote-address.ts';
import { Dialogue } from '../src/testing/dialogue.ts';
import { directionFaults, type FaultPlan } from '../src/testing/fault-plan.ts';
import { MAC_B } from '../src/testing/memory-transport.ts';
import { DEFAULT_REISSUE_POLICY } from '../src/tilelink/reissue-policy.ts';
import { MILLISECOND, SECOND } from '../src/units.ts';

const none = directionFaults({});

/** Loses these frames of one side. */
function losing(side: 'driver' | 'endpoint', ...frames: number[]): FaultPlan {
  const faulty = directionFaults({ script: frames.map((frame) => ({ kind: 'drop', frame })) });
  return side === 'driver'
    ? { forward: faulty, backward: none }
    : { forward: none, backward: faulty };
}

/** One MAC address, used by one driver after the other, as restarted programs do. */
class Succession {
  readonly dialogue: Dialogue;
  #handlers: TransportHandlers | undefined = undefined;
  #drivers = 0;

  constructor(faults: FaultPlan = { forward: none, backward: none }) {
    this.dialogue = new Dialogue({ faults });
    this.dialogue.wire.a.start({
      onReceiveBatch: (count) => this.#handlers?.onReceiveBatch(count),
      onWritable: () => this.#handlers?.onWritable(),
      onFailure: (error) => this.#handlers?.onFailure(error),
    });
  }

  /** A driver that has nothing of its predecessors but the address. */
  next(): RemoteMemory {
    const { wire, memory, clock } = this.dialogue;
    const transport: FrameTransport = {
      mtuBytes: wire.a.mtuBytes,
      ownMac: wire.a.ownMac,
      receiveRegion: wire.a.receiveRegion,
      receiveDescriptors: wire.a.receiveDescriptors,
      start: (handlers) => {
        this.#handlers = handlers;
      },
      sendBatch: (region, descriptors, first, count) =>
        wire.a.sendBatch(region, descriptors, first, count),
      close: () => {
        this.#handlers = undefined;
      },
    };
    const initiator = {
      base: ADDRESS_ZERO,
      sizeBytes: memory.sizeBytes,
      dataOrder: 'raw',
      window: 64,
      maxAccessLog2: 10,
      reissue: DEFAULT_REISSUE_POLICY,
      firstSource: 1000 * ++this.#drivers,
    } as const;
    const observer = { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} };
    return new RemoteMemory({ peerMac: MAC_B, initiator }, { transport, clock }, observer);
  }

  /** Opens, within five seconds of virtual time. */
  async open(driver: RemoteMemory): Promise<OpenResult> {
    const opening = driver.open(5 * SECOND);
    this.dialogue.clock.advanceBy(6 * SECOND);
    return opening;
  }
}

describe('regressions: a driver that follows another with the same address', () => {
  it.each([1, 50, 99, 101, 150])('opens %i ms after an idle one has died', async (gap) => {
    const succession = new Succession();
    const { clock } = succession.dialogue;
    const first = succession.next();
    void first.open(SECOND);
    clock.advanceBy(5 * MILLISECOND);
    first.host.close();
    clock.advanceBy(gap * MILLISECOND);
    expect(await succession.open(succession.next())).toMatchObject({ isOpen: true });
  });

  it('opens after one that died with a part of the grants', async () => {
    const succession = new Succession(losing('endpoint', 3, 4));
    const { clock } = succession.dialogue;
    const first = succession.next();
    void first.open(SECOND);
    clock.advanceBy(2 * MILLISECOND);
    first.host.close();
    clock.advanceBy(10 * SECOND);
    for (let i = 0; i < 3; i++) {
      const driver = succession.next();
      expect(await succession.open(driver)).toMatchObject({ isOpen: true });
      driver.host.close();
      clock.advanceBy(60 * SECOND);
    }
  });
});

it('regression: an Open that gets lost is resent to a peer that never resends', async () => {
  const profile = PEER_PROFILES.memnode;
  const dialogue = new Dialogue({ profile, faults: losing('driver', 0) });
  expect(await dialogue.open()).toMatchObject({ isOpen: true });
});
