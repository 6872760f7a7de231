import type { Attachment } from './attachment.ts';
import type { AttachWay } from './attach-strategy.ts';
import { becomesTrue, isDoneWithin } from './device-clock.ts';
import { deviceFacts, devicePath, usersAtRisk } from './device-facts.ts';
import type { DeviceFacts } from './device-facts.ts';
import { DEVICE_TRANSITIONS, endOf } from './device-state.ts';
import type { DeviceEnd, DeviceEvent, DeviceState } from './device-state.ts';
import type { KernelStream } from './kernel-stream.ts';
import type { NativeLinkWatch } from './native-binding.ts';
import type { NbdMachine } from './nbd-machine.ts';

/** What a detachment came to. */
export interface DetachResult {
  /** The kernel has forgotten the device. False: somebody has it open; see `facts`. */
  readonly isReleased: boolean;
  /** The page cache was written before the end, as far as we could tell. */
  readonly isFlushed: boolean;
  /** Who has it, if it was not released. */
  readonly facts: DeviceFacts | undefined;
}

/** Times that a detachment may take, in milliseconds. */
export interface DetachTimes {
  /** For writing the page cache; 0: do not try. Default 1000. */
  readonly flushMillis?: number | undefined;
  /** For the server to answer what is open and close its end. Default 1000. */
  readonly drainMillis?: number | undefined;
  /** For the pid file to vanish. Default 2000. */
  readonly releaseMillis?: number | undefined;
}

/**
 * One attached /dev/nbdN. Made by `attachDevice`; ends by `detach`, which is to be called in any
 * case, also after the device ended by itself.
 */
export class NbdDevice {
  readonly index: number;
  /** Path of the node. */
  readonly path: string;
  readonly way: AttachWay;
  /** One per connection. The device closes them when it is detached. */
  readonly streams: readonly KernelStream[];
  /** Settled, never rejected, when the kernel has stopped using the streams. */
  readonly ended: Promise<DeviceEnd>;

  readonly #attachment: Attachment;
  readonly #machine: NbdMachine;
  #state: DeviceState = 'attaching';
  #end: DeviceEnd | undefined = undefined;
  #tellEnd: (end: DeviceEnd) => void = () => undefined;
  #linkWatch: NativeLinkWatch | undefined = undefined;
  /** Content of the pid file; another content means another attachment, not ours to end. */
  #pidText: string | undefined = undefined;
  #wasDetachAsked = false;
  #wasDisconnectSeen = false;
  /** NBD_DO_IT has returned, and the sockets are cleared. */
  #isServeOver = false;
  /** Settled when every stream is over. */
  readonly #streamsOver: Promise<void>;
  #tellStreamsOver: () => void = () => undefined;
  #detachment: Promise<DetachResult> | undefined = undefined;

