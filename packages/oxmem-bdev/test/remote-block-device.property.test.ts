import { BlockCommand, NbdErrno } from '@oxmem/nbd-protocol';
import { MemoryOracle, type ReadTicket, type WriteTicket } from '@oxmem/tloe-protocol/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { TestRequest } from './test-request.ts';
import { VirtualDevice } from './virtual-device.ts';

const SIZE = 2 ** 19;

/** One request of a plan, and how long to let time pass before the next one. */
const step = fc.record({
  command: fc.constantFrom(BlockCommand.Read, BlockCommand.Write, BlockCommand.WriteZeroes),
  // Small ranges near each other overlap often; long zeroings go in pieces.
  offset: fc.oneof(fc.nat(300), fc.nat(SIZE - 1)),
  length: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9000 })),
  isLong: fc.boolean(),
  fill: fc.integer({ min: 1, max: 255 }),
  pauseMicros: fc.constantFrom(0, 0, 7, 200),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Open {
  readonly request: TestRequest;
  readonly write: WriteTicket | undefined;
  readonly read: ReadTicket | undefined;
}

function begin(oracle: MemoryOracle, { command, offset, length, isLong, fill }: Step): Open {
  const wanted = command === BlockCommand.WriteZeroes && isLong ? 300_000 : length;
  const request = new TestRequest(command, offset, Math.min(wanted, SIZE - offset));
  if (command === BlockCommand.Read) {
    return { request, write: undefined, read: oracle.beginRead(offset, request.length) };
  }
  const data = new Uint8Array(request.length);
  if (command === BlockCommand.Write) {
    for (let i = 0; i < data.length; i++) data[i] = fill + i;
    request.data.set(data);
  }
  return { request, write: oracle.beginWrite(offset, data), read: undefined };
}

/** Takes note of what has ended; returns what is still open. */
function settle(oracle: MemoryOracle, open: readonly Open[]): Open[] {
  return open.filter(({ request, write, read }) => {
    if (!request.isDone) return true;
    expect(request.error).toBe(NbdErrno.OK);
    if (write !== undefined) oracle.endWrite(write, 'ok');
    if (read !== undefined) expect(oracle.endRead(read, request.data)).toBeUndefined();
    return false;
  });
}

it.each([[[]], [['loss=3%', 'dup=3%', 'reorder=3%', 'delay=30us']]])(
  'reads what was written, whatever overlaps and whatever the network does: %j',
  async (faults) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(1000), async (plan, seed) => {
        const rig = new VirtualDevice({ sizeBytes: SIZE, faults, seed });
        expect((await rig.open()).isOpen).toBe(true);
        const oracle = new MemoryOracle(SIZE);
        let open: Open[] = [];
        for (const each of plan) {
          const started = begin(oracle, each);
          open.push(started);
          rig.device.submit(started.request);
          rig.device.kick();
          const limit = rig.clock.now() + each.pauseMicros;
          while (rig.clock.nextAt <= limit) {
            rig.clock.advanceTo(rig.clock.nextAt);
            open = settle(oracle, open);
          }
        }
        while (open.length > 0) {
          rig.runUntil(() => open.some(({ request }) => request.isDone));
          open = settle(oracle, open);
        }
        expect(rig.memory.initiator.liveRequests).toBe(0);
        expect(rig.memory.initiator.rangesLocked).toBe(0);
        rig.endpoint.close();
      }),
      { numRuns: 60 },
    );
  },
);
