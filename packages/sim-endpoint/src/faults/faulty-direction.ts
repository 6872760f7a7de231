import type { Micros } from '@oxmem/tloe-protocol';
import { MAC_A, MAC_B, NetworkSimulator, type Prng } from '@oxmem/tloe-protocol/testing';
import type { FaultDirection, FrameFaults } from './fault-settings.ts';

/** What was done to the frames of one direction. */
export interface FaultCounts {
  readonly frames: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly corrupted: number;
  /** Dropped because too many frames were under way. */
  readonly overflowed: number;
  readonly stalls: number;
}

/** What was done to the frames that an endpoint received, and to those that it sent. */
export type FrameFaultCounts = Readonly<Record<FaultDirection, FaultCounts>>;

/** Frames under way in one direction at most; a delay on a fast wire would fill the memory else. */
export const MAX_FRAMES_UNDER_WAY = 4096;

/**
 * One direction of a faulty transport: frames go in, and come out later, or twice, or never. A
 * simulated wire, with stalls on top. Sans-IO.
 */
export class FaultyDirection {
  readonly #wire: NetworkSimulator;
  #faults: FrameFaults;
  readonly #prng: Prng;
  readonly #lossChance: Prng;
  /** Frames are lost, and nothing else: that is decided here, and the wire loses none. */
  #losesOnly: boolean;
  #frames = 0;
  #lost = 0;
  #stalledUntil: Micros = -Infinity;
  #stalls = 0;
  #overflowed = 0;

  constructor(faults: FrameFaults, prng: Prng) {
    this.#faults = faults;
    this.#prng = prng.fork('stall');
    this.#lossChance = prng.fork('prompt');
    this.#losesOnly = losesOnly(faults);
    this.#wire = new NetworkSimulator(prng, { topology: 'point-to-point' });
    this.#wire.addPort({ mac: MAC_A, faults: this.#wireFaults() });
    this.#wire.addPort({ mac: MAC_B });
  }

  get counts(): FaultCounts {
    const { lost, duplicated, reordered, corrupted } = this.#wire.counts(0);
    return {
      frames: this.#frames,
      lost: lost + this.#lost,
      duplicated,
      reordered,
      corrupted,
      overflowed: this.#overflowed,
      stalls: this.#stalls,
    };
  }

  /** What happens to frames that go in from now on; a stall ends. */
  setFaults(faults: FrameFaults): void {
    this.#faults = faults;
    this.#losesOnly = losesOnly(faults);
    this.#wire.setFaults(0, this.#wireFaults());
    this.#stalledUntil = -Infinity;
  }

  /** Whether a frame that goes in now comes out at once and unchanged, or never. */
  get isPrompt(): boolean {
    return this.#losesOnly && this.#wire.nextAt === Infinity;
  }

  /** Whether the next frame gets through, while `isPrompt`. It need not go in: nothing is copied. */
  passes(): boolean {
    this.#frames++;
    if (!this.#lossChance.chance(this.#faults.wire.loss)) return true;
    this.#lost++;
    return false;
  }

  /** A frame goes in; it is copied. */
  put(now: Micros, frame: Uint8Array): void {
    const { stall } = this.#faults;
    // The same seed loses the same frames, whether they can pass promptly or not.
    if (!this.#losesOnly) this.#frames++;
    else if (!this.passes()) return;
    if (now >= this.#stalledUntil && this.#prng.chance(stall.chance)) {
      this.#stalledUntil = now + stall.durationMicros;
      this.#stalls++;
    }
    if (this.#underWay() >= MAX_FRAMES_UNDER_WAY) this.#overflowed++;
    else this.#wire.send(now, 0, frame);
  }

  /** When the next frame comes out; Infinity if none is under way. */
  get nextAt(): Micros {
    return Math.max(this.#wire.nextAt, this.#stalledUntil);
  }

  /** The next frame that has come out by `now`; belongs to the caller. */
  take(now: Micros): Uint8Array | undefined {
    return now < this.#stalledUntil ? undefined : this.#wire.takeArrival(now)?.bytes;
  }

  #wireFaults(): FrameFaults['wire'] {
    const { wire } = this.#faults;
    return this.#losesOnly ? { ...wire, loss: 0 } : wire;
  }

  #underWay(): number {
    const { sent, duplicated, lost } = this.#wire.counts(0);
    return sent + duplicated - lost - this.#wire.counts(1).delivered;
  }
}

function losesOnly({ wire, stall }: FrameFaults): boolean {
  const others = [wire.duplicate, wire.reorder, wire.corrupt, wire.delayMicros, wire.jitterMicros];
  const isPlain = wire.bursts === undefined && wire.script.length === 0;
  return isPlain && stall.chance === 0 && others.every((value) => value === 0);
}
