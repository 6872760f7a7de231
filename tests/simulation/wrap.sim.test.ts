import { MemoryStatus, PEER_PROFILES } from '@oxmem/tloe-protocol';
import { Dialogue, directionFaults } from '@oxmem/tloe-protocol/testing';
import { expect, it } from 'vitest';

/** Numbers of frames, before they begin at 0 again. */
const NUMBERS = 2 ** 22;
const BYTES = 4096;
/** Frames that a whole round of reads takes: one word in each. */
const FRAMES_PER_ROUND = BYTES / 8;

/** One word in each frame, so that numbers are used up quickly. */
const wordByWord = { ...PEER_PROFILES.oxmem, messagesPerFrame: 1 };

/** Reads the same bytes over and over, from number `first` on, until so many frames were sent. */
async function readAcross(first: number, frames: number, loss: number): Promise<number> {
  const faults = directionFaults({ loss, duplicate: loss });
  const dialogue = new Dialogue({
    faults: { forward: faults, backward: faults },
    sizeBytes: BYTES,
    maxAccessLog2: 3,
    window: 256,
    profile: wordByWord,
    initiatorLink: { firstSequenceNumber: first },
    responderLink: { firstSequenceNumber: first, profile: wordByWord, isPeerKnown: true },
  });
  expect((await dialogue.open()).isOpen).toBe(true);
  const bytes = Uint8Array.from({ length: BYTES }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
  expect(await dialogue.write(0, bytes)).toBe(MemoryStatus.ok);
  const rounds = Math.ceil(frames / FRAMES_PER_ROUND);
  for (let round = 0; round < rounds; round++) {
    const result = await dialogue.read(0, BYTES);
    if (result.status !== MemoryStatus.ok) throw new Error(`round ${round}: ${result.status}`);
    if (Buffer.compare(result.bytes, bytes) !== 0) throw new Error(`round ${round} is wrong`);
  }
  return dialogue.driver.link.stats.framesSent;
}

/**
 * All 2^22 numbers take a processor some minutes; unless asked for, numbering begins a little before
 * the wrap.
 */
const isWhole = process.env['OXMEM_WHOLE_WRAP'] === '1';
const [first, frames] = isWhole ? [0, NUMBERS + 20_000] : [NUMBERS - 20_000, 40_000];

it(`numbers go on from 2^22 - 1 to 0, with losses, in the midst of ${frames} frames`, async () => {
  expect(await readAcross(first, frames, 0.01)).toBeGreaterThan(frames);
}, 3_600_000);
