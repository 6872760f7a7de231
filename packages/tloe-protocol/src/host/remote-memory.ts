import { linkConfig, type LinkConfig } from '../link/link-config.ts';
import type { LinkEvent } from '../link/link-events.ts';
import { Link } from '../link/link.ts';
import type { PeerProfile } from '../link/peer-profile.ts';
import { Initiator, type InitiatorConfig } from '../tilelink/initiator.ts';
import { MemoryStatus, type MemoryRequest } from '../tilelink/memory-request.ts';
import { requestBudgetMicros, scanIntervalMicros } from '../tilelink/reissue-policy.ts';
import type { Micros } from '../units.ts';
import { isMacAt } from '../wire/ethernet.ts';
import type { Clock } from './clock.ts';
import type { FrameTransport } from './frame-transport.ts';
import {
  LinkHost,
  type FrameHead,
  type FrameRouter,
  type LinkClient,
  type LinkPort,
} from './link-host.ts';

/** Settings of a connection to a memory endpoint. */
export interface RemoteMemoryConfig {
  /** MAC address of the endpoint, 6 bytes. */
  readonly peerMac: Uint8Array;
  readonly etherType?: number;
  readonly initiator: InitiatorConfig;
  /** Habits of the peer; undefined: recognised from its opening. */
  readonly profile?: PeerProfile;
  /** Overrides of the link's defaults, for tests and tuning. */
  readonly link?: Partial<LinkConfig>;
}

/** How an attempt to open ended. */
export type OpenResult =
  | { readonly isOpen: true; readonly profile: PeerProfile }
  | { readonly isOpen: false; readonly reason: 'timedOut' | 'closed' };

/** How a connection was closed. */
export type CloseResult = 'confirmed' | 'unanswered' | 'byPeer' | 'unopened';

/** What the owner of a connection wants to know while it is open. */
export interface RemoteMemoryObserver {
  /** No acknowledgement for `silentMicros`; requests fail or wait as configured. */
  onLost(silentMicros: Micros): void;
  /** The endpoint is back and still holds the connection. */
  onRecovered(): void;
  /** The endpoint closed the connection, or the transport failed: nothing will work any more. */
  onEnded(error: Error | undefined): void;
}

/**
 * Remote memory behind one endpoint: an initiator on a link on a transport. The composition that a
 * driver needs, and nothing else.
 *
 * `submit` and `kick` are the data path: many submissions, then one kick. Completion comes through
 * the request's owner. The caller bounds the number of requests with its own pool.
 */
export class RemoteMemory implements LinkClient, FrameRouter {
  readonly initiator: Initiator;
  readonly link: Link;
  readonly host: LinkHost;
  readonly #clock: Clock;
  readonly #config: RemoteMemoryConfig;
  readonly #port: LinkPort;
  readonly #observer: RemoteMemoryObserver;
  #onOpened: ((result: OpenResult) => void) | undefined = undefined;
  #onClosed: ((how: CloseResult) => void) | undefined = undefined;
  #closing: Promise<CloseResult> | undefined = undefined;
  #end: CloseResult | undefined = undefined;

