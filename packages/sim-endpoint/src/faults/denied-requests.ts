import type { Prng } from '@oxmem/tloe-protocol/testing';
import type { RequestFaults } from '../connection.ts';

/** Refuses requests by chance, as a memory with bad spots would. */
export class DeniedRequests implements RequestFaults {
  /** Per request, 0 .. 1. */
  chance: number;
  readonly #prng: Prng;

  constructor(chance: number, prng: Prng) {
    this.chance = chance;
    this.#prng = prng;
  }

  refuses(): boolean {
    return this.#prng.chance(this.chance);
  }
}
