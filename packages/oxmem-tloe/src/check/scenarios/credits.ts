import { Channel, MILLISECOND, messageFlits } from '@oxmem/tloe-protocol';
import type { Dialogue } from '../dialogue.ts';
import type { Scenario } from '../scenario.ts';
import { demand } from '../verdict.ts';
import { PATIENCE } from '../scripted-initiator.ts';

/** 2^8 flits: the least that every known endpoint serves with. */
const SMALL_GRANT = 8;
/** Enough for all dialogues that follow. */
const LARGE_GRANT = 16;
const READS = 100;
const READS_PER_FRAME = 10;
const READ_BYTES = 32;

/** Flits of answers that have come. */
function flitsOnD(dialogue: Dialogue): number {
  return dialogue
    .messages()
    .filter(({ channel }) => channel === Channel.D)
    .reduce(
      (sum, { channel, opcode, sizeLog2 }) => sum + messageFlits(channel, opcode, sizeLog2),
      0,
    );
}

/** Flow control. */
export const CREDITS: readonly Scenario[] = [
  {
    name: 'credits-come-back',
    title: 'gives back exactly what requests cost, once they are served',
    basis: 'OX §5',
    play: async (dialogue) => {
      const { peer } = dialogue;
      await peer.pause(100 * MILLISECOND);
      const before = peer.credits[Channel.A] as number;
      for (let i = 0; i < 8; i++) {
        await dialogue.write(8 * i, new Uint8Array(8).fill(i));
        await dialogue.read(8 * i);
      }
      const isBack = (): boolean => (peer.credits[Channel.A] as number) >= before;
      await peer.until(isBack, PATIENCE);
      await peer.pause(100 * MILLISECOND);
      const missing = before - (peer.credits[Channel.A] as number);
      demand(missing <= 0, `${missing} flits do not come back`);
      demand(missing >= 0, `${-missing} flits too many come back`);
    },
  },
  {
    name: 'credits-are-obeyed',
    title: 'sends no more than it has credits for, and the rest when it gets more',
    basis: 'OX §5',
    isBare: true,
    play: async (dialogue) => {
      const { peer } = dialogue;
      await dialogue.open(SMALL_GRANT);
      const granted = 2 ** SMALL_GRANT;
      for (let said = 0; said < READS; said += READS_PER_FRAME) {
        const gets = Array.from({ length: READS_PER_FRAME }, () => dialogue.get(0, READ_BYTES));
        await dialogue.say(gets);
        await peer.pause(10 * MILLISECOND);
      }
      await peer.pause(500 * MILLISECOND);
      const flits = flitsOnD(dialogue);
      peer.sendNumbered({ channel: Channel.D, credit: LARGE_GRANT });
      const isDone = (): boolean => dialogue.messages().length >= READS;
      const hasAllCome = await peer.until(isDone, PATIENCE);
      demand(flits > 0, 'it does not answer');
      demand(flits <= granted, `it sends ${flits} flits with credits for ${granted}`);
      demand(hasAllCome, 'the rest does not come with more credits');
    },
  },
];
