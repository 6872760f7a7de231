import {
  ADDRESS_ZERO,
  ByteRegion,
  DEFAULT_REISSUE_POLICY,
  MILLISECOND,
  MemoryRequest,
  MemoryStatus,
  RemoteMemory,
  RequestKind,
  SECOND,
  type CloseResult,
  type FrameTransport,
  type InitiatorConfig,
  type LinkConfig,
  type OpenResult,
  type PeerProfile,
  type TransportHandlers,
} from '@oxmem/tloe-protocol';
import type { VirtualClock } from '@oxmem/tloe-protocol/testing';
import type { VirtualEndpoint } from '../src/index.ts';

/** What an initiator of the tests can be told. */
export interface VirtualInitiatorOptions {
  /** Last byte of its MAC address. Default 0x0a. */
  readonly station?: number;
  readonly initiator?: Partial<InitiatorConfig>;
  readonly link?: Partial<LinkConfig>;
  readonly profile?: PeerProfile;
}

/** An interface on the endpoint's switch that survives the programs which use it. */
export class Station {
  readonly #transport: FrameTransport;
  #handlers: TransportHandlers | undefined;

  constructor(endpoint: VirtualEndpoint, station: number) {
    this.#transport = endpoint.attach({ mac: stationMac(station) });
    this.#transport.start({
      onReceiveBatch: (count) => this.#handlers?.onReceiveBatch(count),
      onWritable: () => this.#handlers?.onWritable(),
      onFailure: (error) => this.#handlers?.onFailure(error),
    });
  }

  /** A transport for one more program; closing it leaves the interface as it is. */
  plugIn(): FrameTransport {
    const real = this.#transport;
    this.#handlers = undefined;
    return {
      mtuBytes: real.mtuBytes,
      ownMac: real.ownMac,
      receiveRegion: real.receiveRegion,
      receiveDescriptors: real.receiveDescriptors,
      start: (handlers) => {
        this.#handlers = handlers;
      },
      sendBatch: (...batch) => real.sendBatch(...batch),
      close: () => {
        this.#handlers = undefined;
      },
    };
  }
}

/** A driver's `RemoteMemory` on the endpoint's switch, with calls that let time pass until done. */
export class VirtualInitiator {
  readonly memory: RemoteMemory;
  readonly notices: string[] = [];
  readonly #clock: VirtualClock;

  constructor(endpoint: VirtualEndpoint, options: VirtualInitiatorOptions = {}, plug?: Station) {
    this.#clock = endpoint.clock;
    const station = plug ?? new Station(endpoint, options.station ?? 0x0a);
    this.memory = new RemoteMemory(
      {
        peerMac: endpoint.endpointMac,
        initiator: {
          base: ADDRESS_ZERO,
          sizeBytes: 2 ** 20,
          dataOrder: 'raw',
          window: 64,
          maxAccessLog2: 10,
          reissue: DEFAULT_REISSUE_POLICY,
          firstSource: 1000,
          ...options.initiator,
        },
        ...(options.link && { link: options.link }),
        ...(options.profile && { profile: options.profile }),
      },
      { transport: station.plugIn(), clock: endpoint.clock },
      {
        onLost: () => this.notices.push('lost'),
        onRecovered: () => this.notices.push('recovered'),
        onEnded: () => this.notices.push('ended'),
      },
    );
  }

  open(timeoutMicros: number = 5 * SECOND): Promise<OpenResult> {
    return until(this.#clock, this.memory.open(timeoutMicros));
  }

  close(): Promise<CloseResult> {
    return until(this.#clock, this.memory.close());
  }

  /** Ends like a killed program: no Close, no further frame. */
  crash(): void {
    this.memory.host.close();
  }

  /** @returns the bytes, or the status if they could not be read */
  async read(offset: number, length: number): Promise<Uint8Array | MemoryStatus> {
    const buffer = ByteRegion.allocate(length);
    const status = await until(this.#clock, this.start(RequestKind.read, offset, buffer));
    return status === MemoryStatus.ok ? buffer.bytes : status;
  }

  async write(offset: number, bytes: Uint8Array): Promise<MemoryStatus> {
    const buffer = new ByteRegion(bytes.slice());
    return until(this.#clock, this.start(RequestKind.write, offset, buffer));
  }

  /** Submits a request without letting time pass. */
  start(kind: RequestKind, offset: number, buffer: ByteRegion): Promise<MemoryStatus> {
    const done = new Promise<MemoryStatus>((resolve) => {
      const request = new MemoryRequest({ requestDone: (_, status) => resolve(status) });
      Object.assign(request, { kind, offset, length: buffer.bytes.length, buffer });
      this.memory.submit(request);
    });
    this.memory.kick();
    return done;
  }
}

/** 02:00:00:00:00 and `station`; the endpoint's is 0x0b. */
export function stationMac(station: number): Uint8Array {
  return Uint8Array.of(2, 0, 0, 0, 0, station);
}

/** Lets virtual time pass until `promise` is settled; fails after two minutes of it. */
export async function until<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  const end = clock.now() + 120 * SECOND;
  await Promise.resolve();
  while (!isSettled && clock.now() < end) {
    clock.advanceTo(Math.max(clock.now(), Math.min(clock.nextAt, clock.now() + MILLISECOND)));
    await Promise.resolve();
    await Promise.resolve();
  }
  if (!isSettled) throw new Error('not done after two minutes of virtual time');
  return promise;
}
