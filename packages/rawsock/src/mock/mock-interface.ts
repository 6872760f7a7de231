import type { InterfaceInfo } from '../native-binding.ts';

/** One interface on a MockNetwork. */
export interface MockInterfaceOptions {
  readonly name: string;
  /** 6 bytes. Default: 02:00:00:00:00 and the interface's index. */
  readonly mac?: Uint8Array;
  /** Default 1500. */
  readonly mtuBytes?: number;
  /** Interfaces with the same segment hear each other. Default: all do. */
  readonly segment?: string;
  readonly isLoopback?: boolean;
  /** False: an interface without MAC headers, a tunnel for instance. Default true. */
  readonly isEthernet?: boolean;
}

/** What an interface tells the sockets on it. */
export interface InterfaceListener {
  /** A frame passes by; an outgoing one is one of this interface's own. */
  deliver(frame: Uint8Array, isOutgoing: boolean): void;
  /** There is room to send again. */
  noteRoom(): void;
  /** The interface is gone for good. */
  noteRemoval(): void;
}

/** Why an interface does not take a frame at the moment. */
export type SendObstacle = 'none' | 'lost' | 'socket-full' | 'device-full';

/** An interface of a MockNetwork, with the knobs to make it misbehave. */
export class MockInterface {
  readonly name: string;
  readonly index: number;
  readonly mac: Uint8Array;
  /** May be changed; sockets keep what they saw when they were opened. */
  mtuBytes: number;
  readonly segment: string;
  readonly isLoopback: boolean;
  readonly isEthernet: boolean;

  /** Set by MockNetwork.removeInterface. */
  isRemoved = false;

  readonly #transmit: (frame: Uint8Array) => void;
  readonly #sockets = new Set<InterfaceListener>();
  #isUp = true;
  #isConnected = true;
  #framesUntilFull = Infinity;
  #isDeviceFull = false;

  /** Made by MockNetwork.addInterface. */
  constructor(options: MockInterfaceOptions, index: number, transmit: (frame: Uint8Array) => void) {
    this.name = options.name;
    this.index = index;
    this.isLoopback = options.isLoopback ?? false;
    this.mac = options.mac ?? Uint8Array.of(this.isLoopback ? 0 : 2, 0, 0, 0, 0, index);
    this.mtuBytes = options.mtuBytes ?? 1500;
    this.segment = options.segment ?? '';
    this.isEthernet = options.isEthernet ?? true;
    this.#transmit = transmit;
  }

  /** Switches the interface on or off. Off, it loses what is sent and hears nothing. */
  setUp(isUp: boolean): void {
    this.#isUp = isUp;
  }

  /** Plugs the cable in or out. */
  setCarrier(isConnected: boolean): void {
    this.#isConnected = isConnected;
  }

  /** Takes that many frames more; then sends are cut short (EAGAIN) until `drainSends`. */
  limitSends(frames: number): void {
    this.#framesUntilFull = frames;
  }

  /** Makes room without limit, and tells the sockets that wait for it. */
  drainSends(): void {
    this.#framesUntilFull = Infinity;
    for (const socket of this.#sockets) socket.noteRoom();
  }

  /** A full device queue (ENOBUFS): it says nothing when it has room, sockets ask now and then. */
  setDeviceFull(isFull: boolean): void {
    this.#isDeviceFull = isFull;
  }

  /** A frame arrives from the wire, as it is: destination, source, EtherType, payload. */
  inject(frame: Uint8Array): void {
    this.receive(frame);
  }

  /** What the kernel would say about it now. */
  info(): InterfaceInfo {
    const { name, index, mac, mtuBytes, isLoopback, isEthernet } = this;
    const hasCarrier = this.#isUp && this.#isConnected;
    const isUp = this.#isUp;
    return { name, index, mac: mac.slice(), mtuBytes, isUp, hasCarrier, isLoopback, isEthernet };
  }

  /** For MockSocket: what stands in the way of the next frame. */
  obstacle(): SendObstacle {
    if (this.isRemoved || !this.#isUp || !this.#isConnected) return 'lost';
    if (this.#isDeviceFull) return 'device-full';
    return this.#framesUntilFull > 0 ? 'none' : 'socket-full';
  }

  /**
   * For MockSocket: puts a frame on the wire, after `obstacle` said 'none'.
   *
   * @param sender  shows the frame to all other sockets here; undefined: it bypasses the queue
   */
  send(frame: Uint8Array, sender: InterfaceListener | undefined): void {
    this.#framesUntilFull--;
    for (const socket of this.#sockets) {
      if (sender !== undefined && socket !== sender) socket.deliver(frame, true);
    }
    this.#transmit(frame);
  }

  /** For MockNetwork: a frame passes by. */
  receive(frame: Uint8Array): void {
    if (!this.#isUp || !this.#isConnected || this.isRemoved) return;
    for (const socket of this.#sockets) socket.deliver(frame, false);
  }

  /** For MockSocket. */
  attach(socket: InterfaceListener): void {
    this.#sockets.add(socket);
  }

  /** For MockSocket. */
  detach(socket: InterfaceListener): void {
    this.#sockets.delete(socket);
  }

  /** For MockNetwork: the interface is unplugged for good. */
  remove(): void {
    this.isRemoved = true;
    for (const socket of this.#sockets) socket.noteRemoval();
  }
}
