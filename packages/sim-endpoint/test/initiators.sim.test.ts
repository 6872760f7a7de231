import { MILLISECOND, SECOND, type Micros } from '@oxmem/tloe-protocol';
import {
  MAC_A,
  MAC_B,
  MemoryNetwork,
  MemoryOracle,
  Prng,
  VirtualClock,
  directionFaults,
  type DirectionFaults,
} from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import {
  INITIATOR_PERSONAS,
  PersonaInitiator,
  composeEndpoint,
  type InitiatorPersonaName,
} from '../src/index.ts';

const SIZE = 2 ** 13;
const NAMES = Object.keys(INITIATOR_PERSONAS) as InitiatorPersonaName[];
const first = Number(process.env['OXMEM_SEED'] ?? 1);
const count = Number(process.env['OXMEM_SEEDS'] ?? 4);

interface Trouble {
  readonly name: string;
  /** Frames to the endpoint, and from it. */
  readonly wire: readonly [Partial<DirectionFaults>, Partial<DirectionFaults>];
  /** Who cannot stand it, whatever an endpoint does: they may fail, or wait for ever. */
  readonly fatalTo: readonly InitiatorPersonaName[];
}

const TROUBLES: readonly Trouble[] = [
  { name: 'none', wire: [{}, {}], fatalTo: [] },
  // fuse acknowledges past a loss: who believes it does not know what to resend.
  { name: 'loss of answers', wire: [{}, { loss: 0.1 }], fatalTo: ['nbd', 'fuse'] },
  { name: 'loss of requests', wire: [{ loss: 0.1 }, {}], fatalTo: ['nbd', 'fuse'] },
  { name: 'duplication', wire: [{ duplicate: 0.2 }, { duplicate: 0.2 }], fatalTo: [] },
  {
    name: 'reordering',
    wire: [{ reorder: 0.2, reorderDepthFrames: 3 }, {}],
    fatalTo: [],
  },
  {
    name: 'delay and jitter',
    wire: [
      { delayMicros: 1000, jitterMicros: 2000 },
      { delayMicros: 1000, jitterMicros: 2000 },
    ],
    fatalTo: [],
  },
];

interface Outcome {
  readonly isOpen: boolean;
  readonly unfinished: number;
  readonly failed: number;
  readonly wrong: readonly string[];
  readonly end: string | undefined;
}

class Session {
  readonly clock: VirtualClock = new VirtualClock();
  readonly initiator: PersonaInitiator;
  readonly #prng: Prng;
  readonly #oracle = new MemoryOracle(SIZE);
  readonly #wrong: string[] = [];
  #failed = 0;
  #unfinished = 0;

  constructor(name: InitiatorPersonaName, trouble: Trouble, seed: number) {
    const [forward, backward] = trouble.wire.map((changes) => directionFaults(changes));
    this.#prng = new Prng(seed);
    const network = new MemoryNetwork(this.clock, this.#prng.fork('network'));
    const near = network.attach({ mac: MAC_A, ...(forward && { faults: forward }) });
    const far = network.attach({ mac: MAC_B, ...(backward && { faults: backward }) });
    const habits = INITIATOR_PERSONAS[name];
    const { dataOrder } = habits.requests;
    const endpoint = composeEndpoint(
      { sizeBytes: SIZE, dataOrder, alignment: 'allow' },
      { transport: far, clock: this.clock },
    );
    endpoint.start();
    const prng = this.#prng.fork('persona');
    const place = { transport: near, clock: this.clock, endpointMac: MAC_B, prng };
    this.initiator = new PersonaInitiator(habits, place);
  }

  async run(): Promise<Outcome> {
    const isOpen = await this.settles(this.initiator.open(), 20 * SECOND);
    if (isOpen) await this.#workload();
    return {
      isOpen,
      unfinished: this.#unfinished,
      failed: this.#failed,
      wrong: this.#wrong,
      end: this.initiator.end,
    };
  }

  async #workload(): Promise<void> {
    const worker = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        const length = 8 * this.#prng.between(1, 100);
        const offset = 8 * this.#prng.below((SIZE - length) / 8);
        this.#unfinished++;
        if (this.#prng.chance(0.5)) await this.#write(offset, length);
        else await this.#read(offset, length);
        this.#unfinished--;
      }
    };
    await this.settles(Promise.all([worker(), worker()]), 120 * SECOND);
  }

  async #write(offset: number, length: number): Promise<void> {
    const bytes = new Uint8Array(length);
    this.#prng.fillBytes(bytes);
    const ticket = this.#oracle.beginWrite(offset, bytes);
    const isOk = await this.initiator.write(offset, bytes);
    this.#oracle.endWrite(ticket, isOk ? 'ok' : 'failed');
    if (!isOk) this.#failed++;
  }

  async #read(offset: number, length: number): Promise<void> {
    const ticket = this.#oracle.beginRead(offset, length);
    const bytes = await this.initiator.read(offset, length);
    const mismatch = this.#oracle.endRead(ticket, bytes);
    if (bytes === undefined) this.#failed++;
    if (mismatch !== undefined) this.#wrong.push(JSON.stringify(mismatch));
  }

  /** Lets time pass; returns whether the promise is settled in time. */
  async settles(promise: Promise<unknown>, limit: Micros): Promise<boolean> {
    let isSettled = false;
    void promise.then(() => {
      isSettled = true;
    });
    const end = this.clock.now() + limit;
    await Promise.resolve();
    while (!isSettled && this.clock.now() < end && this.clock.nextAt < end) {
      this.clock.advanceTo(Math.max(this.clock.now(), this.clock.nextAt));
      for (let i = 0; i < 6; i++) await Promise.resolve();
    }
    return isSettled;
  }
}

describe.each(NAMES)('our endpoint serves %s', (name) => {
  it.each(TROUBLES)('$name', async (trouble) => {
    for (let seed = first; seed < first + count; seed++) {
      const text = `seed ${seed} (replay: OXMEM_SEED=${seed} OXMEM_SEEDS=1)`;
      const outcome = await new Session(name, trouble, seed).run();
      expect(outcome, text).toMatchObject({ wrong: [], end: undefined });
      if (trouble.fatalTo.includes(name)) continue;
      expect(outcome, text).toMatchObject({ isOpen: true, unfinished: 0, failed: 0 });
    }
  });

  it('and is closed by it, and opened again', async () => {
    const session = new Session(name, TROUBLES[0] as Trouble, 1);
    const { initiator, clock } = session;
    expect(await session.settles(initiator.open(), SECOND)).toBe(true);
    expect(await session.settles(initiator.write(0, new Uint8Array(64)), SECOND)).toBe(true);
    clock.advanceBy(2 * MILLISECOND);
    expect(await session.settles(initiator.close(), SECOND)).toBe(true);
  });

  it('and the wire is quiet when nothing is to do', async () => {
    const session = new Session(name, TROUBLES[0] as Trouble, 1);
    await session.run();
    session.clock.advanceBy(10 * SECOND);
    const before = session.clock.eventsRun;
    session.clock.advanceBy(60 * SECOND);
    expect(session.clock.eventsRun - before).toBeLessThan(20);
  });
});
