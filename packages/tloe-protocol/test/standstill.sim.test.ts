import { describe, expect, it } from 'vitest';
import { ByteRegion } from '../src/byte-region.ts';
import { PEER_PROFILES } from '../src/link/peer-profile.ts';
import { Dialogue } from '../src/testing/dialogue.ts';
import { directionFaults } from '../src/testing/fault-plan.ts';
import { MemoryStatus, RequestKind } from '../src/tilelink/memory-request.ts';
import { MILLISECOND, SECOND } from '../src/units.ts';

const data = new Uint8Array(512).fill(7);

function write(dialogue: Dialogue, offset: number, length: number): Promise<MemoryStatus> {
  const buffer = ByteRegion.allocate(length);
  return dialogue.start({ kind: RequestKind.write, offset, length, buffer });
}

describe('regressions: connections that stood still', () => {
  it.each(['fail', 'wait'] as const)(
    'after an outage in which the endpoint gave up resending, the driver asks (%s)',
    async (whenLost) => {
      const dialogue = new Dialogue({
        profile: PEER_PROFILES.generic,
        reissue: { whenLost },
        // Room for one write of 1 KiB: its credits come back with an answer that gets lost.
        responderLink: { grantExponents: [0, 8, 8, 8, 19, 8], resendPasses: 8 },
      });
      await dialogue.open();
      dialogue.clock.advanceBy(100 * MILLISECOND);
      const { simulator } = dialogue.wire.network;
      const frame = simulator.counts(1).sent;
      simulator.setFaults(1, directionFaults({ script: [{ kind: 'drop', frame }] }));
      void write(dialogue, 0, 1024);
      dialogue.clock.advanceBy(15);
      void write(dialogue, 4096, 512);
      dialogue.clock.advanceBy(21);
      for (const port of [0, 1]) simulator.setFaults(port, directionFaults({ loss: 1 }));
      dialogue.clock.advanceBy(12 * SECOND);
      for (const port of [0, 1]) simulator.setFaults(port, directionFaults({}));
      dialogue.clock.advanceBy(60 * SECOND);
      const late = write(dialogue, 8192, 1024);
      dialogue.clock.advanceBy(600 * SECOND);
      expect(await late).toBe(MemoryStatus.ok);
    },
  );

  it('a full window still lets the Close through', async () => {
    const dialogue = new Dialogue({
      initiatorLink: { windowFrames: 8 },
    });
    await dialogue.open();
    const writes = Array.from({ length: 12 }, (_, i) => dialogue.write(i * 4096, data));
    expect(await dialogue.close()).toBe('confirmed');
    await Promise.all(writes);
    dialogue.clock.advanceBy(5 * SECOND);
    expect(dialogue.peer.link.state).toBe('closed');
  });

  it('closing twice gives the same answer twice', async () => {
    const dialogue = new Dialogue();
    await dialogue.open();
    const [once, again] = await Promise.all([dialogue.close(), dialogue.close()]);
    expect([once, again]).toEqual(['confirmed', 'confirmed']);
  });
});
