import { isDeepStrictEqual } from 'node:util';
import { Channel, ETHERNET_HEADER_BYTES } from '@oxmem/tloe-protocol';
import { Prng } from '@oxmem/tloe-protocol/testing';
import { decodeFrame } from '../../packages/tloe-protocol/test/naive-codec.ts';
import { decodeBytes } from '../../packages/tloe-protocol/test/wire-codec.ts';
import { law, type FuzzTarget, type Genes } from './fuzz-target.ts';
import { MAX_FRAME_BYTES, writeHostileFrame } from './hostile-frame.ts';

const ANYBODY = new Uint8Array(6);
const CHANNELS = [Channel.A, Channel.B, Channel.C, Channel.D, Channel.E];

function frameOf(gene: number): Uint8Array {
  const prng = new Prng(gene);
  const situation = { to: ANYBODY, from: ANYBODY, next: 7, heard: 7, channels: CHANNELS };
  const frame = new Uint8Array(MAX_FRAME_BYTES);
  const length = writeHostileFrame(prng, situation, frame);
  return frame.subarray(Math.min(ETHERNET_HEADER_BYTES, length), length);
}

/** The decoder of the data path says the same of every frame as the slow one from the bit tables. */
export const decoderTarget: FuzzTarget = {
  name: 'decoder',
  about: 'the frame decoder, against the slow and obvious one',
  maxGenes: 500,
  casesAtATime: 4,
  run(genes: Genes): number {
    for (const gene of genes) {
      const bytes = frameOf(gene);
      const isStrict = (gene & 1) === 1;
      const fast = decodeBytes(bytes, isStrict);
      const slow = decodeFrame(bytes, isStrict);
      const slowFrame = 'frame' in slow ? slow.frame : undefined;
      law(
        isDeepStrictEqual(fast.frame, slowFrame),
        () => `decoders differ on ${Buffer.from(bytes).toString('hex')} (reason ${fast.reason})`,
      );
    }
    return genes.length;
  },
  describe: (genes) => genes.map((gene) => Buffer.from(frameOf(gene)).toString('hex')),
};
