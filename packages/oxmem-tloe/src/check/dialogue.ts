import {
  Channel,
  FrameType,
  MILLISECOND,
  NOTHING_RECEIVED,
  OpcodeA,
  OpcodeD,
  addressPlus,
  assert,
  messageFlits,
  sequenceAfter,
  type PlainMessage,
  type RemoteAddress,
} from '@oxmem/tloe-protocol';
import type { HeardFrame, HeardMessage } from './heard-frame.ts';
import { demand, fail } from './verdict.ts';
import { PATIENCE, type ScriptedFrame, type ScriptedInitiator } from './scripted-initiator.ts';

/** Exponent of our grants of channels A, B, C, E, and of D: enough for every dialogue. */
const GRANT_EXPONENT = 16;
/** The opening is said so often, this far apart. */
const OPENING_TRIES = 3;
const OPENING_PATIENCE = 400 * MILLISECOND;

/**
 * What a scenario says to an endpoint, in sentences: open, ask, put, get. Offsets are bytes from the
 * start of the scenario's part of the scratch range.
 */
export class Dialogue {
  readonly peer: ScriptedInitiator;
  /** Where the scenario's 4096 bytes begin. */
  readonly base: RemoteAddress;

  constructor(peer: ScriptedInitiator, base: RemoteAddress) {
    this.peer = peer;
    this.base = base;
  }

  /** Says the five frames of an opening. */
  sayOpening(dataExponent: number = GRANT_EXPONENT): void {
    const { A, B, C, D, E } = Channel;
    for (const [number, channel] of [A, B, C, D, E].entries()) {
      this.peer.send({
        type: number === 0 ? FrameType.open : FrameType.normal,
        sequenceNumber: number,
        channel,
        credit: channel === D ? dataExponent : GRANT_EXPONENT,
        ...(this.peer.expected === 0 && { sequenceNumberAck: NOTHING_RECEIVED }),
      });
    }
    this.peer.next = 5;
  }

  /** Opens a connection. @returns whether the endpoint is ready for requests */
  async tryOpen(dataExponent: number = GRANT_EXPONENT): Promise<boolean> {
    const { peer } = this;
    peer.reset();
    const isReady = (): boolean => peer.hasAcked(4) && (peer.credits[Channel.A] as number) > 0;
    for (let attempt = 0; attempt < OPENING_TRIES; attempt++) {
      this.sayOpening(dataExponent);
      if (await peer.until(isReady, OPENING_PATIENCE)) {
        // An endpoint may have more to say at once.
        await peer.pause(20 * MILLISECOND);
        peer.sendAck();
        peer.forget();
        return true;
      }
    }
    return false;
  }

  /** Opens a connection, or fails. */
  async open(dataExponent: number = GRANT_EXPONENT): Promise<void> {
    demand(await this.tryOpen(dataExponent), 'it does not open a connection');
  }

  /** Closes the connection. @returns whether the endpoint has answered with a Close */
  async tryClose(): Promise<boolean> {
    const { peer } = this;
    peer.sendNumbered({ type: FrameType.close });
    const isClosed = (): boolean => peer.heard.some(({ type }) => type === FrameType.close);
    const hasAnswered = await peer.until(isClosed, OPENING_PATIENCE);
    if (hasAnswered) peer.sendAck();
    return hasAnswered;
  }

  /** Whether an empty frame is acknowledged. */
  async isInOrder(): Promise<boolean> {
    const { peer } = this;
    const number = peer.next;
    peer.sendNumbered();
    return peer.until(() => peer.hasAcked(number), OPENING_PATIENCE);
  }

  /** The address `offset` bytes on. */
  address(offset: number): { addressHigh: number; addressLow: number } {
    const address = addressPlus(this.base, offset);
    assert(address !== undefined, 'the scratch range has addresses');
    return { addressHigh: address.high, addressLow: address.low };
  }

  /** A Get, with a source of its own. */
  get(offset: number, bytes = 8): PlainMessage {
    return this.request(OpcodeA.get, offset, { sizeLog2: Math.log2(bytes) });
  }

  /** A PutFullData of whole words. */
  put(offset: number, body: Uint8Array): PlainMessage {
    const sizeLog2 = Math.log2(body.length);
    return this.request(OpcodeA.putFullData, offset, { sizeLog2, body });
  }

  /** Any request on channel A, with a source of its own. */
  request(opcode: number, offset: number, fields: Partial<PlainMessage>): PlainMessage {
    const source = this.peer.takeSource();
    return { channel: Channel.A, opcode, source, ...this.address(offset), ...fields };
  }

  /** Sends requests in one frame. @returns the bytes of the frame */
  async say(messages: readonly PlainMessage[], frame: ScriptedFrame = {}): Promise<Uint8Array> {
    const { peer } = this;
    const flits = messages.reduce((sum, { channel, opcode, sizeLog2 = 0 }) => {
      return sum + (channel === Channel.A ? messageFlits(channel, opcode, sizeLog2) : 0);
    }, 0);
    const hasCredits = (): boolean => (peer.credits[Channel.A] as number) >= flits;
    demand(await peer.until(hasCredits, PATIENCE), `it gives no credits for ${flits} flits`);
    return peer.sendNumbered({ messages, ...frame });
  }

  /** Messages that have been heard, each frame counted once. */
  messages(): HeardMessage[] {
    return this.peer.heard
      .filter(({ isRepeated }) => !isRepeated)
      .flatMap(({ messages }) => messages);
  }

  /** Answers with the source of a request. */
  answersTo({ source }: PlainMessage): HeardMessage[] {
    return this.messages().filter((each) => each.channel === Channel.D && each.source === source);
  }

  /** Waits for the answer to a request. */
  async answer(request: PlainMessage): Promise<HeardMessage> {
    const { peer } = this;
    await peer.until(() => this.answersTo(request).length > 0, PATIENCE);
    const [answer] = this.answersTo(request);
    if (answer !== undefined) return answer;
    const broken = peer.heard.find(({ violations }) => violations.length > 0);
    return fail(broken === undefined ? 'it does not answer' : describeBroken(broken));
  }

  /** Asks and waits for the answer. */
  async ask(request: PlainMessage): Promise<HeardMessage> {
    await this.say([request]);
    return this.answer(request);
  }

  /** Writes words that must be written. */
  async write(offset: number, body: Uint8Array): Promise<HeardMessage> {
    const answer = await this.ask(this.put(offset, body));
    demand(!answer.denied, `it denies a Put of ${body.length} bytes`);
    demand(answer.opcode === OpcodeD.accessAck, 'it does not answer a Put with AccessAck');
    return answer;
  }

  /** Reads words that must be read, as they come over the wire. */
  async read(offset: number, bytes = 8): Promise<Uint8Array> {
    const answer = await this.ask(this.get(offset, bytes));
    demand(!answer.denied, `it denies a Get of ${bytes} bytes`);
    demand(answer.opcode === OpcodeD.accessAckData, 'it does not answer a Get with AccessAckData');
    demand(2 ** answer.sizeLog2 === bytes, `it answers a Get of ${bytes} bytes with another size`);
    return answer.body;
  }

  /** The last number of ours. */
  get lastNumber(): number {
    return sequenceAfter(this.peer.next, -1);
  }
}

function describeBroken({ violations }: HeardFrame): string {
  return `it answers with a frame that is broken: ${violations.join(', ')}`;
}
