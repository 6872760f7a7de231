import type { Prng } from '@oxmem/tloe-protocol/testing';
import type { RequestFaults } from '../connection.ts';

/** Refuses requests by chance, as a memory with bad spots would. */
export class DeniedRequests implements RequestFaults {
  readonly #chance: number;
  readonly #prng: Prng;

  /** @param chance  per request, 0 .. 1 */
  constructor(chance: number, prng: Prng) {
    this.#chance = chance;
    this.#prng = prng;
  }

  refuses(): boolean {
    return this.#prng.chance(this.#chance);
  }
}
