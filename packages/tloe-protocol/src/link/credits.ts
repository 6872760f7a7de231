import { assert } from '../assert.ts';
import { floorLog2 } from '../units.ts';
import { CHANNEL_TABLE_SIZE } from '../wire/channel.ts';

/**
 * Credits of one direction of a link, in flits, per channel. OmniXtend 1.0.3 §5.
 * A message costs its whole length; headers, masks and padding of frames are free.
 */

/** Where a counter stops rising: known peers grant absurd amounts (2^31) by mistake. */
export const CREDIT_CEILING: number = 2 ** 40;

/** Exponents in a header go up to 31, where shifting an integer would turn negative. */
const POWERS_OF_TWO = Float64Array.from({ length: 32 }, (_, exponent) => 2 ** exponent);

/** The most that one header can return. */
const MOST_RETURNED = 2 ** 31;

/** What this end may send: granted by the peer, spent by messages. */
export class CreditAccount {
  /** Flits available, indexed by channel number. */
  readonly available: Float64Array = new Float64Array(CHANNEL_TABLE_SIZE);
  readonly #initial = new Float64Array(CHANNEL_TABLE_SIZE);

  /** Adds 2^exponent flits to `channel`; other channel numbers than 1 .. 5 are ignored. */
  grant(channel: number, exponent: number): void {
    if (channel < 1 || channel >= CHANNEL_TABLE_SIZE) return;
    const sum = (this.available[channel] as number) + (POWERS_OF_TWO[exponent] as number);
    this.available[channel] = Math.min(sum, CREDIT_CEILING);
  }

  /** Takes `flits` off; the caller has checked, or lets the peer's limit go below zero knowingly. */
  spend(channel: number, flits: number): void {
    (this.available[channel] as number) -= flits;
  }

  /** What is there now is what the peer's buffers hold. */
  noteInitial(): void {
    this.#initial.set(this.available);
  }

  /** `channel` as in the beginning, if less is left; returns whether it was. */
  restore(channel: number): boolean {
    const initial = this.#initial[channel] as number;
    if ((this.available[channel] as number) >= initial) return false;
    this.available[channel] = initial;
    return true;
  }

  reset(): void {
    this.available.fill(0);
    this.#initial.fill(0);
  }
}

/** What this end owes the peer: flits of messages that have left the receive buffer. */
export class CreditDebt {
  /** Flits not yet returned, indexed by channel number. */
  readonly owed: Float64Array = new Float64Array(CHANNEL_TABLE_SIZE);
  /** The same of all channels together. */
  total = 0;
  /** A debt of this many flits is worth a frame of its own. */
  readonly #urgent: Float64Array = new Float64Array(CHANNEL_TABLE_SIZE);

  /** @param grantExponents  size of each channel's receive buffer, log2 flits, by channel number */
  constructor(grantExponents: readonly number[]) {
    assert(grantExponents.length === CHANNEL_TABLE_SIZE, 'one grant for each channel');
    for (const [channel, exponent] of grantExponents.entries()) {
      this.#urgent[channel] = 2 ** exponent / 2;
    }
  }

  add(channel: number, flits: number): void {
    (this.owed[channel] as number) += flits;
    this.total += flits;
  }

  /** The channel with the largest debt, or 0 if nothing is owed. */
  largest(): number {
    if (this.total === 0) return 0;
    let best = 0;
    let most = 0;
    for (let channel = 1; channel < CHANNEL_TABLE_SIZE; channel++) {
      const owed = this.owed[channel] as number;
      if (owed > most) {
        most = owed;
        best = channel;
      }
    }
    return best;
  }

  /** Whether some channel owes at least half of its buffer. */
  isUrgent(): boolean {
    for (let channel = 1; channel < CHANNEL_TABLE_SIZE; channel++) {
      if ((this.owed[channel] as number) >= (this.#urgent[channel] as number)) return true;
    }
    return false;
  }

  /**
   * Takes the largest power of two off what `channel` is owed and returns its exponent.
   * The rest stays for a later frame.
   */
  take(channel: number): number {
    const owed = this.owed[channel] as number;
    assert(owed >= 1, 'something is owed');
    const exponent = floorLog2(Math.min(owed, MOST_RETURNED));
    this.owed[channel] = owed - (POWERS_OF_TWO[exponent] as number);
    this.total -= POWERS_OF_TWO[exponent] as number;
    return exponent;
  }

  reset(): void {
    this.owed.fill(0);
    this.total = 0;
  }
}
