import { describe, expect, it } from 'vitest';
import { ByteRegion } from '../byte-region.ts';
import { Channel, OpcodeA } from './channel.ts';
import { FrameView } from './frame-view.ts';
import { plainFrameBytes, plainMessagesOf } from './plain-frame.ts';
import { RejectReason } from './reject-reason.ts';
import { FrameType } from './tloe-header.ts';

const macs = {
  destination: Uint8Array.of(2, 0, 0, 0, 0, 2),
  source: Uint8Array.of(2, 0, 0, 0, 0, 1),
};

function loaded(bytes: Uint8Array): FrameView {
  const view = new FrameView(true);
  expect(view.load(new ByteRegion(bytes), 0, bytes.length)).toBe(RejectReason.none);
  return view;
}

describe('plain frames', () => {
  it('say what they are told to', () => {
    const numbers = { type: FrameType.close, sequenceNumber: 5, sequenceNumberAck: 0x3fffff };
    const view = loaded(plainFrameBytes({ ...macs, ...numbers, ack: 0, channel: 4, credit: 31 }));
    expect(view).toMatchObject({ sequenceNumber: 5, sequenceNumberAck: 0x3fffff, ack: 0 });
    expect(view).toMatchObject({
      frameType: FrameType.close,
      channel: 4,
      credit: 31,
      flitCount: 5,
    });
  });

  it('are read back as they were written, padding in front included', () => {
    const body = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    const put = { channel: Channel.A, opcode: OpcodeA.putFullData, sizeLog2: 4, source: 77, body };
    const get = { channel: Channel.A, opcode: OpcodeA.get, sizeLog2: 10, addressHigh: 9 };
    const numbers = { sequenceNumber: 1, sequenceNumberAck: 2 };
    const frame = { ...macs, ...numbers, paddingFlits: 3, messages: [put, get] };
    const messages = plainMessagesOf(loaded(plainFrameBytes(frame)));
    expect(messages).toMatchObject([put, { ...get, body: new Uint8Array() }]);
  });
});
