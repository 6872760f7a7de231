import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestSlab, NO_ROOM, PAGE_BYTES } from '../src/session/request-slab.ts';
import type { MemoryLinkOptions } from '../src/testing/memory-link.ts';
import { Command, CommandFlag, Option } from '../src/wire/constants.ts';
import { type ServeOptions, type Served, connect, equal, pattern, serve, toHex } from './serve.ts';

const SIZE = 1 << 20;
const LIMITS = { slabBytes: 32768, requests: 8 };

interface Step {
  readonly kind: 'read' | 'write' | 'zero' | 'trim' | 'flush' | 'status' | 'odd';
  readonly offset: number;
  readonly length: number;
  readonly flags: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('read', 'write', 'zero', 'trim', 'flush', 'status', 'odd'),
  offset: fc.oneof(fc.nat(SIZE - 1), fc.nat(4), fc.integer({ min: SIZE - 70_000, max: SIZE + 9 })),
  length: fc.oneof(fc.nat(600), fc.nat(9000), fc.nat(70_000)),
  flags: fc.constantFrom(0, 0, 0, CommandFlag.FUA, CommandFlag.DF, 0x4000),
});

/** Cuts of a stream: the given lengths, over and over. */
function cuts(lengths: readonly number[]): () => number {
  let i = 0;
  return () => lengths[i++ % lengths.length] ?? 1;
}

const cutLengths = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9000 })),
  {
    minLength: 1,
    maxLength: 8,
  },
);

function send(served: Served, steps: readonly Step[]): number[] {
  const { client } = served.link;
  return steps.map(({ kind, offset, length, flags }, i) => {
    if (kind === 'write') return client.write(offset, pattern(length, i), flags);
    if (kind === 'flush') return client.sendRequest({ type: Command.FLUSH, flags });
    return client.sendRequest({ type: typeOf(kind), offset, length, flags });
  });
}

function typeOf(kind: Step['kind']): number {
  if (kind === 'read') return Command.READ;
  if (kind === 'zero') return Command.WRITE_ZEROES;
  if (kind === 'trim') return Command.TRIM;
  return kind === 'status' ? Command.BLOCK_STATUS : 0x77;
}

function runWhole(options: ServeOptions, steps: readonly Step[], link: MemoryLinkOptions): Served {
  const served = connect({ ...options, sizeBytes: SIZE, limits: LIMITS, link });
  served.link.client.sendHandshake('disk', options.structured ?? false);
  send(served, steps);
  served.link.client.disconnect();
  served.link.run();
  return served;
}

function expectReleased({ link }: Served): void {
  expect(link.connection.state).toBe('released');
  expect(link.connection.requestsInUse).toBe(0);
  expect(link.connection.slabBytesInUse).toBe(0);
}

