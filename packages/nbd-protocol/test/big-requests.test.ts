import { describe, expect, it } from 'vitest';
import { BlockCommand } from '../src/block-backend.ts';
import { ChunkType, Command, CommandFlag, NbdErrno } from '../src/wire/constants.ts';
import { MIB, type Served, equal, pattern, serve } from './serve.ts';

const FULL = 32 * MIB;

/** Completes what is held in a scrambled order until nothing is left. */
function completeScrambled(served: Served): void {
  const { backend, link } = served;
  for (let i = 1; ; i++) {
    link.run();
    if (backend.held.length === 0) return;
    backend.completeAt((i * 7) % backend.held.length);
  }
}

function expectAllFree({ link }: Served): void {
  expect(link.connection.requestsInUse).toBe(0);
  expect(link.connection.slabBytesInUse).toBe(0);
}

describe.each([
  ['simple', false],
  ['structured', true],
])('with %s replies', (_name, structured) => {
  it('writes and reads 32 MiB through a slab of 8 MiB, in pieces completed in any order', () => {
    const served = serve({ structured, holding: true });
    const data = pattern(FULL, 3);
    const write = served.link.client.write(MIB + 512, data);
    completeScrambled(served);
    expect(served.link.client.reply(write)?.error).toBe(0);
    expect(equal(served.backend.peek(MIB + 512, FULL), data)).toBe(true);
    const read = served.link.client.read(MIB + 512, FULL);
    completeScrambled(served);
    expect(served.link.client.reply(read)?.error).toBe(0);
    expect(equal(served.link.client.reply(read)?.data ?? new Uint8Array(), data)).toBe(true);
    expectAllFree(served);
  });

  it('reads 8 MiB whole when the slab has just that', () => {
    const served = serve({ structured, holding: true });
    served.backend.poke(0, pattern(8 * MIB, 4));
    const first = served.link.client.read(0, 512);
    const read = served.link.client.read(0, 8 * MIB);
    const last = served.link.client.read(512, 512);
    completeScrambled(served);
    const { client } = served.link;
    expect(equal(client.reply(read)?.data ?? new Uint8Array(), pattern(8 * MIB, 4))).toBe(true);
    expect([first, last].map((cookie) => client.reply(cookie)?.error)).toEqual([0, 0]);
    expectAllFree(served);
  });

  it('answers a write once with the first error, after its whole payload was taken', () => {
    for (const failing of [0, 1, 3]) {
      const served = serve({ structured });
      const write = served.link.client.write(0, new Uint8Array(4 * MIB).fill(0x25));
      const read = served.link.client.sendRequest({ type: Command.FLUSH });
      served.backend.failure = ({ offset, command }) =>
        command === BlockCommand.Write && offset >= failing * MIB
          ? { errno: NbdErrno.EIO }
          : undefined;
      served.link.run();
      expect(served.link.client.reply(write)?.error).toBe(NbdErrno.EIO);
      expect(served.link.client.reply(read)?.error).toBe(0);
      // One failed piece; later pieces are not even tried.
      expect(served.backend.submitted.length).toBe(failing + 2);
      expectAllFree(served);
    }
  });

  it('answers a write whose pieces fail after the payload has come', () => {
    const served = serve({ structured, holding: true });
    const write = served.link.client.write(0, new Uint8Array(4 * MIB));
    served.link.run();
    expect(served.backend.held.length).toBe(4);
    served.backend.completeAt(1);
    served.backend.failAll(NbdErrno.ESHUTDOWN, 'gone');
    served.link.run();
    expect(served.link.client.reply(write)?.error).toBe(NbdErrno.ESHUTDOWN);
    expectAllFree(served);
  });

  it('hands pieces to the backend that end at multiples of 4096 on the device', () => {
    const served = serve({ structured });
    served.link.client.write(512, new Uint8Array(3 * MIB));
    served.link.run();
    const ends = served.backend.submitted.map(({ offset, length }) => (offset + length) % 4096);
    expect(ends).toEqual([0, 0, 0, 512]);
  });
});

