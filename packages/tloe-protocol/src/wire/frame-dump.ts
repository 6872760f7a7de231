import type { ByteRegion } from '../byte-region.ts';
import { CHANNEL_NAMES, Channel, messageFormat } from './channel.ts';
import { FrameView, MessageView } from './frame-view.ts';
import { REJECT_REASON_NAMES, RejectReason } from './reject-reason.ts';
import { FRAME_TYPE_NAMES } from './tloe-header.ts';

/**
 * One line of text for a frame: type, numbers, credit, and each message. For traces and failing
 * tests, not for the data path.
 *
 * @param offset       where the MAC header begins
 * @param lengthBytes  MAC header included
 */
export function dumpFrame(region: ByteRegion, offset: number, lengthBytes: number): string {
  const view = new FrameView();
  const reason = view.load(region, offset, lengthBytes);
  if (reason === RejectReason.tooShort) return `frame of ${lengthBytes} bytes, too short`;
  const type = FRAME_TYPE_NAMES[view.frameType] ?? `type ${view.frameType}`;
  const words = [
    `${type} seq ${view.sequenceNumber}`,
    `${view.ack === 1 ? 'ack' : 'nak'} ${view.sequenceNumberAck}`,
  ];
  if (view.channel !== 0) {
    words.push(`credit ${CHANNEL_NAMES[view.channel] ?? view.channel} 2^${view.credit}`);
  }
  const message = new MessageView();
  for (let i = 0; i < view.messageCount; i++) {
    view.message(i, message);
    words.push(dumpMessage(message));
  }
  if (reason !== RejectReason.none) words.push(`rejected: ${REJECT_REASON_NAMES[reason]}`);
  return words.join(' | ');
}

function dumpMessage(message: MessageView): string {
  const format = messageFormat(message.channel, message.opcode);
  const words = [`${CHANNEL_NAMES[message.channel]} ${format?.name ?? message.opcode}`];
  if (message.channel !== Channel.E) {
    words.push(`${2 ** message.sizeLog2} B source ${message.source}`);
  }
  if (format?.hasAddress === true) {
    const high = message.addressHigh.toString(16);
    words.push(`at 0x${high}${message.addressLow.toString(16).padStart(8, '0')}`);
  }
  if (format?.hasSink === true) words.push(`sink ${message.sink}`);
  if (message.denied) words.push('denied');
  if (message.corrupt) words.push('corrupt');
  return words.join(' ');
}
