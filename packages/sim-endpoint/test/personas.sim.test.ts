import { MemoryStatus, SECOND } from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import {
  createVirtualEndpoint,
  type EndpointPersonaName,
  type PersonaEndpoint,
} from '../src/index.ts';
import { VirtualInitiator } from './virtual-initiator.ts';

const SIZE = 2 ** 20;

function rig(persona: EndpointPersonaName) {
  const clock = new VirtualClock();
  const endpoint = createVirtualEndpoint({ sizeBytes: SIZE, persona }, clock);
  const played = endpoint.endpoint as PersonaEndpoint;
  return { clock, endpoint, played };
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff);
}

describe('our driver on a quiet wire', () => {
  it.each([
    ['memnode', 'memnode'],
    ['etri', 'etri'],
    ['wdhw', 'wdhw'],
    ['wdhw-103', 'wdhw'],
    ['plain', 'oxmem'],
  ] as const)('recognises %s as %s, and writes and reads right', async (persona, profile) => {
    const { clock, endpoint, played } = rig(persona);
    const initiator = new VirtualInitiator(endpoint);
    expect(await initiator.open()).toMatchObject({ isOpen: true, profile: { name: profile } });
    for (const [offset, length] of [
      [0, 4096],
      [5, 3],
      [8190, 5000],
      [100, 1],
    ] as const) {
      const bytes = pattern(length, offset);
      expect(await initiator.write(offset, bytes)).toBe(MemoryStatus.ok);
      expect(await initiator.read(offset, length)).toEqual(bytes);
    }
    const closed = await initiator.close();
    expect(closed).toMatch(/confirmed|unanswered/);
    clock.advanceBy(5 * SECOND);
    expect(played.end).toBeUndefined();
    expect(played.sufferings).toEqual([]);
    // The 1.0.3 build knows no end of a connection: it goes on resending what nobody acknowledges.
    if (persona === 'wdhw-103') return;
    const before = played.stats().framesSent;
    clock.advanceBy(60 * SECOND);
    expect(played.stats().framesSent).toBe(before);
  });
});