describe('the byte stream', () => {
  it('gives the same requests and the same answers however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 12 }),
        fc.boolean(),
        cutLengths,
        cutLengths,
        fc.integer({ min: 1, max: 5 }),
        (steps, structured, inputs, outputs, windows) => {
          const whole = runWhole({ structured }, steps, {});
          const cut = runWhole({ structured }, steps, {
            inputCut: cuts(inputs),
            outputCut: cuts(outputs),
            windows,
          });
          expectReleased(whole);
          expectReleased(cut);
          expect(cut.backend.submitted).toEqual(whole.backend.submitted);
          expect(toHex(cut.link.allServerBytes())).toBe(toHex(whole.link.allServerBytes()));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('gives the same answers byte by byte, for every place in a handshake and a few requests', () => {
    const steps: Step[] = [
      { kind: 'write', offset: 3, length: 30, flags: 0 },
      { kind: 'read', offset: 0, length: 40, flags: 0 },
      { kind: 'odd', offset: 0, length: 40, flags: 0 },
    ];
    const one = { inputCut: () => 1, outputCut: () => 1, windows: 1 };
    for (const structured of [false, true]) {
      const whole = runWhole({ structured }, steps, {});
      const bytewise = runWhole({ structured }, steps, one);
      expect(equal(whole.link.allServerBytes(), bytewise.link.allServerBytes())).toBe(true);
      const total = 400;
      for (let at = 1; at < total; at++) {
        const cut = runWhole({ structured }, steps, { inputCut: cuts([at, total]) });
        expect(equal(whole.link.allServerBytes(), cut.link.allServerBytes())).toBe(true);
      }
    }
  });
});

describe('requests completed in any order', () => {
  it('are answered once each, with the data of a plain memory', () => {
    const scenario = fc.array(step, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(scenario, fc.boolean(), fc.array(fc.nat(20)), (steps, structured, order) => {
        const served = serve({ structured, holding: true, sizeBytes: SIZE, limits: LIMITS });
        const start = pattern(SIZE, 9);
        served.backend.poke(0, start);
        // Reads only look at what no other request of the scenario changes.
        const cookies = send(
          served,
          steps.map((each) => ({ ...each, flags: 0 })),
        );
        for (let i = 0; ; i++) {
          served.link.run();
          const { held } = served.backend;
          if (held.length === 0) break;
          served.backend.completeAt((order[i % (order.length || 1)] ?? 0) % held.length);
        }
        const { client } = served.link;
        expect(client.openRequests).toBe(0);
        expect(client.unparsedBytes).toBe(0);
        const isReadOnly = steps.every(({ kind }) => !['write', 'zero', 'trim'].includes(kind));
        steps.forEach(({ kind, offset, length }, i) => {
          const reply = client.reply(cookies[i] ?? 0);
          const fits = offset + length <= SIZE;
          if (kind === 'odd') expect(reply?.error).toBe(22);
          else if (kind === 'write') expect(reply?.error).toBe(fits ? 0 : 28);
          else if (kind === 'read') expect(reply?.error).toBe(fits ? 0 : 22);
          if (kind !== 'read' || !fits || !isReadOnly) return;
          const expected = start.subarray(offset, offset + length);
          expect(equal(reply?.data ?? new Uint8Array(), expected)).toBe(true);
        });
        expect(served.link.connection.requestsInUse).toBe(0);
        expect(served.link.connection.slabBytesInUse).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it('leave the memory of a model when they are sent one after the other', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), fc.boolean(), (steps, structured) => {
        const served = serve({ structured, sizeBytes: SIZE, limits: LIMITS });
        const model = new Uint8Array(SIZE);
        const cookies = send(served, steps);
        served.link.run();
        steps.forEach(({ kind, offset, length }, i) => {
          const reply = served.link.client.reply(cookies[i] ?? 0);
          if (reply?.error !== 0) return;
          if (kind === 'write') model.set(pattern(length, i), offset);
          if (kind === 'zero' || kind === 'trim') model.fill(0, offset, offset + length);
          if (kind !== 'read') return;
          expect(equal(reply.data, model.subarray(offset, offset + length))).toBe(true);
        });
        expect(equal(served.backend.peek(0, SIZE), model)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe('hostile input', () => {
  /** Feeds bytes and ends; whatever happens, nothing throws and nothing stays behind. */
  function survive(served: Served, bytes: Uint8Array): void {
    served.link.client.receive = () => undefined;
    served.link.client.sendRaw(bytes);
    served.link.run();
    const { connection } = served.link;
    expect(connection.requestsInUse).toBeLessThanOrEqual(LIMITS.requests);
    served.backend.holding = false;
    served.backend.completeAll();
    served.link.run();
    connection.endInput();
    served.link.run();
    connection.abort('the end of the test');
    served.backend.completeAll();
    expectReleased(served);
  }

  it('of random bytes is survived in both phases', () => {
    const bytes = fc.uint8Array({ maxLength: 600 });
    fc.assert(
      fc.property(bytes, fc.boolean(), fc.boolean(), (noise, inTransmission, holding) => {
        const options = { holding, sizeBytes: SIZE, limits: LIMITS };
        survive(inTransmission ? serve(options) : connect(options), noise);
      }),
      { numRuns: 200 },
    );
  });

  it('of valid streams with changed bytes is survived', () => {
    const changes = fc.array(fc.tuple(fc.nat(4000), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 6,
    });
    const steps = fc.array(step, { maxLength: 8 });
    fc.assert(
      fc.property(steps, changes, fc.boolean(), cutLengths, (list, places, holding, inputs) => {
        const link = { inputCut: cuts(inputs) };
        const served = connect({ holding, sizeBytes: SIZE, limits: LIMITS, link });
        served.link.client.sendHandshake('disk', true);
        send(served, list);
        const bytes = served.link.client.takeOutgoing();
        for (const [at, value] of places) bytes[at % bytes.length] = value;
        survive(served, bytes);
      }),
      { numRuns: 200 },
    );
  });

  it('of options with any number and data gets an answer each, or the end', () => {
    const option = fc.tuple(
      fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 0x7fffffff })),
      fc.uint8Array({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(fc.array(option, { maxLength: 80 }), (options) => {
        const served = connect({ sizeBytes: SIZE, limits: LIMITS });
        const { client } = served.link;
        client.sendFlags();
        const safe = options.filter(([number]) => number !== Option.EXPORT_NAME);
        for (const [number, data] of safe) client.sendOption(number, data);
        served.link.run();
        const answered = new Set(client.optionReplies.map((reply) => reply.option));
        const ended = served.link.closeReason !== undefined || client.inTransmission;
        if (!ended) for (const [number] of safe) expect(answered).toContain(number);
      }),
      { numRuns: 150 },
    );
  });
});

describe('the slab', () => {
  it('never gives a page out twice and finds room whenever there is some', () => {
    const action = fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 9 }), fc.nat(30));
    fc.assert(
      fc.property(fc.array(action, { maxLength: 100 }), (actions) => {
        const slab = new RequestSlab(32 * PAGE_BYTES);
        const owner = new Array<number>(32).fill(0);
        const runs: { offset: number; pages: number }[] = [];
        for (const [isFree, pages, pick] of actions) {
          if (isFree && runs.length > 0) {
            const [run] = runs.splice(pick % runs.length, 1);
            if (run === undefined) continue;
            slab.free(run.offset);
            const first = run.offset / PAGE_BYTES;
            owner.fill(0, first, first + run.pages);
            continue;
          }
          const offset = slab.allocate(pages * PAGE_BYTES);
          const hasRoom = owner.join('').includes('0'.repeat(pages));
          expect(offset !== NO_ROOM).toBe(hasRoom);
          if (offset === NO_ROOM) continue;
          const first = offset / PAGE_BYTES;
          expect(owner.slice(first, first + pages).every((page) => page === 0)).toBe(true);
          owner.fill(1, first, first + pages);
          runs.push({ offset, pages });
        }
        const used = owner.reduce((sum, page) => sum + page, 0);
        expect(slab.usedBytes).toBe(used * PAGE_BYTES);
      }),
      { numRuns: 200 },
    );
  });
});
