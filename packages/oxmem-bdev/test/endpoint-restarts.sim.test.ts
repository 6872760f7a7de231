import { BlockCommand, NbdErrno } from '@oxmem/nbd-protocol';
import { MILLISECOND, SECOND, type Micros } from '@oxmem/tloe-protocol';
import {
  MemoryOracle,
  Prng,
  type DirectionFaults,
  type ReadTicket,
  type WriteTicket,
} from '@oxmem/tloe-protocol/testing';
import { expect, it } from 'vitest';

import { LossRig } from './loss-rig.ts';
import type { TestRequest } from './test-request.ts';

/**
 * A driver under load and an endpoint that is restarted empty at random moments, also while the driver
 * is busy with the last restart, and now and then gets its memory back.
 *
 * Every read that succeeds is compared with all that it could have found in a memory that loses
 * nothing: as long as the endpoint is empty, no read may succeed.
 */
const SIZE = 2 ** 18;
const DEPTH = 6;
/** Bytes that are written over and over, in few enough places for requests to meet. */
const HOT = SIZE / 2;
const PLACES = 24;

interface Asked {
  readonly request: TestRequest;
  readonly write: WriteTicket | undefined;
  readonly read: ReadTicket | undefined;
}

/** Bytes that differ from those of other writes, and none of which is 0. */
function filled(length: number, seed: number): Uint8Array {
  const data = new Uint8Array(length);
  for (let i = 0; i < length; i++) data[i] = 1 + ((seed + i) % 255);
  return data;
}

class Storm {
  readonly rig: LossRig;
  restarts = 0;
  served = 0;
  failed = 0;
  /** Times that it served again. */
  returns = 0;
  readonly #prng: Prng;
  readonly #oracle = new MemoryOracle(SIZE);
  #asked: Asked[] = [];

  constructor(seed: number, options: readonly string[], faults: Partial<DirectionFaults>) {
    this.rig = new LossRig({ seed, sizeBytes: SIZE, options, faults });
    this.#prng = new Prng(seed).fork('storm');
  }

  /** Writes what is never written again. */
  async begin(): Promise<void> {
    const { rig } = this;
    await rig.open();
    const data = filled(SIZE - HOT, 0);
    const ticket = this.#oracle.beginWrite(HOT, data);
    expect((await rig.done(BlockCommand.Write, HOT, data)).error).toBe(NbdErrno.OK);
    this.#oracle.endWrite(ticket, 'ok');
  }

  /** Load, an empty restart or some, and the memory back. */
  async round(): Promise<void> {
    const { rig } = this;
    const { contents } = rig;
    await this.#work(this.#prng.below(120));
    const restarts = 1 + this.#prng.below(3);
    for (let i = 0; i < restarts; i++) {
      this.restarts++;
      await this.#restart(() => rig.startEndpoint(rig.emptyMemory()));
      // Half of them long enough for the driver to see what it has to do with.
      await this.#pass(this.#prng.below(2) === 0 ? this.#prng.below(SECOND) : 20 * SECOND);
    }
    await this.#restart(() => rig.startEndpoint(contents));
    for (let waited = 0; rig.memory.state !== 'serving'; waited++) {
      expect(waited, `${rig.memory.state} ${rig.told.slice(-8).join('; ')}`).toBeLessThan(400);
      await this.#pass(SECOND / 4);
    }
    this.returns++;
  }

  /** Lets what is open come to its end; the memory must hold what was written. */
  async finish(): Promise<void> {
    await this.rig.until(() => this.#asked.every(({ request }) => request.isDone));
    this.#settle();
    expect(this.#oracle.check(0, this.rig.contents.region.bytes)).toBeUndefined();
    await this.rig.close();
  }

  /** A power cut, and after a while the power is back. */
  async #restart(start: () => void): Promise<void> {
    this.rig.endEndpoint();
    const pauses: readonly Micros[] = [0, MILLISECOND, 300 * MILLISECOND, 3 * SECOND, 12 * SECOND];
    await this.#pass(pauses[this.#prng.below(pauses.length)] as Micros);
    start();
  }

  async #work(steps: number): Promise<void> {
    for (let i = 0; i < steps; i++) {
      while (this.#asked.length < DEPTH) this.#ask();
      await this.rig.step();
      this.#settle();
    }
  }

  /** Time goes on, and somebody asks now and then. */
  async #pass(micros: Micros): Promise<void> {
    const until = this.rig.clock.now() + micros;
    while (this.rig.clock.now() < until) {
      if (this.#asked.length < DEPTH) this.#ask();
      const pause = Math.min(until - this.rig.clock.now(), 1 + this.#prng.below(SECOND));
      await this.rig.pass(pause);
      this.#settle();
    }
  }

  #ask(): void {
    const offset = Math.floor(HOT / PLACES) * this.#prng.below(PLACES) + this.#prng.below(64);
    const length = 1 + this.#prng.below(this.#prng.below(8) === 0 ? 9000 : 1500);
    const { rig } = this;
    if (this.#prng.below(2) === 0) {
      const read = this.#oracle.beginRead(offset, length);
      const request = rig.submit(BlockCommand.Read, offset, length);
      this.#asked.push({ request, read, write: undefined });
    } else {
      const data = filled(length, this.#prng.below(255));
      const write = this.#oracle.beginWrite(offset, data);
      const request = rig.submit(BlockCommand.Write, offset, data);
      this.#asked.push({ request, read: undefined, write });
    }
  }

  #settle(): void {
    this.#asked = this.#asked.filter(({ request, write, read }) => {
      if (!request.isDone) return true;
      const isOk = request.error === NbdErrno.OK;
      if (isOk) this.served++;
      else this.failed++;
      if (write !== undefined) this.#oracle.endWrite(write, isOk ? 'ok' : 'failed');
      if (read === undefined) return false;
      const wrong = this.#oracle.endRead(read, isOk ? request.data : undefined);
      if (wrong === undefined) return false;
      const told = this.rig.told.slice(-8).join('; ');
      throw new Error(`${JSON.stringify(wrong)} after ${this.restarts} restarts: ${told}`);
    });
  }
}

it.each<[string, number, readonly string[], Partial<DirectionFaults>]>([
  ['requests fail meanwhile', 1, ['--endpoint-lost=fail'], {}],
  ['requests wait meanwhile', 2, ['--endpoint-lost=wait'], {}],
  [
    'requests wait, and the wire loses, repeats, reorders and delays',
    3,
    ['--endpoint-lost=wait', '--request-timeout=200ms'],
    { loss: 0.02, duplicate: 0.02, reorder: 0.05, delayMicros: 200, jitterMicros: 300 },
  ],
  [
    'requests fail, and the wire loses, repeats, reorders and delays',
    4,
    ['--endpoint-lost=fail', '--request-timeout=200ms'],
    { loss: 0.02, duplicate: 0.02, reorder: 0.05, delayMicros: 200, jitterMicros: 300 },
  ],
])(
  '250 empty restarts at random moments, %s: no byte is read that was not written',
  async (_, seed, options, faults) => {
    const storm = new Storm(seed, options, faults);
    await storm.begin();
    while (storm.restarts < 250) await storm.round();
    await storm.finish();
    expect(storm.served).toBeGreaterThan(1000);
    expect(storm.failed).toBeGreaterThan(100);
    expect(storm.rig.told.filter((line) => line.startsWith('disproved')).length).toBeGreaterThan(
      50,
    );
  },
  60_000,
);
