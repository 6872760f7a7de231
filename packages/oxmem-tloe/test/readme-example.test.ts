import { plainFrameBytes, writePcapFileHeader, writePcapRecordHeader } from '@oxmem/tloe-protocol';
import { CaptureReader, FrameDecoder, textLine } from 'oxmem-tloe';
import { expect, test } from 'vitest';

test('an Open is decoded out of a capture', () => {
  const frame = plainFrameBytes({
    destination: Uint8Array.of(2, 0, 0, 0, 0, 2),
    source: Uint8Array.of(2, 0, 0, 0, 0, 1),
    type: 2,
    sequenceNumber: 0,
    sequenceNumberAck: 0x3fffff,
    channel: 1,
    credit: 10,
  });
  const file = new Uint8Array(24 + 16 + frame.length);
  const view = new DataView(file.buffer);
  writePcapFileHeader(view, 0, 65_535);
  const bytes = { capturedBytes: frame.length, originalBytes: frame.length };
  writePcapRecordHeader(view, 24, { unixMicros: 1_700_000_000_000_000, ...bytes });
  file.set(frame, 40);

  const reader = new CaptureReader();
  const decoder = new FrameDecoder();
  reader.push(file); // pieces of any length
  for (let step = reader.next(); step.kind === 'record'; step = reader.next()) {
    const decoded = decoder.decode(step.record);
    if (decoded === undefined) continue;
    expect(decoded).toMatchObject({ source: '02:00:00:00:00:01', violations: [] });
    expect(textLine(decoded, { isColoured: false })).toMatch(/1> Open +0 ack - +A\+1024$/);
  }
  expect(reader.finish()).toBeUndefined();
  expect(decoder.counts.tloe).toBe(1);
});