describe('a long structured read', () => {
  it('comes in chunks as they complete, the last of which says so', () => {
    const served = serve({ structured: true, holding: true });
    const read = served.link.client.read(0, 4 * MIB);
    completeScrambled(served);
    const chunks = served.link.client.reply(read)?.chunks ?? [];
    expect(chunks.length).toBe(4);
    expect(chunks.map((chunk) => chunk.isLast)).toEqual([false, false, false, true]);
  });

  it('comes in one chunk with DF', () => {
    const served = serve({ structured: true });
    const read = served.link.client.read(0, 4 * MIB, CommandFlag.DF);
    served.link.run();
    expect(served.link.client.reply(read)?.chunks.length).toBe(1);
  });

  it.each([0, 3, 9, 31])('stops at the failure of piece %i and serves the next request', (bad) => {
    for (const holding of [false, true]) {
      const served = serve({ structured: true, holding });
      served.backend.failure = ({ offset }) =>
        offset === bad * MIB ? { errno: NbdErrno.EIO, text: 'lost' } : undefined;
      const read = served.link.client.read(0, FULL);
      const next = served.link.client.read(MIB * 40, 512);
      completeScrambled(served);
      const reply = served.link.client.reply(read);
      expect(reply?.error).toBe(NbdErrno.EIO);
      expect(reply?.text).toBe('lost');
      expect(reply?.chunks.filter((chunk) => chunk.type === ChunkType.ERROR_OFFSET).length).toBe(1);
      expect(served.link.client.reply(next)?.error).toBe(0);
      expectAllFree(served);
    }
  });
});

describe('a failed piece of a long structured read', () => {
  it('keeps the pieces behind it from being started', () => {
    const served = serve({ structured: true });
    served.backend.failure = ({ offset }) =>
      offset === 3 * MIB ? { errno: NbdErrno.EIO } : undefined;
    served.link.client.read(0, FULL);
    served.link.run();
    expect(served.backend.submitted.length).toBe(4);
  });
});

describe('a simple read longer than the slab', () => {
  it('does not begin its reply before the first pieces have come', () => {
    const served = serve({ holding: true });
    served.link.client.read(0, FULL);
    served.link.run();
    const before = served.link.allServerBytes().length;
    served.backend.completeAt(1);
    served.backend.completeAt(1);
    served.link.run();
    expect(served.link.allServerBytes().length).toBe(before);
    served.backend.completeAt(0);
    served.link.run();
    expect(served.link.allServerBytes().length).toBe(before + 16 + 3 * MIB);
  });

  it('is answered by an error when a piece fails before that', () => {
    const served = serve({ holding: true });
    served.backend.failure = ({ offset, length }) =>
      offset === 2 * MIB && length === MIB ? { errno: NbdErrno.EIO } : undefined;
    const read = served.link.client.read(0, FULL);
    const next = served.link.client.read(0, 512);
    completeScrambled(served);
    expect(served.link.client.reply(read)?.error).toBe(NbdErrno.EIO);
    expect(served.link.client.reply(next)?.error).toBe(0);
    expectAllFree(served);
  });

  it('ends the connection when a piece fails later, and nothing stays behind', () => {
    const served = serve({ holding: true });
    served.backend.failure = ({ offset }) =>
      offset === 20 * MIB ? { errno: NbdErrno.EIO } : undefined;
    const read = served.link.client.read(0, FULL);
    completeScrambled(served);
    expect(served.link.client.reply(read)).toBeUndefined();
    expect(served.link.closeReason).toBe('readFailed');
    expect(served.link.isReleased).toBe(true);
    expectAllFree(served);
  });

  it('waits for the requests before it and lets those after it wait', () => {
    const served = serve({ holding: true });
    const { client } = served.link;
    const before = client.read(0, 512);
    const long = client.read(0, FULL);
    const after = client.read(512, 512);
    served.link.run();
    expect(served.backend.held.length).toBe(1);
    completeScrambled(served);
    expect(client.answered).toEqual([before, long, after]);
  });

  it('works with the smallest slab and the fewest requests', () => {
    for (const structured of [false, true]) {
      const limits = { slabBytes: 32768, requests: 8 };
      const served = serve({ structured, holding: true, limits });
      served.backend.poke(100, pattern(100_000));
      const read = served.link.client.read(100, 100_000);
      const write = served.link.client.write(200_000, pattern(100_000, 2));
      completeScrambled(served);
      expect(
        equal(served.link.client.reply(read)?.data ?? new Uint8Array(), pattern(100_000)),
      ).toBe(true);
      expect(served.link.client.reply(write)?.error).toBe(0);
      expect(equal(served.backend.peek(200_000, 100_000), pattern(100_000, 2))).toBe(true);
      expectAllFree(served);
    }
  });
});
