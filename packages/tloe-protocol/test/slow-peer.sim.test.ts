/** A peer or a wire that is slow, but works: requests wait for their turn, however long that takes. */
import { describe, expect, it } from 'vitest';
import { ByteRegion } from '../src/byte-region.ts';
import { Dialogue, NOTHING_LEFT } from '../src/testing/dialogue.ts';
import { MemoryStatus, RequestKind } from '../src/tilelink/memory-request.ts';
import { SECOND } from '../src/units.ts';

const REQUEST_BYTES = 2 ** 17;

describe('requests that wait behind many others', () => {
  it.each([
    { kind: RequestKind.write, name: 'writes' },
    { kind: RequestKind.read, name: 'reads' },
  ])('do not fail while the others get answers: $name', async ({ kind }) => {
    // What is in flight takes longer than the time after which a silent endpoint counts as lost.
    const dialogue = new Dialogue({
      sizeBytes: 2 ** 21,
      window: 512,
      rateBytesPerSecond: 100_000,
    });
    await dialogue.open();
    const requests = Array.from({ length: 16 }, (_, i) => {
      const buffer = ByteRegion.allocate(REQUEST_BYTES);
      return dialogue.start({ kind, offset: i * REQUEST_BYTES, length: REQUEST_BYTES, buffer });
    });
    dialogue.clock.advanceBy(200 * SECOND);
    const statuses = await Promise.all(requests);
    expect(statuses).toEqual(statuses.map(() => MemoryStatus.ok));
    // Nothing was lost, so that what is sent again is waste.
    const [sent, resent] = [dialogue.driver.link, dialogue.peer.link].reduce(
      ([all, again], { stats }) => [all + stats.framesSent, again + stats.framesResent],
      [0, 0],
    );
    expect(resent).toBeLessThan(sent / 20);
    expect(dialogue.notices).toEqual([]);
    expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
  });
});
