import { expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import { dumpFrame } from './frame-dump.ts';

/** A MAC header of zeros and these words. */
function dump(...words: bigint[]): string {
  const region = ByteRegion.allocate(14 + 8 * words.length);
  for (const [i, word] of words.entries()) region.view.setBigUint64(14 + 8 * i, word);
  return dumpFrame(region, 0, region.bytes.length);
}

it('names type, numbers and credit of a frame without messages', () => {
  expect(dump(0x0400_0000_ffff_fc34n, 0n, 0n)).toBe('Open seq 0 | nak 4194303 | credit A 2^20');
  expect(dump(0x0200_0005_0000_1200n, 0n, 0n)).toBe('AckOnly seq 5 | ack 4');
});

it('names each message with what it has', () => {
  const text = dump(
    0x0000_0001_0000_0200n,
    0x180a_0000_0000_0001n,
    0x8000_0001_0000_0010n,
    0x4a00_00c0_0000_0003n,
    0x0000_0000_0000_0007n,
    0x0000_0000_0000_0000n,
    0x5000_0000_0000_0009n,
    0x0000_0000_0000_0025n,
  );
  expect(text).toBe(
    'Normal seq 1 | ack 0 | A Get 1024 B source 1 at 0x8000000100000010' +
      ' | D GrantData 1 B source 3 sink 7 denied corrupt | E GrantAck sink 9',
  );
});

it('says why a frame is rejected, with what could be read', () => {
  expect(dump(0n)).toBe('frame of 22 bytes, too short');
  expect(dump(0x0000_0001_0000_0200n, 7n, 0n)).toBe(
    'Normal seq 1 | ack 0 | rejected: paddingNotZero',
  );
  expect(dump(0x1e00_0001_0000_02c0n, 0n)).toBe(
    'type 15 seq 1 | ack 0 | credit 6 2^0 | rejected: unknownFrameType',
  );
});
