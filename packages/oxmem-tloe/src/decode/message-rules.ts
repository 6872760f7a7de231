import {
  Channel,
  OpcodeA,
  OpcodeC,
  OpcodeD,
  messageFormat,
  type MessageFields,
} from '@oxmem/tloe-protocol';
import type { Violation } from './violation.ts';

const { A, B, C, D, E } = Channel;

/** Largest parameter of each opcode. TileLink 1.8.0 table 8.3 and §7. */
const MAX_PARAMS: Readonly<Record<number, readonly number[]>> = {
  [A]: [0, 0, 4, 3, 0, 1, 2, 2],
  [B]: [0, 0, 4, 3, 0, 1, 2, 2],
  [C]: [0, 0, 0, 0, 5, 5, 5, 5],
  [D]: [0, 0, 0, 0, 2, 2, 0, 0],
  [E]: [0, 0, 0, 0, 0, 0, 0, 0],
};

/** What a message does that no message of its kind may do, whatever came before. */
export function messageViolations(message: MessageFields): Violation[] {
  const { channel, opcode, sizeLog2, addressLow, denied, corrupt } = message;
  const format = messageFormat(channel, opcode);
  const found: Violation[] = [];
  if (format === undefined) return found;
  const isUnaligned = (addressLow & ((1 << sizeLog2) - 1)) !== 0;
  if (format.hasAddress && isUnaligned) found.push('unaligned');
  if (message.param > (MAX_PARAMS[channel]?.[opcode] ?? 0)) found.push('wrong-param');
  const canDeny = channel === D && opcode !== OpcodeD.releaseAck;
  if (denied && !canDeny) found.push('stray-denied');
  if (corrupt && !format.hasData) found.push('stray-corrupt');
  if (denied && canDeny && format.hasData && !corrupt) found.push('denied-not-corrupt');
  if (message.domain !== 0 && (channel === B || channel === C)) found.push('stray-domain');
  return found;
}

/** Opcodes that answer each opcode of channels A and B, on D and on C. */
const ACCESS_ANSWERS: readonly (readonly number[])[] = [
  [OpcodeD.accessAck],
  [OpcodeD.accessAck],
  [OpcodeD.accessAckData],
  [OpcodeD.accessAckData],
  [OpcodeD.accessAckData],
  [OpcodeD.hintAck],
];

/** Opcodes that may answer a request. TileLink 1.8.0 §5. */
export function answersTo(channel: number, opcode: number): readonly number[] {
  if (channel === E) return [];
  if (channel === C) return [OpcodeD.releaseAck];
  const access = ACCESS_ANSWERS[opcode];
  if (access !== undefined) return access;
  if (channel === B) {
    const isBlock = opcode === 6;
    return isBlock ? [OpcodeC.probeAck, OpcodeC.probeAckData] : [OpcodeC.probeAck];
  }
  return opcode === OpcodeA.acquirePerm ? [OpcodeD.grant] : [OpcodeD.grant, OpcodeD.grantData];
}

/** Whether a message waits for an answer. */
export function isRequest({ channel, opcode }: MessageFields): boolean {
  if (channel === A || channel === B) return true;
  return channel === C && (opcode === OpcodeC.release || opcode === OpcodeC.releaseData);
}
