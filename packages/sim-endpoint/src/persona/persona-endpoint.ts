import {
  DEFAULT_ETHER_TYPE,
  ETHERNET_HEADER_BYTES,
  ETHER_TYPE_OFFSET,
  FrameType,
  HostStats,
  RejectReason,
  formatMac,
  isMacAt,
  type Alarm,
  type ByteRegion,
  type Clock,
  type FrameTransport,
  type Micros,
} from '@oxmem/tloe-protocol';
// A simulator is made of the simulation parts: they are published for programs like this one.
import type { Prng } from '@oxmem/tloe-protocol/testing';
import type { EndpointListener } from '../endpoint-events.ts';
import {
  ConnectionStats,
  DepartedStats,
  snapshotOf,
  type EndpointStats,
} from '../endpoint-stats.ts';
import type { FrameFaultCounts } from '../faults/faulty-direction.ts';
import type { MemoryServer } from '../memory-server.ts';
import type { EndpointHabits } from './endpoint-habits.ts';
import { PersonaConnection } from './persona-connection.ts';
import { readFrame, type HeardFrame } from './persona-frame.ts';
import { FrameOutlet } from './frame-outlet.ts';
import { PersonaService, type ServedMemory } from './persona-service.ts';

/** What a foreign endpoint is made of. */
export interface PersonaParts {
  /** Belongs to the endpoint from now on; `close` closes it. */
  readonly transport: FrameTransport;
  readonly clock: Clock;
  readonly memory: ServedMemory;
  readonly prng: Prng;
  readonly onEvent?: EndpointListener;
  /** What is done to frames, for the counters; undefined: nothing. */
  readonly frameFaults?: { readonly counts: FrameFaultCounts } | undefined;
}

/**
 * An endpoint that behaves like a foreign one, defects included: a small engine of its own that
 * shares nothing with `Link` and `Responder` but the bytes of the wire, so that what one gets wrong
 * the other does not repeat. For tests and for trying out drivers; it copies and allocates freely.
 *
 * Where the real program would end, this one stops and tells `failed`; where hardware would block,
 * it stays silent for good.
 */
export class PersonaEndpoint implements MemoryServer {
  readonly habits: EndpointHabits;
  readonly maxAccessLog2: number;
  /** Why it does nothing any more, if that is so. */
  end: string | undefined = undefined;
  /** What initiators did to it that the real one suffers from without dying of it. */
  readonly sufferings: string[] = [];
  readonly #parts: PersonaParts;
  readonly #service: PersonaService;
  readonly #outlet: FrameOutlet;
  readonly #alarm: Alarm;
  readonly #connections = new Map<string, PersonaConnection>();
  readonly #stats = new ConnectionStats();
  readonly #totals = new DepartedStats();
  readonly #host = new HostStats();
  #isClosed = false;

  constructor(habits: EndpointHabits, parts: PersonaParts) {
    this.habits = habits;
    this.#parts = parts;
    this.#service = new PersonaService(habits.service, parts.memory);
    this.maxAccessLog2 = Math.max(habits.service.maxGetLog2, habits.service.maxPutLog2);
    this.#outlet = new FrameOutlet(parts.transport);
    this.#alarm = parts.clock.createAlarm(() => this.#onAlarm());
  }

  get mac(): Uint8Array {
    return this.#parts.transport.ownMac;
  }

