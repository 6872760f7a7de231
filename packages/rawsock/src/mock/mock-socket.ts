import { constants } from 'node:os';
import { COUNTER_NAMES } from '../native-binding.ts';
import type { CounterName, NativeSocket, NativeSocketOptions } from '../native-binding.ts';
import type { InterfaceListener, MockInterface } from './mock-interface.ts';

/** The double of the addon's socket. Everything it tells, it tells through `schedule`. */
export class MockSocket implements NativeSocket, InterfaceListener {
  readonly memory: ArrayBuffer;
  readonly #bytes: Uint8Array;
  readonly #options: NativeSocketOptions;
  readonly #interface: MockInterface;
  readonly #schedule: (run: () => void) => void;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #droppedFrames = 0;
  #peerMac: Uint8Array | undefined;
  #handlers: Handlers | undefined;
  #isOpen = true;
  #isBlocked = false;
  #isWakeUpDue = false;

  constructor(
    options: NativeSocketOptions,
    on: MockInterface,
    schedule: (run: () => void) => void,
  ) {
    this.#options = options;
    this.memory = new ArrayBuffer(options.slots * options.slotBytes);
    this.#bytes = new Uint8Array(this.memory);
    this.#interface = on;
    this.#schedule = schedule;
    this.#peerMac = options.peerMac?.slice();
    on.attach(this);
  }

