import { describe, expect, it } from 'vitest';
import { MemoryStatus } from '../src/tilelink/memory-request.ts';
import { SECOND } from '../src/units.ts';
import { Dialogue, NOTHING_LEFT } from '../src/testing/dialogue.ts';
import { directionFaults, type DirectionFaults } from '../src/testing/fault-plan.ts';
import { Prng } from '../src/testing/prng.ts';

const pattern = (seed: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  new Prng(seed).fillBytes(bytes);
  return bytes;
};

describe('a driver and an endpoint on a quiet wire', () => {
  it('opens, writes, reads back, closes, and leaves nothing behind', async () => {
    const dialogue = new Dialogue();
    const opened = await dialogue.open();
    expect(opened).toMatchObject({ isOpen: true, profile: { name: 'oxmem' } });
    const data = pattern(7, 5000);
    expect(await dialogue.write(4096, data)).toBe(MemoryStatus.ok);
    expect(dialogue.memory.region.bytes.slice(4096, 9096)).toEqual(data);
    const answer = await dialogue.read(4096, 5000);
    expect(answer).toEqual({ status: MemoryStatus.ok, bytes: data });
    expect(await dialogue.close()).toBe('confirmed');
    dialogue.clock.advanceBy(5 * SECOND);
    expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
    expect(dialogue.peer.link.state).toBe('closed');
    expect(dialogue.driver.link.stats.framesResent).toBe(0);
    expect(dialogue.peer.link.stats.framesResent).toBe(0);
  });
  it('goes quiet when there is nothing to do', async () => {
    const dialogue = new Dialogue();
    await dialogue.open();
    await dialogue.write(0, pattern(1, 4096));
    dialogue.clock.advanceBy(SECOND);
    const before = dialogue.driver.host.stats.framesSent + dialogue.peer.host.stats.framesSent;
    const events = dialogue.clock.eventsRun;
    dialogue.clock.advanceBy(3600 * SECOND);
    const after = dialogue.driver.host.stats.framesSent + dialogue.peer.host.stats.framesSent;
    expect(after).toBe(before);
    expect(dialogue.clock.eventsRun - events).toBeLessThan(5);
  });
});

/** Open, write, read, close; what must be true whatever single fault hits the wire. */
async function shortDialogue(
  forward: DirectionFaults,
  backward: DirectionFaults,
  prepare: (dialogue: Dialogue) => void = () => {},
): Promise<number> {
  const dialogue = new Dialogue({ faults: { forward, backward } });
  prepare(dialogue);
  const data = pattern(3, 3000);
  expect((await dialogue.open()).isOpen).toBe(true);
  expect(await dialogue.write(512, data)).toBe(MemoryStatus.ok);
  const answer = await dialogue.read(512, 3000);
  expect(answer).toEqual({ status: MemoryStatus.ok, bytes: data });
  expect(await dialogue.close()).toMatch(/confirmed/);
  dialogue.clock.advanceBy(10 * SECOND);
  expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
  expect(dialogue.peer.link.state).toBe('closed');
  expect(dialogue.peer.responder.stats.puts).toBe(countPuts(512, 3000));
  return Math.max(dialogue.driver.host.stats.framesSent, dialogue.peer.host.stats.framesSent);
}

/** 3000 bytes from 512 on: 512, 1024, 1024, 256, 128, 32, 16, 8. */
function countPuts(_offset: number, _length: number): number {
  return 8;
}

describe('one fault at every position of a short dialogue', () => {
  const none = directionFaults({});
  for (const kind of ['drop', 'duplicate', 'delayBehindNext'] as const) {
    for (const side of ['driver', 'endpoint'] as const) {
      it(`${kind} of any one frame from the ${side}: data right, everything released`, async () => {
        const total = await shortDialogue(none, none);
        expect(total).toBeGreaterThan(5);
        for (let frame = 0; frame < total + 3; frame++) {
          const faulty = directionFaults({ script: [{ kind, frame }] });
          if (side === 'driver') await shortDialogue(faulty, none);
          else await shortDialogue(none, faulty);
        }
      });
    }
  }

  for (const side of ['driver', 'endpoint'] as const) {
    it(`a late copy of any one frame from the ${side} changes nothing`, async () => {
      const total = await shortDialogue(none, none);
      for (const delayMicros of [30, 300, 3_000, 90_000]) {
        for (let frame = 0; frame < total; frame++) {
          await shortDialogue(none, none, (dialogue) => {
            repeatLater(dialogue, side, { frame, delayMicros });
          });
        }
      }
    });
  }
});

/** The wire delivers a frame of one side once more, some time later: an old copy from somewhere. */
function repeatLater(
  { wire, clock }: Dialogue,
  side: 'driver' | 'endpoint',
  copy: { frame: number; delayMicros: number },
): void {
  const transport = side === 'driver' ? wire.a : wire.b;
  const send = transport.sendBatch.bind(transport);
  let sent = 0;
  transport.sendBatch = (region, descriptors, first, count) => {
    for (let i = first; i < first + count; i++) {
      if (sent++ !== copy.frame) continue;
      const offset = descriptors[2 * i] as number;
      const bytes = region.bytes.slice(offset, offset + (descriptors[2 * i + 1] as number));
      clock.schedule(clock.now() + copy.delayMicros, () => {
        wire.network.simulator.send(clock.now(), transport.port, bytes);
        wire.network.wake();
      });
    }
    return send(region, descriptors, first, count);
  };
}
