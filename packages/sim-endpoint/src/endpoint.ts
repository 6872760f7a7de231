import {
  ETHERNET_HEADER_BYTES,
  FrameType,
  LinkHost,
  SECOND,
  SOURCE_MAC_OFFSET,
  TLOE_HEADER_BYTES,
  dataFlits,
  flitsOfMtu,
  headerFrameType,
  headerSequenceNumber,
  headerVc,
  isMacAt,
  isMulticastMac,
  linkConfig,
  type Clock,
  type FrameHead,
  type FrameRouter,
  type FrameTransport,
  type LinkConfig,
  type LinkEvent,
  type LinkPort,
  type MemoryBackend,
  type Micros,
  type ResponderConfig,
} from '@oxmem/tloe-protocol';
import { Connection, type ConnectionOwner, type RequestFaults } from './connection.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import type { EndpointEvent, EndpointListener } from './endpoint-events.ts';
import {
  ConnectionStats,
  DepartedStats,
  snapshotOf,
  type EndpointStats,
} from './endpoint-stats.ts';
import type { FrameFaultCounts } from './faults/faulty-direction.ts';
import type { MemoryServer } from './memory-server.ts';

/** What an endpoint is made of. */
export interface EndpointParts {
  /** Belongs to the endpoint from now on; `close` closes it. */
  readonly transport: FrameTransport;
  readonly clock: Clock;
  /** Stays the caller's. */
  readonly memory: MemoryBackend;
  readonly onEvent?: EndpointListener;
  readonly requestFaults?: RequestFaults;
  /** What is done to frames, for the counters; undefined: nothing. */
  readonly frameFaults?: { readonly counts: FrameFaultCounts } | undefined;
}

/**
 * A memory endpoint: serves several initiators at once from one memory, over one transport, with
 * the same `Link`, `Responder` and `LinkHost` as the driver has on its side.
 *
 * A connection is known by the MAC address of its initiator. An Open with number 0 from an address
 * without a connection makes one; every other frame from such an address is dropped and counted. No
 * initiator is ever told to go: an unasked Close makes known drivers deaf.
 */
export class Endpoint implements MemoryServer, FrameRouter, ConnectionOwner {
  readonly config: EndpointConfig;
  /** The largest access served, log2 bytes: as configured, and no more than a frame can carry. */
  readonly maxAccessLog2: number;
  readonly #parts: EndpointParts;
  readonly #host: LinkHost;
  readonly #linkConfig: Omit<LinkConfig, 'peerMac'>;
  readonly #responderConfig: ResponderConfig;
  readonly #connections: Connection[] = [];
  readonly #departed = new DepartedStats();
  readonly #stats = new ConnectionStats();
  /** The connection of the last frame: frames come in runs. */
  #recent: Connection | undefined = undefined;
  #refusalToldAt: Micros = -Infinity;
  #isClosed = false;

