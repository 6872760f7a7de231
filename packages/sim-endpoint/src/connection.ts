import {
  Channel,
  Link,
  NEVER,
  Responder,
  type LinkClient,
  type LinkConfig,
  type LinkEvent,
  type LinkPort,
  type MemoryBackend,
  type MessageReceiver,
  type MessageView,
  type Micros,
  type ResponderConfig,
} from '@oxmem/tloe-protocol';

/** Decides request by request whether it is refused, as a broken memory would. */
export interface RequestFaults {
  refuses(): boolean;
}

/** What a connection needs besides its link's settings. */
export interface ConnectionParts {
  readonly responder: ResponderConfig;
  readonly memory: MemoryBackend;
  readonly owner: ConnectionOwner;
  readonly requestFaults: RequestFaults | undefined;
}

/** Is told how a connection fares. */
export interface ConnectionOwner {
  connectionEvent(connection: Connection, event: LinkEvent): void;
  /** The link has ended, or never began: nothing will come of this connection any more. */
  connectionEnded(connection: Connection): void;
}

/** One initiator: a link with a responder on it, over the memory that all connections share. */
export class Connection implements LinkPort, LinkClient, MessageReceiver {
  readonly link: Link;
  readonly responder: Responder;
  /** When a frame of the initiator last came. */
  lastHeardAt: Micros;
  /** For the owner: that it has been told of. */
  isKnown = false;
  readonly #owner: ConnectionOwner;
  readonly #requestFaults: RequestFaults | undefined;

  constructor(config: LinkConfig, parts: ConnectionParts, now: Micros) {
    this.responder = new Responder(parts.responder, parts.memory);
    this.link = new Link(config, this, now);
    this.responder.attach(this.link);
    this.lastHeardAt = now;
    this.#owner = parts.owner;
    this.#requestFaults = parts.requestFaults;
  }

  get client(): LinkClient {
    return this;
  }

  /** The initiator's MAC address. */
  get mac(): Uint8Array {
    return this.link.config.peerMac;
  }

  hasRoom(): boolean {
    return this.responder.hasRoom();
  }

  onMessage(now: Micros, message: MessageView): boolean {
    if (message.channel === Channel.A && this.#requestFaults?.refuses() === true) {
      // The responder denies a request that says of itself that it is damaged.
      message.corrupt = true;
    }
    return this.responder.onMessage(now, message);
  }

  onRestart(): void {
    this.responder.onRestart();
  }

  pump(): void {
    this.responder.pump();
    const { state } = this.link;
    if (state === 'closed' || state === 'idle') this.#owner.connectionEnded(this);
  }

  pollDeadline(): Micros {
    return NEVER;
  }

  handleDeadline(): void {
    // The link has all deadlines; a responder waits for nothing but credits.
  }

  onEvent(_now: Micros, event: LinkEvent): void {
    this.#owner.connectionEvent(this, event);
  }
}
