import { readMemory, writeMemory, zeroMemory, type ReadResult } from '../host/memory-calls.ts';
import { RemoteMemory, type CloseResult, type OpenResult } from '../host/remote-memory.ts';
import type { LinkConfig } from '../link/link-config.ts';
import type { PeerProfile } from '../link/peer-profile.ts';
import { ADDRESS_ZERO, type RemoteAddress } from '../remote-address.ts';
import type { DataOrder } from '../tilelink/data-order.ts';
import { MemoryRequest, type MemoryStatus } from '../tilelink/memory-request.ts';
import { DEFAULT_REISSUE_POLICY, type ReissuePolicy } from '../tilelink/reissue-policy.ts';
import type { ResponderConfig } from '../tilelink/responder.ts';
import { MILLISECOND, SECOND } from '../units.ts';
import { symmetricFaults, type FaultPlan } from './fault-plan.ts';
import { ArrayMemory, MemoryPeer } from './memory-peer.ts';
import { MAC_A, MAC_B, createMemoryLink, type MemoryLink } from './memory-transport.ts';
import { Prng } from './prng.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Settings of a `Dialogue`. */
export interface DialogueOptions {
  readonly seed?: number;
  readonly faults?: FaultPlan;
  readonly sizeBytes?: number;
  readonly base?: RemoteAddress;
  readonly mtuBytes?: number;
  /** Speed of the wire, each way. Default: no limit. */
  readonly rateBytesPerSecond?: number;
  readonly window?: number;
  readonly maxAccessLog2?: number;
  readonly dataOrder?: DataOrder;
  readonly profile?: PeerProfile;
  readonly reissue?: Partial<ReissuePolicy>;
  readonly initiatorLink?: Partial<LinkConfig>;
  readonly responderLink?: Partial<LinkConfig>;
  readonly responder?: Partial<ResponderConfig>;
}

/**
 * A driver's `RemoteMemory` and a `MemoryPeer` on a simulated wire in virtual time, with calls that
 * run until they are done. The short way to a test of the whole engine.
 */
export class Dialogue {
  readonly clock: VirtualClock = new VirtualClock();
  readonly wire: MemoryLink;
  readonly memory: ArrayMemory;
  readonly peer: MemoryPeer;
  readonly driver: RemoteMemory;
  /** What the driver's observer was told. */
  readonly notices: string[] = [];

  constructor(options: DialogueOptions = {}) {
    const base = options.base ?? ADDRESS_ZERO;
    const dataOrder = options.dataOrder ?? 'raw';
    const prng = new Prng(options.seed ?? 1);
    this.wire = createMemoryLink(this.clock, prng, {
      faults: options.faults ?? symmetricFaults({}),
      both: {
        mtuBytes: options.mtuBytes ?? 1500,
        ...(options.rateBytesPerSecond && { rateBytesPerSecond: options.rateBytesPerSecond }),
      },
    });
    this.memory = new ArrayMemory(options.sizeBytes ?? 1 << 20);
    this.peer = new MemoryPeer(
      this.memory,
      { transport: this.wire.b, clock: this.clock, peerMac: MAC_A },
      {
        responder: { base, dataOrder, ...options.responder },
        ...(options.responderLink && { link: options.responderLink }),
      },
    );
    this.driver = new RemoteMemory(
      {
        peerMac: MAC_B,
        initiator: {
          base,
          dataOrder,
          sizeBytes: this.memory.sizeBytes,
          window: options.window ?? 64,
          maxAccessLog2: options.maxAccessLog2 ?? 10,
          reissue: { ...DEFAULT_REISSUE_POLICY, ...options.reissue },
          firstSource: prng.nextUint32() & 0xffff,
        },
        ...(options.profile && { profile: options.profile }),
        ...(options.initiatorLink && { link: options.initiatorLink }),
      },
      { transport: this.wire.a, clock: this.clock },
      {
        onLost: () => this.notices.push('lost'),
        onRecovered: () => this.notices.push('recovered'),
        onEnded: () => this.notices.push('ended'),
      },
    );
  }

  async open(): Promise<OpenResult> {
    return this.#await(this.driver.open(5 * SECOND), 6 * SECOND);
  }

  async close(): Promise<CloseResult> {
    return this.#await(this.driver.close(), 3 * SECOND);
  }

  async read(offset: number, length: number): Promise<ReadResult> {
    return this.#await(readMemory(this.driver, offset, length), 60 * SECOND);
  }

  async write(offset: number, bytes: Uint8Array): Promise<MemoryStatus> {
    return this.#await(writeMemory(this.driver, offset, bytes), 60 * SECOND);
  }

  async zero(offset: number, length: number): Promise<MemoryStatus> {
    return this.#await(zeroMemory(this.driver, offset, length), 60 * SECOND);
  }

  /** Submits one request without letting time pass. */
  start(request: Partial<MemoryRequest>): Promise<MemoryStatus> {
    const done = new Promise<MemoryStatus>((resolve) => {
      const owner = { requestDone: (_: MemoryRequest, status: MemoryStatus) => resolve(status) };
      this.driver.submit(Object.assign(new MemoryRequest(owner), request));
    });
    this.driver.kick();
    return done;
  }

  /** Everything that a run may leave behind, as one value to compare with `NOTHING_LEFT`. */
  leftovers(): Record<string, number> {
    const { initiator, link } = this.driver;
    return {
      liveRequests: initiator.liveRequests,
      accessesInFlight: initiator.accessesInFlight,
      rangesLocked: initiator.rangesLocked,
      driverFrames: link.framesOutstanding,
      peerFrames: this.peer.link.framesOutstanding,
      answersWaiting: this.peer.responder.answersWaiting,
    };
  }

  /** Lets time pass until `promise` is settled; fails if it is not after `limitMicros`. */
  async #await<T>(promise: Promise<T>, limitMicros: number): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const end = this.clock.now() + limitMicros;
    await Promise.resolve();
    while (!isSettled && this.clock.now() < end) {
      const next = Math.min(this.clock.nextAt, this.clock.now() + MILLISECOND, end);
      this.clock.advanceTo(Math.max(next, this.clock.now()));
      await Promise.resolve();
    }
    if (!isSettled) throw new Error(`not done after ${limitMicros} us of virtual time`);
    return promise;
  }
}

/** What is left of each resource when a connection is quiet: nothing. */
export const NOTHING_LEFT: Readonly<Record<string, number>> = {
  liveRequests: 0,
  accessesInFlight: 0,
  rangesLocked: 0,
  driverFrames: 0,
  peerFrames: 0,
  answersWaiting: 0,
};
