/**
 * Order of the bytes of a data word on the wire.
 *
 * `spec`: the byte at the lowest address travels last, as OmniXtend 1.0.3 figures 25-30 draw it.
 * `raw`: memory order, as the C driver and the C memory node have it. Both ends of a connection, and
 * everybody who shares the memory, must use the same.
 */
export type DataOrder = 'raw' | 'spec';

/** Where byte `lane` of memory (address modulo 8) travels within its word. */
export function wireByteOfLane(lane: number, isReversed: boolean): number {
  return isReversed ? 7 - lane : lane;
}

/**
 * The byte-enable bit of wire byte `wireByte` of a word: mask bit b goes with bits 8b+7:8b of the
 * data word, so with the wire byte 7 - b. OmniXtend 1.0.3 figure 16.
 */
export function maskBitOfWireByte(wireByte: number): number {
  return 1 << (7 - wireByte);
}
