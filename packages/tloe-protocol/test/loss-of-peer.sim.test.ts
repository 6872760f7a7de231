import { describe, expect, it } from 'vitest';
import { symmetricFaults } from '../src/testing/fault-plan.ts';
import { Dialogue, NOTHING_LEFT } from '../src/testing/dialogue.ts';
import { MemoryStatus, RequestKind } from '../src/tilelink/memory-request.ts';
import { ByteRegion } from '../src/byte-region.ts';
import { SECOND } from '../src/units.ts';
import type { MessageView } from '../src/wire/frame-view.ts';

const filled = (value: number, length = 4096): Uint8Array => new Uint8Array(length).fill(value);

/** A wire that is dead from one second of virtual time until another, both ways. */
const cut = (from: number, until: number) =>
  symmetricFaults({ script: [{ kind: 'cut', from: from * SECOND, until: until * SECOND }] });

describe('an endpoint that falls silent', () => {
  it('a short silence only delays requests', async () => {
    const dialogue = new Dialogue({ faults: cut(1, 3) });
    await dialogue.open();
    dialogue.clock.advanceTo(1.5 * SECOND);
    expect(await dialogue.write(0, filled(1))).toBe(MemoryStatus.ok);
    expect(dialogue.clock.now()).toBeGreaterThan(3 * SECOND);
    expect(dialogue.clock.now()).toBeLessThan(4.5 * SECOND);
    expect(dialogue.notices).toEqual([]);
  });

  it('a long silence fails what is in flight within five time-outs, then everything at once', async () => {
    const dialogue = new Dialogue({ faults: cut(1, 60) });
    await dialogue.open();
    dialogue.clock.advanceTo(2 * SECOND);
    expect(await dialogue.write(0, filled(1))).toBe(MemoryStatus.lost);
    expect(dialogue.clock.now()).toBeLessThanOrEqual(7.3 * SECOND);
    expect(dialogue.notices).toEqual(['lost']);
    const before = dialogue.clock.now();
    expect((await dialogue.read(0, 512)).status).toBe(MemoryStatus.lost);
    expect(dialogue.clock.now() - before).toBeLessThan(0.01 * SECOND);
  });

  it('an endpoint that comes back with its connection serves again, and no old write lands late', async () => {
    const dialogue = new Dialogue({ faults: cut(1, 20) });
    await dialogue.open();
    dialogue.clock.advanceTo(2 * SECOND);
    expect(await dialogue.write(0, filled(1))).toBe(MemoryStatus.lost);
    dialogue.clock.advanceTo(20 * SECOND);
    dialogue.clock.advanceTo(23 * SECOND);
    expect(dialogue.notices).toEqual(['lost', 'recovered']);
    expect(await dialogue.write(0, filled(2))).toBe(MemoryStatus.ok);
    dialogue.clock.advanceBy(60 * SECOND);
    expect(dialogue.memory.region.bytes.slice(0, 4096)).toEqual(filled(2));
    expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('with endpoint-lost=wait requests wait until it is back', async () => {
    const dialogue = new Dialogue({ faults: cut(1, 30), reissue: { whenLost: 'wait' } });
    await dialogue.open();
    dialogue.clock.advanceTo(2 * SECOND);
    expect(await dialogue.write(0, filled(3))).toBe(MemoryStatus.ok);
    expect(dialogue.clock.now()).toBeGreaterThan(30 * SECOND);
    expect(dialogue.notices).toEqual(['lost', 'recovered']);
    expect(dialogue.memory.region.bytes.slice(0, 4096)).toEqual(filled(3));
  });

  it('closing towards a silent endpoint ends after half a second', async () => {
    const dialogue = new Dialogue({ faults: cut(1, 60) });
    await dialogue.open();
    dialogue.clock.advanceTo(2 * SECOND);
    const writing = dialogue.start({
      kind: RequestKind.write,
      length: 4096,
      buffer: ByteRegion.allocate(4096),
    });
    dialogue.clock.advanceBy(0.2 * SECOND);
    const before = dialogue.clock.now();
    expect(await dialogue.close()).toBe('unanswered');
    expect(await writing).toBe(MemoryStatus.closed);
    expect(dialogue.clock.now() - before).toBeLessThanOrEqual(0.51 * SECOND);
  });

  it('nobody there: the opening gives up after its time, and has tried more than once', async () => {
    const dialogue = new Dialogue({ faults: cut(0, 60) });
    expect(await dialogue.open()).toEqual({ isOpen: false, reason: 'timedOut' });
    expect(dialogue.clock.now()).toBe(5 * SECOND);
    expect(dialogue.driver.link.stats.framesSent).toBeGreaterThan(7);
    expect(await dialogue.close()).toBe('unopened');
  });
});

describe('an endpoint that swallows requests behind an acknowledgement', () => {
  /** Lets the responder miss the messages for which `isLost` says so. */
  function swallow(dialogue: Dialogue, isLost: (index: number) => boolean): void {
    const responder = dialogue.peer.responder;
    const original = responder.onMessage.bind(responder);
    let index = 0;
    responder.onMessage = (now: number, message: MessageView): boolean =>
      isLost(index++) ? true : original(now, message);
  }

  it('an access is repeated under a new source and completes', async () => {
    const dialogue = new Dialogue();
    await dialogue.open();
    swallow(dialogue, (index) => index === 1);
    expect(await dialogue.write(0, filled(5))).toBe(MemoryStatus.ok);
    expect(dialogue.driver.initiator.stats.accessesReissued).toBe(1);
    expect(dialogue.clock.now()).toBeGreaterThan(SECOND);
    dialogue.clock.advanceBy(SECOND);
    expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('an access that is never answered fails after five repetitions and frees everything later', async () => {
    const dialogue = new Dialogue();
    await dialogue.open();
    swallow(dialogue, () => true);
    const { status } = await dialogue.read(0, 64);
    expect(status).toBe(MemoryStatus.timedOut);
    expect(dialogue.driver.initiator.stats.accessesReissued).toBeLessThanOrEqual(5);
    expect(dialogue.clock.now()).toBeLessThan(8 * SECOND);
    dialogue.clock.advanceBy(30 * SECOND);
    expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('a given-up write keeps its range locked until nothing of it can land', async () => {
    const dialogue = new Dialogue();
    await dialogue.open();
    let isDeaf = true;
    swallow(dialogue, () => isDeaf);
    expect(await dialogue.write(0, filled(1, 64))).toBe(MemoryStatus.timedOut);
    isDeaf = false;
    const overlapping = dialogue.start({
      kind: RequestKind.write,
      offset: 32,
      length: 64,
      buffer: new ByteRegion(filled(2, 64)),
    });
    expect(dialogue.driver.initiator.stats.lockWaits).toBe(1);
    expect(await dialogue.write(4096, filled(3, 64))).toBe(MemoryStatus.ok);
    dialogue.clock.advanceBy(20 * SECOND);
    expect([MemoryStatus.ok, MemoryStatus.timedOut]).toContain(await overlapping);
    expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('an endpoint that refuses', () => {
  it('a denied part fails the whole request, a denied read returns no data', async () => {
    const dialogue = new Dialogue({ responder: { maxAccessLog2: 9 } });
    await dialogue.open();
    expect(await dialogue.write(0, filled(9))).toBe(MemoryStatus.denied);
    expect((await dialogue.read(0, 4096)).status).toBe(MemoryStatus.denied);
    expect(await dialogue.write(0, filled(9, 512))).toBe(MemoryStatus.ok);
    dialogue.clock.advanceBy(SECOND);
    expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
  });
});
