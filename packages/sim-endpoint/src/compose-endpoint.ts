import {
  DEFAULT_RESPONDER_CONFIG,
  addressPlus,
  assert,
  floorLog2,
  isPowerOfTwo,
  type Clock,
  type DataOrder,
  type FrameTransport,
  type MemoryBackend,
  type PeerProfile,
  type RemoteAddress,
} from '@oxmem/tloe-protocol';
// A simulator is made of the simulation parts: they are published for programs like this one.
import { Prng } from '@oxmem/tloe-protocol/testing';
import { endpointConfig } from './endpoint-config.ts';
import type { EndpointListener } from './endpoint-events.ts';
import { Endpoint } from './endpoint.ts';
import { DeniedRequests } from './faults/denied-requests.ts';
import { hasFrameFaults } from './faults/fault-settings.ts';
import { FaultyTransport } from './faults/faulty-transport.ts';
import { parseFaultSpecs } from './faults/parse-fault-spec.ts';
import { SparseMemory } from './memory/sparse-memory.ts';

/** What all ways to start an endpoint have in common. */
export interface EndpointOptions {
  /** Bytes of memory served, 1 and up. */
  readonly sizeBytes: number;
  /** Address of the first byte. Default 0. */
  readonly base?: RemoteAddress;
  /**
   * Where the bytes are kept; has `sizeBytes` bytes and stays the caller's. Default: a
   * `SparseMemory`, zero everywhere.
   */
  readonly memory?: MemoryBackend;
  /** Byte order of data words on the wire; both ends must agree. Default `raw`. */
  readonly dataOrder?: DataOrder;
  /** Initiators served at once, 1 .. 1024. Default 8. */
  readonly maxConnections?: number;
  /**
   * Largest access served, a power of two of bytes up to 4096; what no frame of the transport can
   * carry is denied all the same. Default 4096.
   */
  readonly maxAccessBytes?: number;
  /** What becomes of accesses outside the memory. Default `deny`. */
  readonly range?: 'deny' | 'wrap';
  /** What becomes of addresses that are not a multiple of the access size. Default `deny`. */
  readonly alignment?: 'deny' | 'allow';
  /** What goes wrong, in the words of `FAULT_SYNTAX`: `['rx:loss=1%', 'deny=0.1%']`. */
  readonly faults?: readonly string[];
  /** Where the chances of `faults` begin: the same seed gives the same faults. Default 1. */
  readonly seed?: number;
  /** Habits of the initiators. Default: those of the generic profile. */
  readonly profile?: PeerProfile;
  /** Takes what the endpoint tells. */
  readonly onEvent?: EndpointListener;
}

/**
 * An endpoint on a transport and a clock of the caller's: the composition under all the ways to
 * start one. It does not serve yet.
 *
 * @param ports  the transport belongs to the endpoint from now on
 * @throws RangeError for options that no endpoint could fulfil
 */
export function composeEndpoint(
  options: EndpointOptions,
  ports: { readonly transport: FrameTransport; readonly clock: Clock },
): Endpoint {
  checkOptions(options);
  const faults = parseFaultSpecs(options.faults ?? []);
  if (!faults.ok) throw new RangeError(`a fault cannot be understood: ${faults.reason}`);
  const { rx, tx, denyChance } = faults.settings;
  const prng = new Prng(options.seed ?? 1);
  const { clock } = ports;
  const transport =
    hasFrameFaults(rx) || hasFrameFaults(tx)
      ? new FaultyTransport(ports.transport, clock, { faults: faults.settings, prng })
      : ports.transport;
  return new Endpoint(configOf(options), {
    transport,
    clock,
    memory: options.memory ?? new SparseMemory(options.sizeBytes),
    ...(denyChance > 0 && { requestFaults: new DeniedRequests(denyChance, prng.fork('deny')) }),
    ...(options.onEvent && { onEvent: options.onEvent }),
  });
}

function configOf(options: EndpointOptions): ReturnType<typeof endpointConfig> {
  const defaults = DEFAULT_RESPONDER_CONFIG;
  return endpointConfig({
    responder: {
      base: options.base ?? defaults.base,
      dataOrder: options.dataOrder ?? defaults.dataOrder,
      range: options.range ?? defaults.range,
      alignment: options.alignment ?? defaults.alignment,
      maxAccessLog2: floorLog2(options.maxAccessBytes ?? MAX_ACCESS_BYTES),
    },
    ...(options.maxConnections !== undefined && { maxConnections: options.maxConnections }),
    ...(options.profile && { profile: options.profile }),
  });
}

function checkOptions(options: EndpointOptions): void {
  const { sizeBytes, base, maxAccessBytes = MAX_ACCESS_BYTES } = options;
  const size = Number.isSafeInteger(sizeBytes) && sizeBytes >= 1;
  if (!size) throw new RangeError(`sizeBytes must be a whole number from 1 on, not ${sizeBytes}`);
  if (base !== undefined && addressPlus(base, sizeBytes - 1) === undefined) {
    throw new RangeError('the memory must end within 64 bits of address');
  }
  if (!isPowerOfTwo(maxAccessBytes) || maxAccessBytes > MAX_ACCESS_BYTES) {
    throw new RangeError(`maxAccessBytes must be a power of two up to ${MAX_ACCESS_BYTES}`);
  }
  const memory = options.memory;
  assert(memory === undefined || memory.sizeBytes === sizeBytes, 'the memory has the size given');
}

/** Largest access that any endpoint of ours serves. */
export const MAX_ACCESS_BYTES = 4096;
