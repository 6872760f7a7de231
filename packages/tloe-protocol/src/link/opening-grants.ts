import { CHANNEL_TABLE_SIZE } from '../wire/channel.ts';

/**
 * The credits that a peer grants in answer to an opening: what tells peers apart, and whether more
 * is to be expected.
 */
export class OpeningGrants {
  /** Exponent by channel number, -1 where none was granted yet. */
  readonly exponents: number[] = Array.from({ length: CHANNEL_TABLE_SIZE }, () => -1);

  note(channel: number, exponent: number): void {
    this.exponents[channel] = exponent;
  }

  /** Whether all five channels have credits. */
  get isComplete(): boolean {
    return this.exponents.every((exponent, channel) => channel === 0 || exponent >= 0);
  }
}
