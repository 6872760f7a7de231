import { plainFrameBytes } from '@oxmem/tloe-protocol';
import { expect, it } from 'vitest';
import { pcapBytes } from '../../test/capture-bytes.ts';
import { FrameDecoder } from '../decode/frame-decoder.ts';
import { CaptureReader } from './capture-reader.ts';

const PIECE_BYTES = 256 * 1024;
const FRAMES = 60_000;

it('half a gigabyte is read in constant memory, though no request is ever answered', () => {
  const macs = { destination: new Uint8Array(6).fill(2), source: new Uint8Array(6).fill(4) };
  const body = new Uint8Array(8192);
  const messages = [{ channel: 1, opcode: 0, sizeLog2: 13, body }];
  const frame = plainFrameBytes({ ...macs, sequenceNumber: 0, sequenceNumberAck: 0, messages });
  const file = pcapBytes([{ ticks: 0n, bytes: frame }]);
  const record = file.subarray(24);
  const view = new DataView(record.buffer, record.byteOffset);
  const reader = new CaptureReader();
  const decoder = new FrameDecoder();
  reader.push(file.subarray(0, 24));
  const before = process.memoryUsage().rss;
  for (let i = 0; i < FRAMES; i++) {
    // Another number, another source, and another station every thousand frames.
    view.setUint32(16 + 14, i);
    view.setUint32(16 + 26, i);
    view.setUint32(16 + 8, Math.floor(i / 1000));
    for (let at = 0; at < record.length; at += PIECE_BYTES) {
      reader.push(record.subarray(at, at + PIECE_BYTES));
    }
    for (let step = reader.next(); step.kind === 'record'; step = reader.next()) {
      decoder.decode(step.record);
    }
  }
  expect(decoder.counts.tloe).toBe(FRAMES);
  expect(decoder.conversations()).toHaveLength(60);
  expect(process.memoryUsage().rss - before).toBeLessThan(128 * 2 ** 20);
});
