import { Channel, OpcodeA, OpcodeC, OpcodeD, type PlainMessage } from '@oxmem/tloe-protocol';
import type { Dialogue } from '../dialogue.ts';
import type { HeardMessage } from '../heard-frame.ts';
import type { Scenario } from '../scenario.ts';
import { demand, notSupported } from '../verdict.ts';
import { PATIENCE } from '../scripted-initiator.ts';

/** Bytes that all differ from their neighbours. */
function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed) & 0xff);
}

/** One word is the least that a Get or Put of whole words has. */
const WORD = 8;
const FRAME_OVERHEAD_BYTES = 8 + 8 + 16;

function accessOf(bytes: number): Scenario {
  return {
    name: `access-${bytes}`,
    title: `writes ${bytes} bytes and reads them back`,
    basis:
      bytes <= WORD
        ? 'TL §6: Get and PutFullData'
        : 'TL §6-7: Get and PutFullData, as long as it serves',
    play: async (dialogue) => {
      if (bytes + FRAME_OVERHEAD_BYTES > dialogue.peer.mtuBytes) {
        notSupported(`no frame of this interface holds ${bytes} bytes`);
      }
      const body = pattern(bytes, 3);
      const written = await dialogue.ask(dialogue.put(0, body));
      if (written.denied && bytes > WORD) notSupported('it denies the Put');
      demand(!written.denied, 'it denies the Put');
      demand(written.opcode === OpcodeD.accessAck, 'it does not answer a Put with AccessAck');
      const read = await dialogue.ask(dialogue.get(0, bytes));
      if (read.denied && bytes > WORD) notSupported('it denies the Get');
      demand(read.opcode === OpcodeD.accessAckData, 'it does not answer a Get with AccessAckData');
      demand(2 ** read.sizeLog2 === bytes, 'the size of the answer differs');
      demand(read.body.join() === body.join(), 'other bytes come back than were written');
    },
  };
}

/** Where a byte can travel: in the lane of its address, in either data order. */
function lanesOf(offset: number): readonly [number, number] {
  return [offset & 7, 7 - (offset & 7)];
}

const SHORT_SIZES = [1, 2, 4] as const;

/** Offsets of a word that are aligned to a size. */
function offsetsOf(bytes: number): number[] {
  return Array.from({ length: WORD / bytes }, (_, i) => i * bytes);
}

async function playShortReads(dialogue: Dialogue): Promise<void> {
  const word = pattern(WORD, 0x40);
  await dialogue.write(0, word);
  for (const bytes of SHORT_SIZES) {
    for (const offset of offsetsOf(bytes)) {
      const answer = await dialogue.ask(dialogue.get(offset, bytes));
      demand(!answer.denied, `it denies a Get of ${bytes} bytes at offset ${offset}`);
      const places = Array.from({ length: bytes }, (_, i) => lanesOf(offset + i));
      const isInLane = [0, 1].some((order) =>
        places.every(
          (lanes) => answer.body[lanes[order] as number] === word[lanes[order] as number],
        ),
      );
      demand(isInLane, `${bytes} bytes at offset ${offset} do not come in their lanes`);
    }
  }
}

async function playShortWrites(dialogue: Dialogue): Promise<void> {
  for (const offset of [0, 3, 7]) {
    const before = pattern(WORD, 0x80);
    await dialogue.write(0, before);
    const body = new Uint8Array(WORD);
    for (const lane of lanesOf(offset)) body[lane] = 0x5a;
    await dialogue.ask({ ...dialogue.put(offset, body), sizeLog2: 0 });
    const after = await dialogue.read(0);
    const changed = [...after.keys()].filter((i) => after[i] !== before[i]);
    const isRight =
      changed.length === 1 &&
      lanesOf(offset).includes(changed[0] as number) &&
      after[changed[0] as number] === 0x5a;
    demand(isRight, `a byte written at offset ${offset} changes the bytes ${changed.join(', ')}`);
  }
}

/** A PutPartialData of two words whose mask is the same in both data orders. */
function partialPut(dialogue: Dialogue, mask: readonly number[]): PlainMessage {
  const body = new Uint8Array(3 * WORD).fill(0x77);
  body.fill(0, 0, WORD);
  // Mask byte k, counted from the end of the word, is for data word k.
  mask.forEach((bits, k) => {
    body[WORD - 1 - k] = bits;
  });
  return dialogue.request(OpcodeA.putPartialData, 0, { sizeLog2: 4, body });
}

async function askOptional(dialogue: Dialogue, request: PlainMessage): Promise<HeardMessage> {
  const answer = await dialogue.ask(request);
  if (answer.denied) notSupported('it denies it');
  return answer;
}

async function playPartial(dialogue: Dialogue, mask: readonly number[]): Promise<void> {
  const before = pattern(2 * WORD, 0x10);
  await dialogue.write(0, before);
  const answer = await askOptional(dialogue, partialPut(dialogue, mask));
  demand(answer.opcode === OpcodeD.accessAck, 'it does not answer with AccessAck');
  const after = await dialogue.read(0, 2 * WORD);
  const expected = before.map((byte, i) => {
    return (((mask[i >> 3] ?? 0) >> (i & 7)) & 1) === 1 ? 0x77 : byte;
  });
  demand(after.join() === expected.join(), 'it writes other bytes than the mask says');
}

