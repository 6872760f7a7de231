import type { LinkEvent } from '../link/link-events.ts';
import type { Link } from '../link/link.ts';
import { MILLISECOND, type Micros } from '../units.ts';
import {
  DEFAULT_ETHER_TYPE,
  ETHERNET_HEADER_BYTES,
  ETHER_TYPE_OFFSET,
  SOURCE_MAC_OFFSET,
  isMacAt,
} from '../wire/ethernet.ts';
import { RejectReason } from '../wire/reject-reason.ts';
import type { Alarm, Clock } from './clock.ts';
import type { FrameTransport } from './frame-transport.ts';
import { HostStats } from './host-stats.ts';

/** Frames handed to the transport in one call at most. */
const TRANSMIT_BATCH = 64;

/** An alarm this late means that the event loop stood still, not that the peer did. */
const LATE_MICROS: Micros = 5 * MILLISECOND;

/** What sits on a link: the initiator's or the responder's side. */
export interface LinkClient {
  /** How many answers are to come; undefined: what comes is not for it to know. */
  readonly awaited?: number;
  /** Sends what can be sent now. */
  pump(now: Micros): void;
  pollDeadline(): Micros;
  handleDeadline(now: Micros): void;
  onEvent(now: Micros, event: LinkEvent): void;
}

/** A link in a host, with what sits on it. */
export interface LinkPort {
  readonly link: Link;
  readonly client: LinkClient;
}

/** Decides which link a frame belongs to. */
export interface FrameRouter {
  /**
   * The port for frames of this sender; undefined if there is none. May add one to the host. `frame`
   * is used again for the next frame.
   */
  route(now: Micros, frame: FrameHead): LinkPort | undefined;
}

/** What a router may look at: a frame whose EtherType and destination have been checked. */
export interface FrameHead {
  bytes: Uint8Array;
  /** Where the source MAC address stands. */
  sourceOffset: number;
  /** The whole frame, MAC header included; as little as 14. */
  lengthBytes: number;
}

/**
 * The pump: moves frames between a transport and any number of links and gives them time. The only
 * production code that drives a `Link`; simulations run it on a virtual clock and a simulated wire.
 *
 * A batch goes: frames in → clients pump → frames out, gathered into as few native calls as the
 * transport needs → events → one alarm for the earliest deadline. The clock is read once a batch.
 */
export class LinkHost {
  readonly transport: FrameTransport;
  readonly stats: HostStats = new HostStats();
  readonly #clock: Clock;
  readonly #router: FrameRouter;
  readonly #etherType: number;
  readonly #onFailure: (error: Error) => void;
  readonly #alarm: Alarm;
  readonly #ports: LinkPort[] = [];
  readonly #descriptors = new Int32Array(2 * TRANSMIT_BATCH);
  readonly #head: FrameHead = { bytes: new Uint8Array(), sourceOffset: 0, lengthBytes: 0 };
  #armedFor: Micros = Infinity;
  #isPostponed = false;
  #isPumping = false;
  #isWoken = false;
  #isBlocked = false;
  #isClosed = false;

  constructor(
    transport: FrameTransport,
    clock: Clock,
    options: {
      router: FrameRouter;
      onFailure: (error: Error) => void;
      etherType?: number;
    },
  ) {
    this.transport = transport;
    this.#clock = clock;
    this.#router = options.router;
    this.#onFailure = options.onFailure;
    this.#etherType = options.etherType ?? DEFAULT_ETHER_TYPE;
    this.#alarm = clock.createAlarm(() => this.#onAlarm());
  }

  /** Starts reception. */
  start(): void {
    this.transport.start({
      onReceiveBatch: (count) => this.#onReceiveBatch(count),
      onWritable: () => {
        this.#isBlocked = false;
        this.wake();
      },
      onFailure: (error) => this.#onFailure(error),
    });
  }

  /** Adds a link; the caller wakes the host when it has something to send. */
  addPort(port: LinkPort): void {
    this.#ports.push(port);
  }

  removePort(port: LinkPort): void {
    const index = this.#ports.indexOf(port);
    if (index >= 0) this.#ports.splice(index, 1);
  }