  constructor(config: EndpointConfig, parts: EndpointParts) {
    const { transport, clock } = parts;
    this.config = config;
    this.#parts = parts;
    this.#linkConfig = linkConfigOf(config, transport);
    this.maxAccessLog2 = largestAccessLog2(config, transport.mtuBytes);
    this.#responderConfig = { ...config.responder, maxAccessLog2: this.maxAccessLog2 };
    this.#host = new LinkHost(transport, clock, {
      router: this,
      onFailure: (error) => this.#failed(error),
      etherType: config.etherType,
    });
  }

  /** Starts to serve. */
  start(): void {
    this.#host.start();
  }

  /** The endpoint's own address, 6 bytes. */
  get mac(): Uint8Array {
    return this.#host.transport.ownMac;
  }

  /** All counters so far; after `close` as well. */
  stats(): EndpointStats {
    const totals = this.#departed.clone();
    for (const { link, responder } of this.#connections) totals.add(link.stats, responder.stats);
    return snapshotOf(totals, this.#host.stats, {
      connections: this.#stats,
      connectionsOpen: this.#connections.length,
      faults: this.#parts.frameFaults?.counts,
    });
  }

  /**
   * Stops serving and closes the transport, without a word to the initiators: to them it looks like
   * an endpoint that lost power. Idempotent.
   */
  close(): void {
    this.#isClosed = true;
    this.#host.close();
  }

  /** For the host: whose frame this is. */
  route(now: Micros, frame: FrameHead): LinkPort | undefined {
    const { bytes, sourceOffset } = frame;
    const connection = this.#find(bytes, sourceOffset);
    if (connection !== undefined) {
      connection.lastHeardAt = now;
      return connection;
    }
    const source = bytes.subarray(sourceOffset, sourceOffset + 6);
    if (!isOpening(frame, this.config.firstSequenceNumber) || isNobody(source)) {
      this.#stats.framesUnconnected++;
      return undefined;
    }
    if (this.#connections.length >= this.config.maxConnections && !this.#reclaim(now)) {
      this.#refuse(now, source.slice());
      return undefined;
    }
    return this.#admit(now, source.slice());
  }

  /** For connections. */
  connectionEvent(connection: Connection, event: LinkEvent): void {
    const { mac } = connection;
    switch (event.type) {
      case 'opened':
        if (connection.isKnown) return;
        connection.isKnown = true;
        this.#stats.opened++;
        this.#tell({ type: 'opened', mac });
        return;
      case 'restarted':
        this.#stats.restarted++;
        this.#tell({ type: 'restarted', mac });
        return;
      case 'closed':
        this.#stats.closed++;
        this.#tell({ type: 'closed', mac });
        return;
      case 'lost':
        this.#stats.lost++;
        this.#tell({ type: 'lost', mac, silentMicros: event.silentMicros });
        return;
      case 'recovered':
        this.#tell({ type: 'recovered', mac });
    }
  }

  /** For connections. */
  connectionEnded(connection: Connection): void {
    const index = this.#connections.indexOf(connection);
    if (index < 0) return;
    this.#connections.splice(index, 1);
    if (this.#recent === connection) this.#recent = undefined;
    this.#departed.add(connection.link.stats, connection.responder.stats);
    this.#host.removePort(connection);
  }

  #find(bytes: Uint8Array, sourceOffset: number): Connection | undefined {
    if (this.#recent !== undefined && isMacAt(bytes, sourceOffset, this.#recent.mac)) {
      return this.#recent;
    }
    for (const connection of this.#connections) {
      if (!isMacAt(bytes, sourceOffset, connection.mac)) continue;
      this.#recent = connection;
      return connection;
    }
    return undefined;
  }

  #admit(now: Micros, mac: Uint8Array): Connection {
    const connection = new Connection(
      { ...this.#linkConfig, peerMac: mac },
      {
        responder: this.#responderConfig,
        memory: this.#parts.memory,
        owner: this,
        requestFaults: this.#parts.requestFaults,
      },
      now,
    );
    this.#connections.push(connection);
    this.#host.addPort(connection);
    return connection;
  }

  /** Makes room if some connection is closed, or silent for long: of those the longest silent. */
  #reclaim(now: Micros): boolean {
    let candidate: Connection | undefined;
    for (const connection of this.#connections) {
      const isSilent = now - connection.lastHeardAt >= this.config.reclaimAfterMicros;
      if (connection.link.state === 'open' && !isSilent) continue;
      if (candidate === undefined || connection.lastHeardAt < candidate.lastHeardAt) {
        candidate = connection;
      }
    }
    if (candidate === undefined) return false;
    this.connectionEnded(candidate);
    this.#stats.reclaimed++;
    this.#tell({ type: 'reclaimed', mac: candidate.mac });
    return true;
  }

  #refuse(now: Micros, mac: Uint8Array): void {
    this.#stats.framesRefused++;
    if (now - this.#refusalToldAt < SECOND) return;
    this.#refusalToldAt = now;
    this.#tell({ type: 'refused', mac, framesRefused: this.#stats.framesRefused });
  }

  #failed(error: Error): void {
    this.close();
    this.#tell({ type: 'failed', error });
  }

  #tell(event: EndpointEvent): void {
    if (!this.#isClosed || event.type === 'failed') this.#parts.onEvent?.(event);
  }
}

function linkConfigOf(
  config: EndpointConfig,
  transport: FrameTransport,
): Omit<LinkConfig, 'peerMac'> {
  return linkConfig({
    role: 'responder',
    ownMac: transport.ownMac,
    peerMac: transport.ownMac,
    mtuBytes: transport.mtuBytes,
    etherType: config.etherType,
    windowFrames: config.windowFrames,
    grantExponents: config.grantExponents,
    retransmit: config.retransmit,
    ...(config.profile && { profile: config.profile, isPeerKnown: true }),
    firstSequenceNumber: config.firstSequenceNumber,
    closeTimeoutMicros: config.lingerMicros,
    // Initiators that never acknowledge must not be bombarded for ever.
    resendPasses: RESEND_PASSES,
  });
}

/** An answer that no frame can hold could never leave: larger accesses are denied instead. */
function largestAccessLog2(config: EndpointConfig, mtuBytes: number): number {
  const flits = flitsOfMtu(Math.min(mtuBytes, config.profile?.maxTloeBytes ?? mtuBytes));
  let log2 = config.responder.maxAccessLog2;
  while (log2 > 0 && 1 + dataFlits(log2) > flits) log2--;
  return log2;
}

/** Whether a frame is an Open with the number that Opens have; the rest is the link's to check. */
function isOpening({ bytes, sourceOffset, lengthBytes }: FrameHead, firstNumber: number): boolean {
  if (lengthBytes < ETHERNET_HEADER_BYTES + TLOE_HEADER_BYTES) return false;
  const at = sourceOffset - SOURCE_MAC_OFFSET + ETHERNET_HEADER_BYTES;
  const high =
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number);
  const isOpen = headerFrameType(high) === FrameType.open && headerVc(high) === 0;
  return isOpen && headerSequenceNumber(high) === firstNumber;
}

/** Addresses that no single station has. */
function isNobody(mac: Uint8Array): boolean {
  return isMulticastMac(mac) || mac.every((byte) => byte === 0);
}

const RESEND_PASSES = 8;
