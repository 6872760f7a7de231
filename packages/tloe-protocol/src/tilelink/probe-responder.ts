import type { Link } from '../link/link.ts';
import { Channel, OpcodeB, OpcodeC, messageFlits } from '../wire/channel.ts';
import { MessageFields, writeMessageHead } from '../wire/tilelink-message.ts';
import type { InitiatorStats } from './initiator-stats.ts';

/** Report "holds nothing, keeps nothing". TileLink 1.8.0 table 8.3. */
const PARAM_N_TO_N = 5;

/** Probes that may wait for credits on channel C; more are not answered. */
const MAX_WAITING = 16;

/**
 * Answers probes for an initiator that caches nothing: some endpoints probe every connection when
 * any client acquires a block, and wait for each answer. TileLink 1.8.0 §8.
 */
export class ProbeResponder {
  readonly #link: Link;
  readonly #waiting = Array.from({ length: MAX_WAITING }, () => new MessageFields());
  #count = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Takes a message of channel B; its buffer is free at once. */
  onMessage(message: MessageFields, owner: { readonly stats: InitiatorStats }): boolean {
    const isProbe = message.opcode === OpcodeB.probeBlock || message.opcode === OpcodeB.probePerm;
    if (!isProbe || this.#count === MAX_WAITING) {
      owner.stats.malformedAnswers++;
      return true;
    }
    const answer = this.#waiting[this.#count++] as MessageFields;
    answer.channel = Channel.C;
    answer.opcode = OpcodeC.probeAck;
    answer.param = PARAM_N_TO_N;
    answer.sizeLog2 = message.sizeLog2;
    answer.source = message.source;
    answer.addressHigh = message.addressHigh;
    answer.addressLow = message.addressLow;
    owner.stats.probesAnswered++;
    return true;
  }

  /** Sends what waits, as far as credits allow. */
  pump(): void {
    while (this.#count > 0) {
      const answer = this.#waiting[this.#count - 1] as MessageFields;
      const flits = messageFlits(answer.channel, answer.opcode, answer.sizeLog2);
      const offset = this.#link.reserve(Channel.C, flits);
      if (offset < 0) return;
      writeMessageHead(this.#link.transmitRegion.view, offset, answer);
      this.#count--;
    }
  }
}
