import { describe, expect, it } from 'vitest';
import { ByteRegion } from '../src/byte-region.ts';
import type { PeerProfile } from '../src/link/peer-profile.ts';
import { PEER_PROFILES } from '../src/link/peer-profile.ts';
import { MemoryStatus, RequestKind } from '../src/tilelink/memory-request.ts';
import { MILLISECOND, SECOND } from '../src/units.ts';
import { Dialogue, NOTHING_LEFT, type DialogueOptions } from '../src/testing/dialogue.ts';
import { describeFaultPlan, directionFaults } from '../src/testing/fault-plan.ts';
import { MemoryOracle } from '../src/testing/memory-oracle.ts';
import { Prng } from '../src/testing/prng.ts';

const SIZE = 1 << 15;
const OPERATIONS = 60;
const CONCURRENCY = 6;

/** A configuration and a wire from a seed: sizes and limits vary as much as the faults do. */
function randomOptions(prng: Prng): DialogueOptions {
  const direction = () =>
    directionFaults({
      loss: prng.chance(0.5) ? prng.nextFloat() * 0.2 : 0,
      duplicate: prng.chance(0.5) ? prng.nextFloat() * 0.2 : 0,
      reorder: prng.chance(0.5) ? prng.nextFloat() * 0.2 : 0,
      reorderDepthFrames: 1 + prng.below(4),
      delayMicros: prng.pick([1, 10, 100, 2000]),
      jitterMicros: prng.pick([0, 0, 50, 3000]),
    });
  const firstSequenceNumber = prng.pick([
    0,
    0,
    2 ** 22 - 1,
    2 ** 22 - 3,
    2 ** 22 - 20,
    2 ** 21 - 2,
  ]);
  const windowFrames = prng.pick([8, 16, 64, 256]);
  const profiles: PeerProfile[] = [PEER_PROFILES.oxmem, PEER_PROFILES.generic, PEER_PROFILES.wdhw];
  const grants = [0, prng.between(8, 13), 8, 8, prng.between(8, 16), 8];
  return {
    seed: prng.nextUint32(),
    sizeBytes: SIZE,
    base: prng.pick([
      { high: 0, low: 0 },
      { high: 0x80000000, low: 8 },
      { high: 0, low: 0xfffff000 },
    ]),
    faults: { forward: direction(), backward: direction() },
    window: prng.pick([1, 4, 64]),
    maxAccessLog2: prng.between(3, 10),
    dataOrder: prng.pick(['raw', 'spec']),
    profile: prng.pick(profiles),
    reissue: { requestTimeoutMicros: 10 * SECOND },
    initiatorLink: { firstSequenceNumber, windowFrames },
    responderLink: { firstSequenceNumber, windowFrames, grantExponents: grants },
  };
}

async function workload(dialogue: Dialogue, oracle: MemoryOracle, prng: Prng): Promise<void> {
  let started = 0;
  const worker = async (): Promise<void> => {
    while (started++ < OPERATIONS) {
      const length = 1 + prng.below(prng.pick([8, 300, 5000]));
      const offset = prng.below(SIZE - length);
      if (prng.chance(0.5)) await writeOne(dialogue, oracle, { prng, offset, length });
      else await readOne(dialogue, oracle, offset, length);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

async function writeOne(
  dialogue: Dialogue,
  oracle: MemoryOracle,
  what: { prng: Prng; offset: number; length: number },
): Promise<void> {
  const { prng, offset, length } = what;
  const isZero = prng.chance(0.1);
  const buffer = ByteRegion.allocate(length);
  if (!isZero) prng.fillBytes(buffer.bytes);
  const ticket = oracle.beginWrite(offset, buffer.bytes);
  const kind = isZero ? RequestKind.zero : RequestKind.write;
  const status = await dialogue.start({ kind, offset, length, buffer });
  oracle.endWrite(ticket, status === MemoryStatus.ok ? 'ok' : 'failed');
  expect(status).toBe(MemoryStatus.ok);
}

async function readOne(
  dialogue: Dialogue,
  oracle: MemoryOracle,
  offset: number,
  length: number,
): Promise<void> {
  const buffer = ByteRegion.allocate(length);
  const ticket = oracle.beginRead(offset, length);
  const status = await dialogue.start({ kind: RequestKind.read, offset, length, buffer });
  expect(status).toBe(MemoryStatus.ok);
  expect(oracle.endRead(ticket, buffer.bytes)).toBeUndefined();
}

async function run(seed: number): Promise<string> {
  const prng = new Prng(seed);
  const options = randomOptions(prng);
  const dialogue = new Dialogue(options);
  const oracle = new MemoryOracle(SIZE);
  const opened = await dialogue.open();
  if (!opened.isOpen) return 'not opened';
  let isDone = false;
  const work = workload(dialogue, oracle, prng).finally(() => {
    isDone = true;
  });
  const end = dialogue.clock.now() + 300 * SECOND;
  while (!isDone) {
    expect(dialogue.clock.now(), `stuck; ${JSON.stringify(dialogue.leftovers())}`).toBeLessThan(
      end,
    );
    dialogue.clock.advanceTo(Math.min(dialogue.clock.nextAt, dialogue.clock.now() + MILLISECOND));
    for (let i = 0; i < 4; i++) await Promise.resolve();
  }
  await work;
  expect(oracle.check(0, dialogue.memory.region.bytes)).toBeUndefined();
  await dialogue.close();
  dialogue.clock.advanceBy(20 * SECOND);
  expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
  return 'done';
}

describe('a driver and an endpoint on bad wires', () => {
  const first = Number(process.env['OXMEM_SEED'] ?? 1);
  const count = Number(process.env['OXMEM_SEEDS'] ?? 150);
  it(`seeds ${first} to ${first + count - 1}: every read right, nothing left, no hang`, async () => {
    let done = 0;
    for (let seed = first; seed < first + count; seed++) {
      try {
        if ((await run(seed)) === 'done') done++;
      } catch (error) {
        const plan = describeFaultPlan(randomOptions(new Prng(seed)).faults!);
        throw new Error(`seed ${seed} (replay: OXMEM_SEED=${seed} OXMEM_SEEDS=1)\n${plan}`, {
          cause: error,
        });
      }
    }
    expect(done).toBeGreaterThan(count * 0.9);
  }, 300_000);
});