  start(): void {
    this.#parts.transport.start({
      onReceiveBatch: (count) => this.#onReceiveBatch(count),
      onWritable: () => this.#outlet.drain(),
      onFailure: (error) => this.#fail(error),
    });
  }

  stats(): EndpointStats {
    this.#host.framesSent = this.#totals.link.framesSent;
    return snapshotOf(this.#totals.clone(), this.#host, {
      connections: this.#stats,
      connectionsOpen: this.#connections.size,
      faults: this.#parts.frameFaults?.counts,
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#alarm.close();
    this.#parts.transport.close();
  }

  #onReceiveBatch(count: number): void {
    const now = this.#parts.clock.now();
    const { receiveRegion, receiveDescriptors } = this.#parts.transport;
    for (let i = 0; i < count && this.end === undefined; i++) {
      const offset = receiveDescriptors[2 * i] as number;
      this.#take(now, receiveRegion, offset, receiveDescriptors[2 * i + 1] as number);
    }
    this.#settle();
  }

  #take(now: Micros, region: ByteRegion, offset: number, length: number): void {
    const { receive, admission } = this.habits;
    this.#host.framesReceived++;
    if (length < ETHERNET_HEADER_BYTES) return this.#reject(RejectReason.tooShort);
    const etherType = region.view.getUint16(offset + ETHER_TYPE_OFFSET);
    if (etherType !== DEFAULT_ETHER_TYPE) return this.#reject(RejectReason.foreignEtherType);
    if (admission.checksDestination && !isMacAt(region.bytes, offset, this.mac)) {
      return this.#reject(RejectReason.foreignDestination);
    }
    if (length > receive.longestFrameBytes && receive.whenLonger === 'ends') {
      return this.#stop('ends', `a frame of ${length} bytes overruns its buffer`);
    }
    const end = offset + Math.min(length, receive.longestFrameBytes);
    const frame = readFrame(region.bytes.subarray(offset, end), receive.findsMessagesBy);
    if (frame !== undefined) this.#route(now, frame);
    else if (receive.findsMessagesBy === 'mask') this.#reject(RejectReason.tooShort);
    else this.#stop('blocks', 'something in a frame is neither padding nor a message');
  }

  #route(now: Micros, frame: HeardFrame): void {
    if (frame.type > FrameType.close) return this.#reject(RejectReason.unknownFrameType);
    const name = formatMac(frame.source);
    const connection = this.#connections.get(name);
    if (connection === undefined) return this.#admit(now, frame, name);
    connection.receive(now, frame);
    if (connection.isOver && this.#connections.delete(name)) {
      this.#stats.closed++;
      this.#tell({ type: 'closed', mac: frame.source });
    }
  }

  #admit(now: Micros, frame: HeardFrame, name: string): void {
    const { admission } = this.habits;
    const isOpen = frame.type === FrameType.open || admission.opensBy === 'anyFrame';
    if (!isOpen) {
      this.#stats.framesUnconnected++;
      return;
    }
    if (frame.number !== 0 && admission.opensBy === 'open') {
      if (admission.strayOpen === 'ends') this.#stop('ends', `an Open with number ${frame.number}`);
      return;
    }
    if (this.#connections.size >= admission.connections) {
      this.#stats.framesRefused++;
      if (admission.whenFull === 'ends') this.#stop('ends', 'an initiator too many');
      return;
    }
    const connection = this.#newConnection(frame);
    this.#connections.set(name, connection);
    this.#stats.opened++;
    this.#tell({ type: 'opened', mac: frame.source });
    connection.begin(now, frame);
  }

  #newConnection({ source, destination }: HeardFrame): PersonaConnection {
    const { prng, transport } = this.#parts;
    return new PersonaConnection({
      habits: this.habits,
      service: this.#service,
      ownMac: destination,
      peerMac: source,
      mtuBytes: transport.mtuBytes,
      prng: prng.fork(formatMac(source)),
      stats: this.#totals.link,
      requests: this.#totals.responder,
      send: (frame) => this.#outlet.send(frame),
      stop: (kind, why) => this.#stop(kind, why),
      suffer: (what) => this.sufferings.push(what),
    });
  }

  #onAlarm(): void {
    const now = this.#parts.clock.now();
    for (const connection of this.#connections.values()) {
      if (connection.deadline() <= now) connection.handleDeadline(now);
    }
    this.#settle();
  }

  /** Frames out, one alarm for the earliest deadline. */
  #settle(): void {
    if (this.#isClosed) return;
    this.#outlet.drain();
    let earliest = Infinity;
    for (const connection of this.#connections.values()) {
      earliest = Math.min(earliest, connection.deadline());
    }
    this.#alarm.arm(this.end === undefined ? earliest : Infinity);
  }

  #stop(kind: 'ends' | 'blocks', why: string): void {
    if (this.end !== undefined) return;
    this.end = `${this.habits.name} ${kind}: ${why}`;
    this.#connections.clear();
    if (kind === 'ends') this.#fail(new Error(this.end));
  }

  #fail(error: Error): void {
    this.close();
    this.#parts.onEvent?.({ type: 'failed', error });
  }

  #reject(reason: RejectReason): void {
    (this.#host.rejected[reason] as number)++;
  }

  #tell(event: Parameters<EndpointListener>[0]): void {
    if (!this.#isClosed) this.#parts.onEvent?.(event);
  }
}
