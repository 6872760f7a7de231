/**
 * How many frames with 1 KiB of data the codec makes and takes apart in a second, on one core and
 * without a wire: head and data into a frame, header, mask and all, and out of it again with every
 * check. Run for SECONDS; prints the frames of a second.
 */
import { ByteRegion } from '@oxmem/tloe-protocol';
import {
  Channel,
  FrameType,
  FrameView,
  FrameWriter,
  MessageFields,
  MessageView,
  OpcodeD,
  RejectReason,
  TLOE_HEADER_BYTES,
  ETHERNET_HEADER_BYTES,
  messageFlits,
  packAcknowledgement,
  packHeaderHigh,
  writeMessageHead,
} from '@oxmem/tloe-protocol/wire';

const DATA_BYTES = 1024;
const SLOTS = 64;
const SLOT_BYTES = 2048;
/** Makes what follows the Ethernet header aligned, as in the slabs of the engine. */
const SLOT_START = 2;
const HEAD_BYTES = ETHERNET_HEADER_BYTES + TLOE_HEADER_BYTES + 8;

const frames = ByteRegion.allocate(SLOTS * SLOT_BYTES);
const data = ByteRegion.allocate(SLOTS * DATA_BYTES);
const answer = ByteRegion.allocate(SLOTS * DATA_BYTES);
// Views of places are kept, as the engine keeps them.
const sources = Array.from({ length: SLOTS }, (_, slot) =>
  data.bytes.subarray(slot * DATA_BYTES, (slot + 1) * DATA_BYTES),
);
const bodies = Array.from({ length: SLOTS }, (_, slot) => {
  const start = slot * SLOT_BYTES + SLOT_START + HEAD_BYTES;
  return frames.bytes.subarray(start, start + DATA_BYTES);
});
const writer = new FrameWriter(frames, { maxFlits: 180, maxMessages: 32 });
const view = new FrameView();
const message = new MessageView();
const fields = Object.assign(new MessageFields(), {
  channel: Channel.D,
  opcode: OpcodeD.accessAckData,
  sizeLog2: 10,
});
const flits = messageFlits(Channel.D, OpcodeD.accessAckData, 10);

/** @param {number} number of the frame */
function encode(number) {
  const slot = number % SLOTS;
  const start = slot * SLOT_BYTES + SLOT_START;
  writer.begin(start);
  fields.source = number & 0xffff;
  const body = writeMessageHead(frames.view, writer.reserve(flits), fields);
  frames.bytes.set(/** @type {Uint8Array} */ (sources[slot]), body);
  const at = start + ETHERNET_HEADER_BYTES;
  frames.view.setUint32(at, packHeaderHigh(FrameType.normal, number & 0x3fffff));
  frames.view.setUint32(at + 4, packAcknowledgement(number & 0x3fffff, 1));
  return writer.finish();
}

/**
 * @param {number} number of the frame
 * @param {number} lengthBytes
 */
function decode(number, lengthBytes) {
  const slot = number % SLOTS;
  const reason = view.load(frames, slot * SLOT_BYTES + SLOT_START, lengthBytes);
  if (reason !== RejectReason.none || view.messageCount !== 1) throw new Error('a bad frame');
  view.message(0, message);
  if (message.source !== (number & 0xffff)) throw new Error('another frame');
  answer.bytes.set(/** @type {Uint8Array} */ (bodies[slot]), slot * DATA_BYTES);
}

/** @param {number} seconds */
function run(seconds) {
  const start = performance.now();
  let number = 0;
  while (performance.now() - start < 1000 * seconds) {
    for (let i = 0; i < 1000; i++, number++) decode(number, encode(number));
  }
  return (1000 * number) / (performance.now() - start);
}

const seconds = Number(process.argv[2]);
for (let i = 0; i < data.bytes.length; i++) data.bytes[i] = i * 7;
run(seconds / 2);
const framesPerSecond = run(seconds);
if (Buffer.compare(data.bytes, answer.bytes) !== 0) throw new Error('wrong data');
process.stdout.write(`${JSON.stringify({ framesPerSecond })}\n`);
