import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { pcapBytes, pcapngBytes } from '../../test/capture-bytes.ts';
import { FrameDecoder } from '../decode/frame-decoder.ts';
import { jsonLine } from '../decode/json-line.ts';
import { summaryOf, summaryText } from '../decode/summary.ts';
import { textLine } from '../decode/text-line.ts';
import { CaptureReader } from './capture-reader.ts';

/** Destination, source and EtherType. */
function macs(to: number, from: number): number[] {
  return [2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0xaa, 0xaa];
}

/** Frames of TLoE with anything behind the MAC header, most of them nearly right. */
const frame = fc
  .record({
    station: fc.constantFrom(1, 2),
    header: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    body: fc.uint8Array({ maxLength: 80 }),
    flits: fc.array(fc.constantFrom(0, 0x18, 0x10, 0x12, 0x42, 0x40, 0x50, 0x7f), { maxLength: 8 }),
  })
  .map(({ station, header, body, flits }) =>
    Uint8Array.of(
      ...macs(3 - station, station),
      ...header,
      ...flits.flatMap((first) => [first, 3, 0, 0, 0, 0, 0, 1]),
      ...body,
    ),
  );

const anyFile = fc.oneof(
  fc.array(frame, { maxLength: 20 }).map((frames) => {
    return pcapBytes(frames.map((bytes, i) => ({ ticks: BigInt(i), bytes })));
  }),
  fc.array(frame, { maxLength: 20 }).map((frames) => {
    return pcapngBytes(
      [{}],
      frames.map((bytes, i) => ({ ticks: BigInt(i), bytes })),
    );
  }),
  fc.uint8Array({ maxLength: 200 }),
);

it('nothing in a file makes the decoder throw, or print what a terminal would obey', () => {
  fc.assert(
    fc.property(
      anyFile,
      fc.array(fc.nat(), { maxLength: 10 }),
      fc.nat(255),
      (file, places, value) => {
        const bytes = file.slice();
        for (const place of places) bytes[place % Math.max(1, bytes.length)] = value;
        const reader = new CaptureReader();
        const decoder = new FrameDecoder();
        reader.push(bytes);
        for (let step = reader.next(); step.kind === 'record'; step = reader.next()) {
          const decoded = decoder.decode(step.record);
          if (decoded === undefined) continue;
          expect(textLine(decoded, { isColoured: false })).toMatch(/^[ -~§]*$/);
          expect(JSON.parse(jsonLine(decoded))).toMatchObject({ frame: decoded.number });
        }
        reader.finish();
        expect(summaryText(summaryOf(decoder))).toMatch(/^[ -~§\n]*$/);
      },
    ),
    { numRuns: 500 },
  );
});