  start(
    onBatch: (frames: number) => void,
    onWritable: () => void,
    onFailure: (syscall: string, errno: number) => void,
  ): void {
    if (!this.#isOpen || this.#handlers !== undefined) return;
    this.#handlers = { onBatch, onWritable, onFailure };
    if (this.#interface.isRemoved) this.noteRemoval();
    if (this.#interface.obstacle() !== 'socket-full') this.noteRoom();
    this.#wakeUp();
  }

  send(region: Uint8Array, descriptors: Int32Array, first: number, count: number): number {
    checkDescriptors(region, descriptors, first, count);
    if (!this.#isOpen) return count;
    this.#count('sendCalls', 1);
    for (let i = 0; i < count; i++) {
      const offset = descriptors[2 * (first + i)] as number;
      const end = offset + (descriptors[2 * (first + i) + 1] as number);
      if (!this.#sendFrame(region.subarray(offset, end))) return i;
    }
    return count;
  }

  setPeerMac(mac: Uint8Array | undefined): void {
    this.#peerMac = mac?.slice();
  }

  collectDrops(): void {
    this.#count('kernelDrops', this.#droppedFrames);
    this.#droppedFrames = 0;
  }

  close(): void {
    this.collectDrops();
    this.#isOpen = false;
    this.#queue.length = 0;
    this.#interface.detach(this);
  }

  /** For MockInterface: a frame passes by. The filter looks at it, then the receive buffer. */
  deliver(frame: Uint8Array, isOutgoing: boolean): void {
    if (isOutgoing && this.#options.times === undefined) return;
    const keptBytes = this.#filter(frame);
    if (keptBytes === 0) return;
    if (this.#queuedBytes + keptBytes > this.#options.receiveBufferBytes) {
      this.#droppedFrames++;
      return;
    }
    this.#queue.push(frame.slice(0, keptBytes));
    this.#queuedBytes += keptBytes;
    this.#wakeUp();
  }

  /** For MockInterface: there is room again. */
  noteRoom(): void {
    if (this.#isBlocked) this.#schedule(() => this.#tellWritable());
  }

  /** For MockInterface: it is gone for good. */
  noteRemoval(): void {
    this.#schedule(() => {
      if (this.#isOpen) this.#handlers?.onFailure('recvmmsg', constants.errno.ENODEV);
    });
  }

  /** @returns false when the frame was not taken */
  #sendFrame(frame: Uint8Array): boolean {
    const obstacle = this.#interface.obstacle();
    const isSound =
      frame.length >= MAC_HEADER_BYTES &&
      frame.length <= this.#interface.mtuBytes + MAC_HEADER_BYTES;
    if (obstacle === 'lost' || !isSound) {
      this.#count('sendErrors', 1);
      return true;
    }
    if (obstacle !== 'none') {
      this.#count('sendBlocked', 1);
      this.#isBlocked = true;
      if (obstacle === 'device-full') this.noteRoom();
      return false;
    }
    this.#count('framesSent', 1);
    this.#count('bytesSent', frame.length);
    this.#interface.send(frame.slice(), this.#options.bypassQdisc ? undefined : this);
    return true;
  }

  #tellWritable(): void {
    if (!this.#isOpen || !this.#isBlocked || this.#handlers === undefined) return;
    this.#isBlocked = false;
    this.#handlers.onWritable();
  }

  /** @returns bytes of the frame that the filter lets through */
  #filter(frame: Uint8Array): number {
    if (frame.length < MAC_HEADER_BYTES) return 0;
    const etherType = ((frame[12] as number) << 8) | (frame[13] as number);
    if (etherType !== this.#options.etherType) return 0;
    if (this.#options.times !== undefined) return frame.length;
    const isForUs = hasMacAt(frame, 0, this.#options.ownMac);
    const isFromPeer = this.#peerMac === undefined || hasMacAt(frame, 6, this.#peerMac);
    return isForUs && isFromPeer ? frame.length : MAC_HEADER_BYTES;
  }

  #wakeUp(): void {
    if (this.#isWakeUpDue || this.#queue.length === 0 || this.#handlers === undefined) return;
    this.#isWakeUpDue = true;
    this.#schedule(() => {
      this.#isWakeUpDue = false;
      for (let i = 0; i < BATCHES_PER_TURN && this.#receiveBatch(); i++);
      this.#wakeUp();
    });
  }

  /** @returns whether there may be more */
  #receiveBatch(): boolean {
    if (!this.#isOpen || this.#handlers === undefined) return false;
    const { slotBytes, slots, descriptors } = this.#options;
    this.#count('receiveCalls', 1);
    let frames = 0;
    for (const frame of this.#queue.splice(0, slots)) {
      this.#queuedBytes -= frame.length;
      if (frame.length > slotBytes - FRAME_OFFSET) {
        this.#count('receiveTruncated', 1);
        continue;
      }
      const offset = frames * slotBytes + FRAME_OFFSET;
      this.#bytes.set(frame, offset);
      descriptors[2 * frames] = offset;
      descriptors[2 * frames + 1] = frame.length;
      this.#options.times?.set(timeOfDay(), 2 * frames);
      this.#count('bytesReceived', frame.length);
      frames++;
    }
    this.#count('framesReceived', frames);
    if (frames > 0) this.#handlers.onBatch(frames);
    return this.#queue.length > 0;
  }

  #count(name: CounterName, amount: number): void {
    const { counters } = this.#options;
    const index = COUNTER_NAMES.indexOf(name);
    counters[index] = (counters[index] as number) + amount;
  }
}

interface Handlers {
  readonly onBatch: (frames: number) => void;
  readonly onWritable: () => void;
  readonly onFailure: (syscall: string, errno: number) => void;
}

/** Seconds since 1970, and nanoseconds. */
function timeOfDay(): [number, number] {
  const millis = Date.now();
  return [Math.floor(millis / 1000), (millis % 1000) * 1e6];
}

const MAC_HEADER_BYTES = 14;
const FRAME_OFFSET = 2;
/** As the addon: then others have their turn. */
const BATCHES_PER_TURN = 8;

function hasMacAt(frame: Uint8Array, offset: number, mac: Uint8Array): boolean {
  return mac.every((byte, i) => frame[offset + i] === byte);
}

function checkDescriptors(
  region: Uint8Array,
  descriptors: Int32Array,
  first: number,
  count: number,
): void {
  let isSound = first >= 0 && count >= 0 && first + count <= descriptors.length >> 1;
  for (let i = first; isSound && i < first + count; i++) {
    const offset = descriptors[2 * i] as number;
    const length = descriptors[2 * i + 1] as number;
    isSound = offset >= 0 && length >= 0 && offset + length <= region.length;
  }
  if (!isSound) throw new RangeError('a descriptor points outside its region');
}
