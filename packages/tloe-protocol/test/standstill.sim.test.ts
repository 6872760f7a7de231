import { describe, expect, it } from 'vitest';
import { PEER_PROFILES } from '../src/link/peer-profile.ts';
import { Dialogue, NOTHING_LEFT } from '../src/testing/dialogue.ts';
import { symmetricFaults } from '../src/testing/fault-plan.ts';
import { MemoryStatus } from '../src/tilelink/memory-request.ts';
import { SECOND } from '../src/units.ts';

const data = new Uint8Array(512).fill(7);

describe('regressions: connections that stood still', () => {
  it.each(['fail', 'wait'] as const)(
    'after an outage in which the endpoint gave up resending, the driver asks (%s)',
    async (whenLost) => {
      const dialogue = new Dialogue({
        profile: PEER_PROFILES.generic,
        reissue: { whenLost },
        faults: symmetricFaults({
          script: [{ kind: 'cut', from: SECOND + 25, until: 13 * SECOND }],
        }),
        // Room for one write of 1 KiB: its credits come back with the answer that gets lost.
        responderLink: { grantExponents: [0, 8, 8, 8, 19, 8], resendPasses: 8 },
      });
      await dialogue.open();
      dialogue.clock.advanceTo(SECOND);
      await dialogue.write(0, new Uint8Array(1024));
      dialogue.clock.advanceBy(60 * SECOND);
      expect(await dialogue.write(8192, data)).toBe(MemoryStatus.ok);
      dialogue.clock.advanceBy(60 * SECOND);
      expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
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
