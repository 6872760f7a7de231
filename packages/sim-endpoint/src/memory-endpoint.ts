import { formatMac, type Clock, type FrameTransport } from '@oxmem/tloe-protocol';
import { SystemClock } from '@oxmem/tloe-protocol/node';
// A simulator is made of the simulation parts: they are published for programs like this one.
import {
  MAC_A,
  MAC_B,
  MemoryNetwork,
  Prng,
  createDirectLink,
  type MemoryTransport,
  type MemoryTransportOptions,
  type VirtualClock,
} from '@oxmem/tloe-protocol/testing';
import { composeServer, type EndpointOptions } from './compose-endpoint.ts';
import type { EndpointStats } from './endpoint-stats.ts';
import type { MemoryServer } from './memory-server.ts';

/** What an endpoint in memory can be told besides. */
export interface MemoryEndpointOptions extends EndpointOptions {
  /** Largest payload behind the MAC header. Default 1500. */
  readonly mtuBytes?: number;
}

/** An endpoint in this program, and the initiator's end of the wire to it. */
export interface MemoryEndpoint {
  /** For the initiator: give it to a `RemoteMemory`, or drive it yourself. */
  readonly transport: FrameTransport;
  /** The clock that both ends go by. */
  readonly clock: Clock;
  /** The endpoint's address, 6 bytes. */
  readonly endpointMac: Uint8Array;
  readonly endpointMacText: string;
  readonly endpoint: MemoryServer;
  stats(): EndpointStats;
  /** Stops the endpoint, like a power cut. The initiator's transport is the caller's to close. */
  close(): void;
}

/**
 * Starts an endpoint wholly in memory, in real time: no privileges, no network, no sockets.
 *
 * ```ts
 * const endpoint = createMemoryEndpoint({ sizeBytes: 2 ** 20 });
 * const { transport, clock, endpointMac } = endpoint;
 * const memory = new RemoteMemory({ peerMac: endpointMac, initiator }, { transport, clock }, observer);
 * await memory.open(SECOND);
 * // …
 * await memory.close();
 * endpoint.close();
 * ```
 *
 * @throws RangeError for options that no endpoint could fulfil
 */
export function createMemoryEndpoint(options: MemoryEndpointOptions): MemoryEndpoint {
  const clock = new SystemClock();
  const { a, b } = createDirectLink({
    schedule: (task) => {
      setImmediate(task);
    },
    mtuBytes: options.mtuBytes ?? DEFAULT_MTU_BYTES,
  });
  const endpoint = composeServer(options, { transport: b, clock });
  endpoint.start();
  return {
    transport: a,
    clock,
    endpointMac: endpoint.mac,
    endpointMacText: formatMac(endpoint.mac),
    endpoint,
    stats: () => endpoint.stats(),
    close: () => endpoint.close(),
  };
}

/** How a simulated interface is made; its address may be left out once. */
export type InitiatorOptions = Partial<MemoryTransportOptions>;

/** An endpoint in virtual time, on a simulated switch with room for any number of initiators. */
export interface VirtualEndpoint extends Omit<MemoryEndpoint, 'transport' | 'clock'> {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  /**
   * Another interface on the switch, with address 02:00:00:00:00:0a if none is given. It may have
   * faults of its own.
   */
  attach(options?: InitiatorOptions): MemoryTransport;
}

/**
 * Starts an endpoint in virtual time: everything happens when the clock is moved, and the same seed
 * gives the same run.
 *
 * ```ts
 * const clock = new VirtualClock();
 * const endpoint = createVirtualEndpoint({ sizeBytes: 2 ** 20, faults: ['loss=10%'] }, clock);
 * const transport = endpoint.attach();
 * // a RemoteMemory on `transport` and `clock`, then: clock.advanceBy(SECOND)
 * ```
 *
 * @throws RangeError for options that no endpoint could fulfil
 */
export function createVirtualEndpoint(
  options: MemoryEndpointOptions,
  clock: VirtualClock,
): VirtualEndpoint {
  const mtuBytes = options.mtuBytes ?? DEFAULT_MTU_BYTES;
  const network = new MemoryNetwork(clock, new Prng(options.seed ?? 1).fork('network'));
  const transport = network.attach({ mac: MAC_B, mtuBytes });
  const endpoint = composeServer(options, { transport, clock });
  endpoint.start();
  return {
    clock,
    network,
    endpointMac: endpoint.mac,
    endpointMacText: formatMac(endpoint.mac),
    endpoint,
    attach: (interfaceOptions) => network.attach({ mac: MAC_A, mtuBytes, ...interfaceOptions }),
    stats: () => endpoint.stats(),
    close: () => endpoint.close(),
  };
}

const DEFAULT_MTU_BYTES = 1500;
