import {
  ByteRegion,
  MEMORY_STATUS_NAMES,
  MemoryRequest,
  MemoryStatus,
  RequestKind,
  type RemoteMemory,
  type RequestOwner,
} from '@oxmem/tloe-protocol';
import type { Prng } from '@oxmem/tloe-protocol/testing';
import { law } from './fuzz-target.ts';

/** Bytes of the memory that a load uses, from its first on. */
export const LOAD_BYTES = 16_384;

/**
 * A driver's user: writes and reads when told to, in a few ranges side by side, and knows what must
 * stand in each byte.
 */
export class HonestLoad implements RequestOwner {
  /** Requests that ended well, and otherwise. */
  done = 0;
  failed = 0;
  pending = 0;
  readonly #memory: RemoteMemory;
  readonly #prng: Prng;
  readonly #mustSucceed: boolean;
  readonly #model = new Uint8Array(LOAD_BYTES);
  readonly #idle: MemoryRequest[];
  #isStopping = false;

  /** @param mustSucceed  whether every request must end well, and every byte must be right */
  constructor(memory: RemoteMemory, prng: Prng, mustSucceed: boolean) {
    this.#memory = memory;
    this.#prng = prng;
    this.#mustSucceed = mustSucceed;
    this.#idle = Array.from({ length: LANES }, (_, lane) => {
      const request = new MemoryRequest(this);
      request.buffer = ByteRegion.allocate(MAX_BYTES);
      request.tag = lane;
      return request;
    });
  }

  /** Begins up to so many requests, as far as ranges are free. */
  work(count: number): void {
    if (this.#isStopping) return;
    for (let i = 0; i < count; i++) {
      const request = this.#idle.pop();
      if (request !== undefined) this.#submit(request);
    }
    this.#memory.kick();
  }

  /** Lets what is under way end; nothing new follows. */
  stop(): void {
    this.#isStopping = true;
  }

  requestDone(request: MemoryRequest, status: MemoryStatus): void {
    this.pending--;
    if (status === MemoryStatus.ok) this.#succeeded(request);
    else {
      law(!this.#mustSucceed, () => `an honest request failed: ${MEMORY_STATUS_NAMES[status]}`);
      this.failed++;
      // A user that goes on asking a dead connection would never come to rest.
      if (status === MemoryStatus.closed || status === MemoryStatus.lost) this.#isStopping = true;
    }
    this.#idle.push(request);
  }

  /** Compares with the memory itself. */
  compare(bytes: Uint8Array): void {
    const at = this.#model.findIndex((byte, index) => byte !== bytes[index]);
    law(at < 0, () => `byte ${at} of the memory is ${bytes[at]}, not ${this.#model[at]}`);
  }

  #submit(request: MemoryRequest): void {
    const prng = this.#prng;
    const length = prng.between(1, MAX_BYTES);
    const first = (request.tag as number) * LANE_BYTES;
    request.kind = prng.chance(0.5) ? RequestKind.write : RequestKind.read;
    request.offset = first + prng.below(LANE_BYTES - length + 1);
    request.length = length;
    const bytes = request.buffer?.bytes as Uint8Array;
    if (request.kind === RequestKind.write) bytes.fill(prng.below(256), 0, length);
    else bytes.fill(0xee);
    this.pending++;
    this.#memory.submit(request);
  }

  #succeeded({ kind, offset, length, buffer }: MemoryRequest): void {
    this.done++;
    const bytes = (buffer as ByteRegion).bytes;
    if (kind === RequestKind.write) this.#model.set(bytes.subarray(0, length), offset);
    else if (this.#mustSucceed) {
      for (let i = 0; i < length; i++) {
        const expected = this.#model[offset + i];
        law(bytes[i] === expected, () => `byte ${offset + i} reads ${bytes[i]}, not ${expected}`);
      }
    }
  }
}

const LANES = 4;
const LANE_BYTES = LOAD_BYTES / LANES;
const MAX_BYTES = 1500;
