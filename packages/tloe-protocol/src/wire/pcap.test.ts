import { expect, it } from 'vitest';

import {
  PCAP_FILE_HEADER_BYTES,
  PCAP_RECORD_HEADER_BYTES,
  writePcapFileHeader,
  writePcapRecordHeader,
} from './pcap.ts';

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

it('writes the file header of a microsecond Ethernet capture, and nothing around it', () => {
  const bytes = new Uint8Array(PCAP_FILE_HEADER_BYTES + 4).fill(0xee);
  writePcapFileHeader(new DataView(bytes.buffer), 2, 65535);
  expect(hex(bytes)).toBe(
    'eeee' + 'd4c3b2a1' + '02000400' + '0000000000000000ffff000001000000' + 'eeee',
  );
});

it('writes seconds, microseconds and both lengths of a record', () => {
  const bytes = new Uint8Array(PCAP_RECORD_HEADER_BYTES + 2).fill(0xee);
  writePcapRecordHeader(new DataView(bytes.buffer), 1, {
    unixMicros: 0x68000000 * 1_000_000 + 999_999,
    capturedBytes: 96,
    originalBytes: 1514,
  });
  expect(hex(bytes)).toBe('ee' + '00000068' + '3f420f00' + '60000000' + 'ea050000' + 'ee');
});
