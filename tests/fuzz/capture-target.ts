import { ETHERNET_HEADER_BYTES } from '@oxmem/tloe-protocol';
import { Prng } from '@oxmem/tloe-protocol/testing';
import {
  CaptureReader,
  FrameDecoder,
  jsonLine,
  textLine,
} from '../../packages/oxmem-tloe/src/index.ts';
import { pcapBytes, pcapngBytes } from '../../packages/oxmem-tloe/test/capture-bytes.ts';
import { law, type FuzzTarget, type Genes } from './fuzz-target.ts';
import { stationMac } from './fuzz-network.ts';
import { MAX_FRAME_BYTES, TO_DRIVER, TO_ENDPOINT, writeHostileFrame } from './hostile-frame.ts';

/** A dialogue of two stations that keep to no rules. */
function framesOf(genes: Genes): Uint8Array[] {
  const frame = new Uint8Array(MAX_FRAME_BYTES);
  return genes.map((gene, index) => {
    const isUp = (gene & 1) === 0;
    const [from, to] = (isUp ? [1, 2] : [2, 1]).map(stationMac) as [Uint8Array, Uint8Array];
    const channels = isUp ? TO_ENDPOINT : TO_DRIVER;
    const place = { from, to, next: index >> 1, heard: (index >> 1) - 1, channels };
    const length = writeHostileFrame(new Prng(gene), place, frame);
    return frame.slice(0, Math.max(ETHERNET_HEADER_BYTES, length));
  });
}

function fileOf(genes: Genes): Uint8Array {
  const packets = framesOf(genes).map((bytes, i) => ({ ticks: BigInt(i), bytes }));
  const prng = new Prng(genes[0] as number);
  const bytes = prng.chance(0.5) ? pcapBytes(packets) : pcapngBytes([{}], packets);
  for (let i = prng.below(3); i > 0; i--) bytes[prng.below(bytes.length)] = prng.below(256);
  return bytes.subarray(0, prng.chance(0.2) ? prng.below(bytes.length + 1) : bytes.length);
}

/** What is said about a file that comes in pieces, line by line, and how it ended. */
function linesOf(file: Uint8Array, cut: () => number): string[] {
  const reader = new CaptureReader();
  const decoder = new FrameDecoder();
  const lines: string[] = [];
  for (let at = 0; at < file.length;) {
    const end = Math.min(file.length, at + cut());
    reader.push(file.subarray(at, end));
    at = end;
    let step = reader.next();
    for (; step.kind === 'record'; step = reader.next()) {
      const decoded = decoder.decode(step.record);
      if (decoded === undefined) continue;
      lines.push(textLine(decoded, { isColoured: false }));
      JSON.parse(jsonLine(decoded));
    }
    if (step.kind === 'broken') return [...lines, step.why];
  }
  return [...lines, reader.finish() ?? 'whole'];
}

/** Captures, of whatever a wire has carried, and damaged. */
export const captureTarget: FuzzTarget = {
  name: 'captures',
  about: 'capture files of hostile frames, damaged, and what is said about them',
  maxGenes: 100,
  casesAtATime: 3,
  run(genes: Genes): number {
    const file = fileOf(genes);
    const whole = linesOf(file, () => file.length);
    const prng = new Prng(genes[0] as number);
    const inPieces = linesOf(file, () => prng.between(1, 500));
    law(whole.join('\n') === inPieces.join('\n'), () => 'how a file is cut changes what is said');
    for (const line of whole) law(/^[ -~§]*$/.test(line), () => `a terminal gets ${line}`);
    return 0;
  },
  describe: (genes) => framesOf(genes).map((frame) => Buffer.from(frame).toString('hex')),
};
