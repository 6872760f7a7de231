import {
  CHANNEL_NAMES,
  FRAME_TYPE_NAMES,
  formatAddress,
  messageFormat,
} from '@oxmem/tloe-protocol';
import type { DecodedFrame, DecodedMessage } from './decoded-frame.ts';
import { VIOLATIONS } from './violation.ts';

/** A frame as one line of JSON, without the end of the line. Fields that do not apply are left out. */
export function jsonLine(frame: DecodedFrame): string {
  const { header, marks, missing, violations } = frame;
  return JSON.stringify({
    frame: frame.number,
    time: `${frame.seconds}.${String(frame.nanos).padStart(9, '0')}`,
    elapsed_ns: frame.elapsedNanos,
    connection: frame.connection,
    direction: frame.isForward ? 'to_endpoint' : 'to_initiator',
    source: frame.source,
    destination: frame.destination,
    bytes: frame.lengthBytes,
    ...(header !== undefined && {
      type: FRAME_TYPE_NAMES[header.type] ?? `type ${header.type}`,
      vc: header.vc,
      seq: header.sequenceNumber,
      seq_ack: header.sequenceNumberAck,
      ack: header.isAck,
      ...(header.channel !== 0 && {
        credit: {
          channel: CHANNEL_NAMES[header.channel] ?? String(header.channel),
          flits: 2 ** header.credit,
        },
      }),
    }),
    messages: frame.messages.map(messageObject),
    ...(marks.length > 0 && { marks }),
    ...(missing > 0 && { missing }),
    ...(violations.length > 0 && {
      violations: violations.map((code) => ({ code, ...VIOLATIONS[code] })),
    }),
  });
}

function messageObject({ fields, answers }: DecodedMessage): Record<string, unknown> {
  const { channel, opcode, sizeLog2, source, sink, addressHigh, addressLow } = fields;
  const format = messageFormat(channel, opcode);
  const isGrantAck = channel === 5;
  return {
    channel: CHANNEL_NAMES[channel],
    opcode: format?.name ?? String(opcode),
    ...(!isGrantAck && { param: fields.param, size: 2 ** sizeLog2, domain: fields.domain, source }),
    ...(format?.hasAddress === true && {
      address: formatAddress({ high: addressHigh, low: addressLow }),
    }),
    ...(format?.hasSink === true && { sink }),
    ...(fields.denied && { denied: true }),
    ...(fields.corrupt && { corrupt: true }),
    ...(answers !== undefined && {
      answers: { frame: answers.frame, latency_ns: answers.latencyNanos },
    }),
  };
}
