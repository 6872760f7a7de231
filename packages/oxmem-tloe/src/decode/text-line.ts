import {
  CHANNEL_NAMES,
  Channel,
  FRAME_TYPE_NAMES,
  NOTHING_RECEIVED,
  formatAddress,
  messageFormat,
} from '@oxmem/tloe-protocol';
import type { DecodedFrame, DecodedMessage, FrameHeader } from './decoded-frame.ts';
import { formatBytes, formatNanos } from './quantities.ts';
import { VIOLATIONS } from './violation.ts';

/** Colours a text, or does not. */
export interface Painter {
  readonly isColoured: boolean;
}

/** One line for a frame, without the end of the line. Holds nothing that a terminal would obey. */
export function textLine(frame: DecodedFrame, { isColoured }: Painter): string {
  const { header, marks, missing, violations } = frame;
  const time = (frame.elapsedNanos / 1e9).toFixed(9).padStart(14);
  const side = `${frame.connection}${frame.isForward ? '>' : '<'}`;
  const head = `${String(frame.number).padStart(6)} ${time} ${side.padStart(4)} `;
  const notes = marks.map((mark) => (mark === 'gap' ? `gap of ${missing}` : mark));
  const words = [
    header === undefined ? 'no TLoE header' : headerText(header),
    ...frame.messages.map(messageText),
    ...(notes.length > 0 ? [paint(`[${notes.join(', ')}]`, YELLOW, isColoured)] : []),
    ...violations.map((code) => {
      const { section, means } = VIOLATIONS[code];
      return paint(`!! ${code}: ${means} (${section})`, RED, isColoured);
    }),
  ];
  return head + words.join('  ');
}

/** Two lines that say what the columns are. */
export const TEXT_HEADING =
  ' frame       time (s) conn type    seq ack  credits  messages  [marks]  !! violations';

function headerText({ type, sequenceNumber, ...header }: FrameHeader): string {
  const name = (FRAME_TYPE_NAMES[type] ?? `type ${type}`).padEnd(7);
  const said = header.sequenceNumberAck;
  const ack = `${header.isAck ? 'ack' : 'nak'} ${said === NOTHING_RECEIVED ? '-' : said}`;
  const { channel, credit, vc } = header;
  const credits = channel === 0 ? '' : `  ${CHANNEL_NAMES[channel] ?? channel}+${2 ** credit}`;
  return `${name} ${sequenceNumber} ${ack}${vc === 0 ? '' : ` vc ${vc}`}${credits}`;
}

function messageText({ fields, answers }: DecodedMessage): string {
  const { channel, opcode } = fields;
  const format = messageFormat(channel, opcode);
  const words = [`${CHANNEL_NAMES[channel]} ${format?.name ?? opcode}`];
  if (channel !== Channel.E) words.push(formatBytes(2 ** fields.sizeLog2));
  if (format?.hasAddress === true) {
    words.push(`@${formatAddress({ high: fields.addressHigh, low: fields.addressLow })}`);
  }
  if (channel !== Channel.E) words.push(`src ${fields.source}`);
  if (format?.hasSink === true) words.push(`sink ${fields.sink}`);
  if (fields.param !== 0) words.push(`param ${fields.param}`);
  if (fields.denied) words.push('denied');
  if (fields.corrupt) words.push('corrupt');
  if (answers !== undefined) {
    words.push(`= frame ${answers.frame} after ${formatNanos(answers.latencyNanos)}`);
  }
  return words.join(' ');
}

const RED = 31;
const YELLOW = 33;

function paint(text: string, colour: number, isColoured: boolean): string {
  return isColoured ? `\u001b[${colour}m${text}\u001b[39m` : text;
}