async function playAtomic(
  dialogue: Dialogue,
  request: { opcode: number; param: number; operand: number; result: number },
): Promise<void> {
  const { opcode, param, operand, result } = request;
  const old = 0x11;
  await dialogue.write(0, new Uint8Array(WORD).fill(old));
  const body = new Uint8Array(WORD).fill(operand);
  const answer = await askOptional(
    dialogue,
    dialogue.request(opcode, 0, { sizeLog2: 3, param, body }),
  );
  demand(answer.opcode === OpcodeD.accessAckData, 'it does not answer with AccessAckData');
  demand(
    answer.body.every((byte) => byte === old),
    'the answer is not the value of before',
  );
  const after = await dialogue.read(0);
  demand(
    after.every((byte) => byte === result),
    'the memory does not hold the result',
  );
}

async function playAcquire(dialogue: Dialogue): Promise<void> {
  const { peer } = dialogue;
  const acquire = dialogue.request(OpcodeA.acquireBlock, 0, { sizeLog2: 6, param: 1 });
  const grant = await dialogue.ask(acquire);
  const isGrant = grant.opcode === OpcodeD.grant || grant.opcode === OpcodeD.grantData;
  demand(isGrant || grant.denied, 'it does not answer with a Grant');
  const canFinish = (peer.credits[Channel.E] as number) > 0;
  if (isGrant && canFinish) {
    await dialogue.say([{ channel: Channel.E, opcode: 0, sink: grant.sink }]);
  }
  if (grant.denied) notSupported('it denies it');
  const source = peer.takeSource();
  const giveBack = { channel: Channel.C, opcode: OpcodeC.release, param: 1, sizeLog2: 6, source };
  await dialogue.say([{ ...giveBack, ...dialogue.address(0) }]);
  const isReleased = (): boolean =>
    dialogue.messages().some(({ opcode }) => opcode === OpcodeD.releaseAck);
  demand(await peer.until(isReleased, PATIENCE), 'it does not acknowledge the Release');
}

/** TileLink: reading, writing and what comes with it. */
export const MEMORY: readonly Scenario[] = [
  ...accesses(8, 32, 64, 256),
  {
    name: 'ack-has-the-size',
    title: 'gives the size of the request back in an AccessAck',
    basis: 'TL §5; OX figure 13',
    play: async (dialogue) => {
      const { sizeLog2 } = await dialogue.write(0, pattern(WORD, 1));
      demand(sizeLog2 === 3, `a Put of 8 bytes is answered with size ${sizeLog2}`);
    },
  },
  {
    name: 'source-comes-back',
    title: 'gives any source of 26 bits back',
    basis: 'TL §5.4; OX figure 13',
    play: async (dialogue) => {
      for (const source of [0, 1, 0x2aaaaaa, 0x3ffffff]) {
        await dialogue.ask({ ...dialogue.get(0), source });
      }
    },
  },
  {
    name: 'several-requests-a-frame',
    title: 'answers each of several requests in a frame once',
    basis: 'OX §3.4',
    play: async (dialogue) => {
      const gets = [0, 8, 16, 24].map((offset) => dialogue.get(offset));
      await dialogue.say(gets);
      for (const get of gets) await dialogue.answer(get);
      await dialogue.peer.pause(50_000);
      const isOnce = gets.every((get) => dialogue.answersTo(get).length === 1);
      demand(isOnce, 'a request gets more than one answer');
    },
  },
  {
    name: 'padding-in-front',
    title: 'finds a request behind padding',
    basis: 'OX §3.4: padding may stand anywhere between messages',
    play: async (dialogue) => {
      const get = dialogue.get(0);
      await dialogue.say([get], { paddingFlits: 2 });
      await dialogue.answer(get);
    },
  },
  {
    name: 'short-reads',
    title: 'sends 1, 2 and 4 bytes in the lanes of their addresses',
    basis: 'TL §4.6',
    play: playShortReads,
  },
  {
    name: 'short-writes',
    title: 'writes a single byte and leaves its neighbours alone',
    basis: 'TL §4.6',
    play: playShortWrites,
  },
  {
    name: 'partial-write',
    title: 'writes the bytes that the mask of a PutPartialData names',
    basis: 'TL §6; OX figure 16',
    play: (dialogue) => playPartial(dialogue, [0x81, 0xff]),
  },
  {
    name: 'partial-write-of-nothing',
    title: 'answers a PutPartialData with an empty mask and writes nothing',
    basis: 'TL §6; OX figure 16',
    play: (dialogue) => playPartial(dialogue, [0, 0]),
  },
  {
    name: 'intent',
    title: 'answers an Intent with a HintAck',
    basis: 'TL §7',
    play: async (dialogue) => {
      const answer = await askOptional(
        dialogue,
        dialogue.request(OpcodeA.intent, 0, { sizeLog2: 3 }),
      );
      demand(answer.opcode === OpcodeD.hintAck, 'it answers with something else');
    },
  },
  {
    name: 'arithmetic',
    title: 'adds to a word and answers with the value of before',
    basis: 'TL §7',
    play: (dialogue) => {
      const opcode = OpcodeA.arithmeticData;
      return playAtomic(dialogue, { opcode, param: 4, operand: 0x22, result: 0x33 });
    },
  },
  {
    name: 'logical',
    title: 'exclusive-ors a word and answers with the value of before',
    basis: 'TL §7',
    play: (dialogue) => {
      const opcode = OpcodeA.logicalData;
      return playAtomic(dialogue, { opcode, param: 0, operand: 0x12, result: 0x03 });
    },
  },
  {
    name: 'acquire',
    title: 'grants a block of 64 bytes, and takes it back',
    basis: 'TL §8; needed for TL-C only',
    play: playAcquire,
  },
];

/** Writing and reading with accesses of these sizes, powers of two. */
export function accesses(...sizes: readonly number[]): readonly Scenario[] {
  return sizes.map(accessOf);
}