  constructor(
    config: RemoteMemoryConfig,
    ports: { transport: FrameTransport; clock: Clock },
    observer: RemoteMemoryObserver,
  ) {
    const { transport, clock } = ports;
    this.#config = config;
    this.#clock = clock;
    this.#observer = observer;
    this.initiator = new Initiator(config.initiator);
    const settings = linkConfig({
      role: 'initiator',
      ownMac: transport.ownMac,
      peerMac: config.peerMac,
      mtuBytes: transport.mtuBytes,
      lostAfterMicros: lostAfter(config.initiator),
      ...(config.etherType === undefined ? {} : { etherType: config.etherType }),
      ...(config.profile === undefined ? {} : { profile: config.profile, isPeerKnown: true }),
      ...config.link,
    });
    this.link = new Link(settings, this.initiator, clock.now());
    this.initiator.attach(this.link);
    this.host = new LinkHost(transport, clock, {
      router: this,
      onFailure: (error) => this.#ended(error),
      etherType: settings.etherType,
    });
    this.#port = { link: this.link, client: this };
    this.host.addPort(this.#port);
  }

  /**
   * Opens the connection. Resolves when the endpoint has answered and granted credits, or after
   * `timeoutMicros`. Called once.
   */
  open(timeoutMicros: Micros): Promise<OpenResult> {
    return new Promise((resolve) => {
      const alarm = this.#clock.createAlarm(() => {
        this.#opened({ isOpen: false, reason: 'timedOut' });
      });
      this.#onOpened = (result) => {
        alarm.close();
        resolve(result);
      };
      alarm.arm(this.#clock.now() + timeoutMicros);
      this.host.start();
      this.link.open();
      this.host.wake();
    });
  }

  get awaited(): number {
    return this.initiator.accessesInFlight;
  }

  /** Takes a request; nothing leaves before `kick`. */
  submit(request: MemoryRequest): void {
    this.initiator.submit(this.#clock.now(), request);
  }

  /** Sends what was submitted. */
  kick(): void {
    this.host.wake();
  }

  /**
   * Closes the connection and the transport. What is still in flight fails with `closed`; to lose
   * nothing, wait for it first. Resolves within the link's `closeTimeoutMicros`. May be called again.
   */
  close(): Promise<CloseResult> {
    this.#closing ??= new Promise((resolve) => {
      this.#onClosed = resolve;
      this.initiator.fail(MemoryStatus.closed);
      if (this.#end !== undefined) {
        this.#finishClose(this.#end);
        return;
      }
      this.link.close(this.#clock.now());
      this.host.wake();
    });
    return this.#closing;
  }

  route(_now: Micros, { bytes, sourceOffset }: FrameHead): LinkPort | undefined {
    return isMacAt(bytes, sourceOffset, this.#config.peerMac) ? this.#port : undefined;
  }

  pump(now: Micros): void {
    this.initiator.pump(now);
  }

  pollDeadline(): Micros {
    return this.initiator.pollDeadline();
  }

  handleDeadline(now: Micros): void {
    this.initiator.handleDeadline(now);
  }

  onEvent(now: Micros, event: LinkEvent): void {
    switch (event.type) {
      case 'opened':
        this.initiator.linkOpened();
        this.#opened({ isOpen: true, profile: event.profile });
        return;
      case 'lost':
        this.initiator.linkLost();
        this.#observer.onLost(event.silentMicros);
        return;
      case 'recovered':
        this.initiator.linkRecovered(now);
        this.#observer.onRecovered();
        return;
      case 'closed':
        this.#closed(event.how);
        return;
      case 'restarted':
        return;
    }
  }

  #opened(result: OpenResult): void {
    const tell = this.#onOpened;
    this.#onOpened = undefined;
    tell?.(result);
  }

  #closed(how: CloseResult): void {
    this.#end = how;
    this.initiator.fail(MemoryStatus.closed);
    this.#opened({ isOpen: false, reason: 'closed' });
    if (this.#onClosed !== undefined) this.#finishClose(how);
    else this.#observer.onEnded(undefined);
  }

  #ended(error: Error): void {
    this.#end = 'unanswered';
    this.initiator.fail(MemoryStatus.lost);
    this.#opened({ isOpen: false, reason: 'closed' });
    if (this.#onClosed === undefined) this.#observer.onEnded(error);
    else this.#finishClose('unanswered');
  }

  #finishClose(how: CloseResult): void {
    const tell = this.#onClosed;
    this.#onClosed = undefined;
    // The last acknowledgement has left: frames go out before events are told.
    this.host.removePort(this.#port);
    this.host.close();
    tell?.(how);
  }
}

/** A silent endpoint is noticed before the first request runs out of time for it. */
function lostAfter(config: InitiatorConfig): Micros {
  const { reissue } = config;
  if (reissue.whenLost === 'wait') return reissue.requestTimeoutMicros;
  return requestBudgetMicros(reissue) - 2 * scanIntervalMicros(reissue);
}