  /** @internal */
  constructor(attachment: Attachment, streams: readonly KernelStream[], machine: NbdMachine) {
    this.index = attachment.index;
    this.path = devicePath(attachment.index);
    this.way = attachment.way;
    this.streams = streams;
    this.#attachment = attachment;
    this.#machine = machine;
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    this.#streamsOver = new Promise((resolve) => {
      this.#tellStreamsOver = resolve;
    });
    if (attachment.way === 'netlink') this.#pidText = this.#readPid();
    // With ioctl the thread's return is the end; with netlink, the end of the last stream.
    if (attachment.served !== undefined) {
      attachment.served.then(
        (errno) => this.#noteServeOver(errno),
        () => this.#noteServeOver(0),
      );
    }
    for (const stream of streams) stream.onOver = () => this.#noteStreamOver();
    // They may have ended before anybody listened.
    this.#noteStreamOver();
  }

  get state(): DeviceState {
    return this.#state;
  }

  /** Why it ended; undefined while it serves. */
  get end(): DeviceEnd | undefined {
    return this.#end;
  }

  /** What the machine says about it now. */
  facts(): DeviceFacts {
    return deviceFacts(this.index, this.#machine.files);
  }

  /**
   * Who would lose data if the device went away now, in words without a full stop; undefined:
   * nobody.
   */
  async users(): Promise<string | undefined> {
    return await usersAtRisk(this.facts(), this.#machine.files);
  }

  /**
   * The server has read NBD_CMD_DISC from a stream: somebody told the kernel to disconnect. Only
   * for the record of why the device ended.
   */
  noteDisconnect(): void {
    this.#wasDisconnectSeen = true;
  }

  /**
   * Calls `onDead` when the kernel reports a lost connection of this device. Netlink only.
   *
   * @throws NativeError
   */
  watchLink(onDead: () => void): void {
    this.#linkWatch?.close();
    this.#linkWatch = this.#machine.binding.watchLinks((index) => {
      if (index === this.index) onDead();
    });
  }

  /**
   * Ends the device: has the page cache written, asks the kernel to disconnect, gives the server
   * time to answer what is open, closes the streams, and waits until the kernel has forgotten the
   * device. Filesystems on it are the caller's business; look at `facts` first.
   *
   * Idempotent: later calls join the first, but if that left the device held by somebody, they wait
   * anew. Never rejects.
   */
  detach(times: DetachTimes = {}): Promise<DetachResult> {
    if (this.#detachment === undefined || this.#state === 'held') {
      this.#detachment = this.#detach(times);
    }
    return this.#detachment;
  }

  /**
   * Leaves the device to a successor: closes the streams and the descriptors, and does not tell the
   * kernel to disconnect. With netlink, I/O waits for the successor as long as was agreed; with
   * ioctl the device ends.
   */
  abandon(): void {
    this.#linkWatch?.close();
    for (const stream of this.streams) stream.close();
    this.#attachment.close();
  }

  /**
   * @internal Waits until the device is usable: its pid file is there and the kernel has read the
   * partition table.
   *
   * @returns whether it became usable in time and did not end meanwhile
   * @throws NativeError when the node cannot be opened
   */
  async becomeReady(millis: number): Promise<boolean> {
    const { clock, binding } = this.#machine;
    const hasBegun = (): boolean => this.#readPid() !== undefined;
    const began = await becomesTrue(clock, millis, () => this.#end !== undefined || hasBegun());
    if (!began || this.#end !== undefined) return false;
    this.#pidText = this.#readPid();
    const scanned = binding.scanNode(this.path);
    const isSettled = await isDoneWithin(clock, millis, Promise.race([scanned, this.ended]));
    scanned.catch(() => undefined);
    if (!isSettled || this.#end !== undefined) return false;
    this.#move('attached');
    return true;
  }

  async #detach(times: DetachTimes): Promise<DetachResult> {
    const wasServing = this.#state === 'serving';
    const wasBegun = this.#end === undefined;
    this.#move('detachAsked');
    let isFlushed = false;
    if (wasServing) isFlushed = await this.#flush(times.flushMillis ?? FLUSH_MILLIS);
    this.#wasDetachAsked = true;
    if (wasBegun || this.#isStillOurs()) await this.#disconnect(times.drainMillis ?? DRAIN_MILLIS);
    for (const stream of this.streams) stream.close();
    this.#linkWatch?.close();
    this.#attachment.close();
    this.#noteEnd(0);
    const isReleased = await becomesTrue(
      this.#machine.clock,
      times.releaseMillis ?? RELEASE_MILLIS,
      () => !this.#isStillOurs(),
    );
    this.#move(isReleased ? 'released' : 'releaseOverdue');
    return { isReleased, isFlushed, facts: isReleased ? undefined : this.facts() };
  }

  /** Dirty pages would be lost: NBD_DISCONNECT writes nothing. */
  async #flush(millis: number): Promise<boolean> {
    if (millis === 0) return false;
    const { binding, clock } = this.#machine;
    let isDone = false;
    const flushed = binding.flushNode(this.path).then(
      () => {
        isDone = true;
      },
      () => undefined,
    );
    await isDoneWithin(clock, millis, Promise.race([flushed, this.ended]));
    return isDone;
  }

  async #disconnect(millis: number): Promise<void> {
    const { clock } = this.#machine;
    const { served } = this.#attachment;
    // Nothing is left to end; another server may have the device already.
    if (this.#isServeOver) return;
    const asked = this.#attachment.disconnect().catch(() => undefined);
    // With ioctl the kernel waits for the server to close its end; with netlink it does all itself.
    const over = served === undefined ? asked : served.catch(() => undefined);
    if (await isDoneWithin(clock, millis, over)) return;
    for (const stream of this.streams) stream.close();
    if (await isDoneWithin(clock, millis, over)) return;
    await isDoneWithin(
      clock,
      millis,
      this.#attachment.clear().catch(() => undefined),
    );
    await isDoneWithin(clock, millis, over);
  }

  #readPid(): string | undefined {
    return this.#machine.files.readText(`/sys/block/nbd${this.index}/pid`);
  }

  #isStillOurs(): boolean {
    const text = this.#readPid();
    return text !== undefined && (this.#pidText === undefined || text === this.#pidText);
  }

  #noteStreamOver(): void {
    if (!this.streams.every((stream) => stream.isOver)) return;
    this.#tellStreamsOver();
    if (this.#attachment.served === undefined) this.#noteEnd(0);
  }

  /** What the kernel said last may still be in the streams, and with it why it stopped. */
  async #noteServeOver(errno: number): Promise<void> {
    this.#isServeOver = true;
    await isDoneWithin(this.#machine.clock, LAST_WORDS_MILLIS, this.#streamsOver);
    this.#noteEnd(errno);
  }

  #noteEnd(errno: number): void {
    if (this.#end !== undefined) return;
    this.#end = endOf({
      wasDetachAsked: this.#wasDetachAsked,
      wasDisconnectSeen: this.#wasDisconnectSeen,
      wasStreamClosed: this.streams.some((stream) => stream.wasClosedFirst),
      errno,
    });
    this.#move('ended');
    this.#tellEnd(this.#end);
  }

  #move(event: DeviceEvent): void {
    const next = DEVICE_TRANSITIONS[this.#state][event];
    if (next === undefined) throw new Error(`${event} cannot happen in ${this.#state}`);
    this.#state = next;
  }
}

const FLUSH_MILLIS = 1000;
const DRAIN_MILLIS = 1000;
const RELEASE_MILLIS = 2000;
/** For the streams to be read to their end when NBD_DO_IT has returned. */
const LAST_WORDS_MILLIS = 1000;
