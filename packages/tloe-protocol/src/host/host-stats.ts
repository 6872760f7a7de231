import { MAC_BYTES } from '../wire/ethernet.ts';
import { REJECT_REASON_NAMES } from '../wire/reject-reason.ts';

/** Different foreign addresses that are remembered. */
const MAX_FOREIGN = 4;

/** Plain integer counters of a host, and who else was heard. */
export class HostStats {
  batchesReceived = 0;
  framesReceived = 0;
  batchesSent = 0;
  framesSent = 0;
  /** Times that the transport took less than was offered. */
  transmitBlocked = 0;
  /** Frames dropped before they reached a link, by `RejectReason`. */
  readonly rejected: Float64Array = new Float64Array(REJECT_REASON_NAMES.length);
  /** Source addresses of OmniXtend frames that belong to no link here: a wrong MAC shows so. */
  readonly foreignSources: Uint8Array[] = [];

  /** Remembers the address at `offset`, the first few times that a new one is heard. */
  heardForeign(bytes: Uint8Array, offset: number): void {
    if (this.foreignSources.length >= MAX_FOREIGN) return;
    const mac = bytes.slice(offset, offset + MAC_BYTES);
    const isKnown = this.foreignSources.some((known) => known.every((b, i) => b === mac[i]));
    if (!isKnown) this.foreignSources.push(mac);
  }
}
