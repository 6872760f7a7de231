import { HALF_SEQUENCE_SPACE, sequenceAfter, sequenceDistance } from './sequence-number.ts';

/** Where a received frame stands in the order of numbers. OmniXtend 1.0.3 §4. */
export type Arrival = 'expected' | 'duplicate' | 'ahead';

/** The receiving side's count of frames. */
export class ReceiveOrder {
  /** NEXT_RX_SEQ. */
  expected: number;

  constructor(firstNumber: number) {
    this.expected = firstNumber;
  }

  /** The number to acknowledge: the last one received in order. */
  get lastInOrder(): number {
    return sequenceAfter(this.expected, -1);
  }

  classify(number: number): Arrival {
    const behind = sequenceDistance(number, this.expected);
    if (behind === 0) return 'expected';
    return behind <= HALF_SEQUENCE_SPACE ? 'duplicate' : 'ahead';
  }

  accept(): void {
    this.expected = sequenceAfter(this.expected, 1);
  }

  /** Gives up the numbers before `number`; returns how many. */
  skipTo(number: number): number {
    const skipped = sequenceDistance(this.expected, number);
    this.expected = number;
    return skipped;
  }
}