  /**
   * Sends whatever the links have to send. Called after requests were submitted, once for many.
   * From inside a callback of this host it only asks for one more round.
   */
  wake(): void {
    if (this.#isPumping) this.#isWoken = true;
    else this.#pump(this.#clock.now());
  }

  /** Stops everything and closes the transport. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#alarm.close();
    this.transport.close();
  }

  #onReceiveBatch(count: number): void {
    const now = this.#clock.now();
    const { receiveRegion, receiveDescriptors } = this.transport;
    this.stats.batchesReceived++;
    this.stats.framesReceived += count;
    this.#isPumping = true;
    for (let i = 0; i < count; i++) {
      const offset = receiveDescriptors[2 * i] as number;
      const length = receiveDescriptors[2 * i + 1] as number;
      const port = this.#portOf(now, offset, length);
      port?.link.handleFrame(now, receiveRegion, offset, length);
    }
    this.#isPumping = false;
    this.#pump(now);
  }

  /** The port that a frame belongs to; frames for nobody here are counted. */
  #portOf(now: Micros, offset: number, length: number): LinkPort | undefined {
    const { bytes } = this.transport.receiveRegion;
    const reason = this.#checkHeader(bytes, offset, length);
    const source = offset + SOURCE_MAC_OFFSET;
    if (reason === RejectReason.none) {
      const head = this.#head;
      head.bytes = bytes;
      head.sourceOffset = source;
      head.lengthBytes = length;
      const port = this.#router.route(now, head);
      if (port !== undefined) return port;
      (this.stats.rejected[RejectReason.foreignSource] as number)++;
      this.stats.heardForeign(bytes, source);
      return undefined;
    }
    (this.stats.rejected[reason] as number)++;
    if (reason === RejectReason.foreignDestination) this.stats.heardForeign(bytes, source);
    return undefined;
  }

  #checkHeader(bytes: Uint8Array, offset: number, length: number): RejectReason {
    if (length < ETHERNET_HEADER_BYTES) return RejectReason.tooShort;
    const at = offset + ETHER_TYPE_OFFSET;
    const etherType = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    if (etherType !== this.#etherType) return RejectReason.foreignEtherType;
    if (length > ETHERNET_HEADER_BYTES + this.transport.mtuBytes) return RejectReason.tooLong;
    const isOurs = isMacAt(bytes, offset, this.transport.ownMac);
    return isOurs ? RejectReason.none : RejectReason.foreignDestination;
  }

  #onAlarm(): void {
    if (this.#isClosed) return;
    const now = this.#clock.now();
    if (now - this.#armedFor >= LATE_MICROS && !this.#isPostponed) {
      // The process was held up. Frames may wait that answer what seems overdue: read them first.
      this.#isPostponed = true;
      this.#alarm.arm(now);
      return;
    }
    this.#isPostponed = false;
    this.#isPumping = true;
    for (const { link, client } of this.#ports) {
      link.handleDeadline(now);
      client.handleDeadline(now);
    }
    this.#isPumping = false;
    this.#pump(now);
  }

  /** Drains every link until none has anything left to say. */
  #pump(now: Micros): void {
    if (this.#isClosed) return;
    this.#isPumping = true;
    do {
      this.#isWoken = false;
      // Backwards: a port may be removed on an event.
      for (let i = this.#ports.length - 1; i >= 0; i--) {
        const port = this.#ports[i];
        if (port !== undefined) this.#drain(now, port);
      }
    } while (this.#isWoken && !this.#isClosed);
    this.#isPumping = false;
    if (this.#isClosed) return;
    const { awaited } = this.transport;
    if (awaited !== undefined) awaited[0] = this.#countAwaited();
    this.#armedFor = this.#earliestDeadline();
    this.#alarm.arm(this.#armedFor);
  }

  #countAwaited(): number {
    let sum = 0;
    for (const { client } of this.#ports) {
      if (client.awaited === undefined) return -1;
      sum += client.awaited;
    }
    return sum;
  }

  #drain(now: Micros, port: LinkPort): void {
    const { link, client } = port;
    client.pump(now);
    while (!this.#isBlocked && !this.#isClosed) {
      const count = link.gather(now, this.#descriptors);
      if (count === 0) break;
      const region = link.transmitRegion;
      const taken = this.transport.sendBatch(region, this.#descriptors, 0, count);
      link.commit(now, taken);
      this.stats.batchesSent++;
      this.stats.framesSent += taken;
      if (taken === count) continue;
      this.#isBlocked = true;
      this.stats.transmitBlocked++;
    }
    for (let event = link.pollEvent(); event !== undefined; event = link.pollEvent()) {
      client.onEvent(now, event);
      this.#isWoken = true;
    }
  }

  #earliestDeadline(): Micros {
    let earliest = Infinity;
    for (const { link, client } of this.#ports) {
      earliest = Math.min(earliest, link.pollDeadline(), client.pollDeadline());
    }
    return earliest;
  }
}
