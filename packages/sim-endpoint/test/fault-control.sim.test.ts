/** Faults that come and go while an endpoint serves. */
import { MemoryStatus, SECOND } from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import { FaultControl, createVirtualEndpoint } from '../src/index.ts';
import { VirtualInitiator } from './virtual-initiator.ts';

const ONE_WORD = new Uint8Array(8);

async function rig(faults: readonly string[] = []) {
  const faultControl = new FaultControl();
  const options = { sizeBytes: 2 ** 20, faults, faultControl };
  const clock = new VirtualClock();
  const initiator = new VirtualInitiator(createVirtualEndpoint(options, clock));
  expect(await initiator.open()).toMatchObject({ isOpen: true });
  return { clock, faultControl, initiator };
}

describe('faults of an endpoint that serves', () => {
  it('refuse what is asked while they last, and nothing before or after', async () => {
    const { faultControl, initiator } = await rig();
    expect(await initiator.write(0, ONE_WORD)).toBe(MemoryStatus.ok);
    faultControl.change(['deny=100%']);
    expect(await initiator.write(0, ONE_WORD)).toBe(MemoryStatus.denied);
    faultControl.change(['spoil=100%']);
    expect(await initiator.write(0, ONE_WORD)).toBe(MemoryStatus.ok);
    expect(await initiator.read(0, 8)).toBe(MemoryStatus.corrupt);
    faultControl.change();
    expect(await initiator.read(0, 8)).toEqual(ONE_WORD);
  });

  it('silence the wire while they last, and those of the start as well', async () => {
    const { clock, faultControl, initiator } = await rig(['deny=100%', 'delay=3ms']);
    faultControl.change(['loss=100%']);
    expect(await initiator.write(0, ONE_WORD)).toBe(MemoryStatus.lost);
    faultControl.change();
    clock.advanceBy(10 * SECOND);
    expect(await initiator.write(0, ONE_WORD)).toBe(MemoryStatus.ok);
  });

  it('are refused when they cannot be understood or are for life', async () => {
    const { faultControl } = await rig();
    expect(() => faultControl.change(['deny'])).toThrow(RangeError);
    expect(() => faultControl.change(['habit=wrap'])).toThrow('a habit cannot be changed');
  });
});
