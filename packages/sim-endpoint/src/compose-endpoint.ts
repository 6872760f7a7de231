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
import type { RequestFaults } from './connection.ts';
import type { FaultControl } from './faults/fault-control.ts';
import { hasFrameFaults, type FaultSettings } from './faults/fault-settings.ts';
import { FaultyTransport } from './faults/faulty-transport.ts';
import { parseFaultSpecs } from './faults/parse-fault-spec.ts';
import { SpoiltMemory } from './faults/spoilt-memory.ts';
import type { MemoryServer } from './memory-server.ts';
import { SparseMemory } from './memory/sparse-memory.ts';
import type { ServiceHabits } from './persona/endpoint-habits.ts';
import { ENDPOINT_PERSONAS, type EndpointPersonaName } from './persona/endpoint-personas.ts';
import { withHabits } from './persona/habit-faults.ts';
import { PersonaEndpoint } from './persona/persona-endpoint.ts';

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
  /** Changes faults later, whatever `faults` says. Frames then go through one copy more. */
  readonly faultControl?: FaultControl;
  /** Where the chances of `faults` begin: the same seed gives the same faults. Default 1. */
  readonly seed?: number;
  /** Habits of the initiators. Default: each is recognised by its opening. */
  readonly profile?: PeerProfile;
  /**
   * Plays a foreign endpoint, defects included, instead of this project's own. Its size limits,
   * connections, range and alignment are then its own, and so is `dataOrder` if it is not given.
   */
  readonly persona?: EndpointPersonaName;
  /** Takes what the endpoint tells. */
  readonly onEvent?: EndpointListener;
}

/** Where an endpoint lives. The transport belongs to the endpoint from now on. */
export interface EndpointPorts {
  readonly transport: FrameTransport;
  readonly clock: Clock;
}

/**
 * An endpoint on a transport and a clock of the caller's: the composition under all the ways to
 * start one. It does not serve yet.
 *
 * @throws RangeError for options that no endpoint could fulfil
 */
export function composeServer(options: EndpointOptions, ports: EndpointPorts): MemoryServer {
  const { persona, faults = [] } = options;
  const hasHabits = parsedFaults(faults).habits.length > 0;
  if (persona !== undefined || hasHabits) return composePersona(options, ports);
  return composeEndpoint(options, ports);
}

/**
 * This project's own endpoint, whatever `persona` says.
 *
 * @throws RangeError for options that no endpoint could fulfil
 */
export function composeEndpoint(options: EndpointOptions, ports: EndpointPorts): Endpoint {
  const { transport, memory, requestFaults, frameFaults } = composeParts(options, ports);
  return new Endpoint(configOf(options), {
    transport,
    frameFaults,
    clock: ports.clock,
    memory,
    ...(requestFaults && { requestFaults }),
    ...(options.onEvent && { onEvent: options.onEvent }),
  });
}

/**
 * A foreign endpoint: the one that `persona` names (a plain one if none is), with the habits that
 * `faults` add.
 *
 * @throws RangeError for options that no endpoint could fulfil
 */
export function composePersona(options: EndpointOptions, ports: EndpointPorts): PersonaEndpoint {
  const { memory, requestFaults, prng, ...parts } = composeParts(options, ports);
  const named = ENDPOINT_PERSONAS[options.persona ?? 'plain'];
  const odd = withHabits(named, parsedFaults(options.faults ?? []).habits);
  const { dataOrder = odd.service.dataOrder } = options;
  const base = options.base ?? DEFAULT_RESPONDER_CONFIG.base;
  return new PersonaEndpoint(
    { ...odd, service: { ...fittingService(odd.service, parts.transport.mtuBytes), dataOrder } },
    {
      ...parts,
      clock: ports.clock,
      memory: { backend: memory, base, requestFaults },
      prng: prng.fork('persona'),
      ...(options.onEvent && { onEvent: options.onEvent }),
    },
  );
}

interface ComposedParts {
  readonly transport: FrameTransport;
  /** The same, if it is one. */
  readonly frameFaults: FaultyTransport | undefined;
  readonly memory: MemoryBackend;
  readonly requestFaults: RequestFaults | undefined;
  readonly prng: Prng;
}

/** What faults do to transport, memory and requests. */
function composeParts(options: EndpointOptions, ports: EndpointPorts): ComposedParts {
  checkOptions(options);
  const faults = parsedFaults(options.faults ?? []);
  const { rx, tx, denyChance, spoilChance } = faults;
  const prng = new Prng(options.seed ?? 1);
  const { faultControl } = options;
  // What makes no faults, and never will, is not in the way.
  const isChanging = faultControl !== undefined;
  const isFaulty = isChanging || hasFrameFaults(rx) || hasFrameFaults(tx);
  const faulty = isFaulty
    ? new FaultyTransport(ports.transport, ports.clock, { faults, prng })
    : undefined;
  const memory = options.memory ?? new SparseMemory(options.sizeBytes);
  const spoilt = new SpoiltMemory(memory, spoilChance, prng.fork('spoil'));
  const denied = new DeniedRequests(denyChance, prng.fork('deny'));
  faultControl?.add((changed) => {
    faulty?.setFaults(changed);
    spoilt.chance = changed.spoilChance;
    denied.chance = changed.denyChance;
  });
  return {
    prng,
    transport: faulty ?? ports.transport,
    frameFaults: faulty,
    memory: isChanging || spoilChance > 0 ? spoilt : memory,
    requestFaults: isChanging || denyChance > 0 ? denied : undefined,
  };
}

function parsedFaults(texts: readonly string[]): FaultSettings {
  const faults = parseFaultSpecs(texts);
  if (!faults.ok) throw new RangeError(`a fault cannot be understood: ${faults.reason}`);
  return faults.settings;
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

/** Who denies what is too large denies what no frame could carry. */
function fittingService(service: ServiceHabits, mtuBytes: number): ServiceHabits {
  if (service.whenLarger !== 'isDenied') return service;
  const largest = floorLog2(mtuBytes - FRAME_WORDS_BYTES);
  const { maxGetLog2, maxPutLog2 } = service;
  return {
    ...service,
    maxGetLog2: Math.min(maxGetLog2, largest),
    maxPutLog2: Math.min(maxPutLog2, largest),
  };
}

/** TLoE header, frame mask, and the head of a message. */
const FRAME_WORDS_BYTES = 32;
