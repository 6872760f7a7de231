import { ByteRegion } from '../byte-region.ts';
import { copyBytes } from '../copy-bytes.ts';
import type { Clock } from '../host/clock.ts';
import type { FrameTransport } from '../host/frame-transport.ts';
import {
  LinkHost,
  type FrameHead,
  type FrameRouter,
  type LinkClient,
  type LinkPort,
} from '../host/link-host.ts';
import { linkConfig, type LinkConfig } from '../link/link-config.ts';
import type { LinkEvent } from '../link/link-events.ts';
import { Link } from '../link/link.ts';
import type { MemoryBackend } from '../tilelink/memory-backend.ts';
import {
  DEFAULT_RESPONDER_CONFIG,
  Responder,
  type ResponderConfig,
} from '../tilelink/responder.ts';
import { NEVER, type Micros } from '../units.ts';
import { isMacAt } from '../wire/ethernet.ts';

/** Plain bytes as the memory of a responder. */
export class ArrayMemory implements MemoryBackend {
  readonly region: ByteRegion;

  constructor(sizeBytes: number) {
    this.region = ByteRegion.allocate(sizeBytes);
  }

  get sizeBytes(): number {
    return this.region.bytes.length;
  }

  read(offset: number, length: number, target: ByteRegion, targetOffset: number): void {
    copyBytes(target, targetOffset, this.region, offset, length);
  }

  write(offset: number, length: number, source: ByteRegion, sourceOffset: number): void {
    copyBytes(this.region, offset, source, sourceOffset, length);
  }
}

/** Settings of a `MemoryPeer`; what is missing takes the defaults of link and responder. */
export interface MemoryPeerOptions {
  readonly link?: Partial<LinkConfig>;
  readonly responder?: Partial<ResponderConfig>;
}

/**
 * The smallest endpoint: one responder for one initiator whose MAC address is known, around the
 * same `Link` and `LinkHost` as everything else. For tests of the engine; the endpoint for users is
 * the package sim-endpoint.
 */
export class MemoryPeer implements FrameRouter, LinkClient {
  readonly link: Link;
  readonly responder: Responder;
  readonly host: LinkHost;
  /** What the link told, in order. */
  readonly events: LinkEvent[] = [];
  readonly #port: LinkPort;

  constructor(
    memory: MemoryBackend,
    place: { transport: FrameTransport; clock: Clock; peerMac: Uint8Array },
    options: MemoryPeerOptions = {},
  ) {
    const { transport, clock, peerMac } = place;
    this.responder = new Responder({ ...DEFAULT_RESPONDER_CONFIG, ...options.responder }, memory);
    const config = linkConfig({
      role: 'responder',
      ownMac: transport.ownMac,
      peerMac,
      mtuBytes: transport.mtuBytes,
      ...options.link,
    });
    this.link = new Link(config, this.responder, clock.now());
    this.responder.attach(this.link);
    this.#port = { link: this.link, client: this };
    this.host = new LinkHost(transport, clock, {
      router: this,
      onFailure: (error) => {
        throw error;
      },
    });
    this.host.addPort(this.#port);
    this.host.start();
  }

  route(_now: Micros, { bytes, sourceOffset }: FrameHead): LinkPort | undefined {
    return isMacAt(bytes, sourceOffset, this.link.config.peerMac) ? this.#port : undefined;
  }

  pump(): void {
    this.responder.pump();
  }

  pollDeadline(): Micros {
    return NEVER;
  }

  handleDeadline(): void {
    // Nothing of a responder waits for time.
  }

  onEvent(_now: Micros, event: LinkEvent): void {
    this.events.push(event);
  }
}
