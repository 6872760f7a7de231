import { createVirtualEndpoint, type VirtualEndpoint } from '@oxmem/sim-endpoint';
import {
  DEFAULT_REISSUE_POLICY,
  RemoteMemory,
  RequestKind,
  SECOND,
  type MemoryRequest,
  type Micros,
  type OpenResult,
  type RemoteAddress,
} from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';

import type { MemoryAccess } from '../src/device/memory-access.ts';
import { RemoteBlockDevice } from '../src/device/remote-block-device.ts';

/** How a device in virtual time is made. */
export interface VirtualDeviceOptions {
  readonly sizeBytes: number;
  readonly base?: RemoteAddress;
  readonly faults?: readonly string[];
  readonly seed?: number;
  readonly whenLost?: 'fail' | 'wait';
  readonly capacity?: number;
  /** Bytes that the endpoint serves, if not all that the device believes in. */
  readonly servedBytes?: number;
}

/** A device over a remote memory over a simulated wire to an endpoint, all in virtual time. */
export class VirtualDevice implements MemoryAccess {
  readonly clock: VirtualClock = new VirtualClock();
  readonly endpoint: VirtualEndpoint;
  readonly memory: RemoteMemory;
  readonly device: RemoteBlockDevice;
  /** What was given to the remote memory, most at a time, by kind. */
  zeroesInFlight = 0;
  zeroesInFlightPeak = 0;
  longestZero = 0;
  readonly requestsSeen: Set<MemoryRequest> = new Set();

  constructor(options: VirtualDeviceOptions) {
    const { sizeBytes, base = { high: 0, low: 0 }, faults = [], seed = 1 } = options;
    const served = options.servedBytes ?? sizeBytes;
    this.endpoint = createVirtualEndpoint({ sizeBytes: served, base, faults, seed }, this.clock);
    this.memory = new RemoteMemory(
      {
        peerMac: this.endpoint.endpointMac,
        initiator: {
          base,
          sizeBytes,
          dataOrder: 'raw',
          window: 256,
          maxAccessLog2: 10,
          reissue: { ...DEFAULT_REISSUE_POLICY, whenLost: options.whenLost ?? 'fail' },
          firstSource: 7,
        },
      },
      { transport: this.endpoint.attach(), clock: this.clock },
      { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} },
    );
    this.device = new RemoteBlockDevice(
      {
        sizeBytes,
        readOnly: false,
        preferredBlockBytes: 4096,
        capacity: options.capacity ?? 256,
      },
      this,
    );
  }

  get isHealthy(): boolean {
    return this.memory.link.state === 'open' && !this.memory.link.isLost;
  }

  submit(request: MemoryRequest): void {
    this.requestsSeen.add(request);
    if (request.kind === RequestKind.zero && request.buffer === undefined) this.#countZero(request);
    this.memory.submit(request);
  }

  kick(): void {
    this.memory.kick();
  }

  async open(): Promise<OpenResult> {
    const opening = this.memory.open(5 * SECOND);
    let result: OpenResult | undefined;
    void opening.then((given) => (result = given));
    await this.clock.runUntilAsync(() => result !== undefined, turn);
    return opening;
  }

  /** Lets virtual time pass until `isReached`; fails when it takes longer than `limit`. */
  runUntil(isReached: () => boolean, limit: Micros = 60 * SECOND): void {
    if (!this.clock.runUntil(isReached, { maxMicros: limit })) {
      throw new Error('nothing happens any more');
    }
  }

  #countZero(request: MemoryRequest): void {
    const { owner } = request;
    this.zeroesInFlight++;
    this.zeroesInFlightPeak = Math.max(this.zeroesInFlightPeak, this.zeroesInFlight);
    this.longestZero = Math.max(this.longestZero, request.length);
    request.owner = {
      requestDone: (done, status) => {
        this.zeroesInFlight--;
        done.owner = owner;
        owner.requestDone(done, status);
      },
    };
  }
}

/** A turn of the event loop, in which promises settle. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
