import { describe, expect, it } from 'vitest';
import { BlockCommand } from '../src/block-backend.ts';
import { Command, CommandFlag, NbdErrno } from '../src/wire/constants.ts';
import { MIB, type Served, hex, pattern, serve, toHex } from './serve.ts';

const { READ, WRITE, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS, RESIZE } = Command;
const { FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO, PAYLOAD_LEN } = CommandFlag;
const SIZE = 1024 * MIB;
const COOKIE = '0123456789abcdef';

/** Bytes that answer raw request bytes after a handshake. */
function answerTo(served: Served, request: string): string {
  const before = served.link.allServerBytes().length;
  served.link.client.receive = () => undefined;
  served.link.client.sendRaw(hex(request));
  served.link.run();
  return toHex(served.link.allServerBytes().slice(before));
}

function clean(text: string): string {
  return text.replace(/\s/g, '');
}

/** Runs one request and returns its error. */
function errorOf(
  served: Served,
  type: number,
  request: { offset?: number; length?: number; flags?: number; payload?: Uint8Array } = {},
): number | undefined {
  const cookie = served.link.client.sendRequest({ type, ...request });
  served.link.run();
  return served.link.client.reply(cookie)?.error;
}

describe('bytes of the transmission phase', () => {
  const read4 = `25609513 0000 0000 ${COOKIE} 0000000000000010 00000004`;

  it('answers a READ by a simple reply with its data', () => {
    const served = serve();
    served.backend.poke(16, hex('01020304'));
    expect(answerTo(served, read4)).toBe(clean(`67446698 00000000 ${COOKIE} 01020304`));
  });

  it('answers a READ by one structured chunk when that was agreed', () => {
    const served = serve({ structured: true });
    served.backend.poke(16, hex('01020304'));
    expect(answerTo(served, read4)).toBe(
      clean(`668e33ef 0001 0001 ${COOKIE} 0000000c 0000000000000010 01020304`),
    );
  });

  it('answers a failed READ by its error, with a text in a structured reply', () => {
    for (const structured of [false, true]) {
      const served = serve({ structured });
      served.backend.failure = () => ({ errno: NbdErrno.EIO, text: 'denied\u0000' });
      expect(answerTo(served, read4)).toBe(
        structured
          ? clean(`668e33ef 0001 8001 ${COOKIE} 0000000d 00000005 0007 64656e6965643f`)
          : clean(`67446698 00000005 ${COOKIE}`),
      );
    }
  });

  it('answers a READ of nothing by nothing', () => {
    const read0 = `25609513 0000 0000 ${COOKIE} 0000000000000010 00000000`;
    expect(answerTo(serve(), read0)).toBe(clean(`67446698 00000000 ${COOKIE}`));
    expect(answerTo(serve({ structured: true }), read0)).toBe(
      clean(`668e33ef 0001 0000 ${COOKIE} 00000000`),
    );
  });

  it('answers BLOCK_STATUS by one extent of data that ends with the device', () => {
    const served = serve({ structured: true, sizeBytes: 8192 });
    const status = `25609513 0000 0007 ${COOKIE} 0000000000001000 00001000`;
    expect(answerTo(served, status)).toBe(
      clean(`668e33ef 0001 0005 ${COOKIE} 0000000c 00000001 00001000 00000000`),
    );
  });

  it('answers a WRITE by a simple reply, also where structured ones are agreed', () => {
    const served = serve({ structured: true });
    const write = `25609513 0000 0001 ${COOKIE} 0000000000000003 00000002 aabb`;
    expect(answerTo(served, write)).toBe(clean(`67446698 00000000 ${COOKIE}`));
    expect(toHex(served.backend.peek(2, 4))).toBe('00aabb00');
  });

  it('cuts long texts and tells the place of a failed chunk', () => {
    const served = serve({ structured: true });
    served.backend.failure = ({ offset }) =>
      offset >= MIB ? { errno: NbdErrno.EIO, text: 'x'.repeat(1000) } : undefined;
    const cookie = served.link.client.read(0, 2 * MIB);
    served.link.run();
    const reply = served.link.client.reply(cookie);
    expect(reply?.text).toBe('x'.repeat(200));
    expect(toHex(reply?.chunks[1]?.payload.slice(-8) ?? new Uint8Array())).toBe('0000000000100000');
  });
});

describe('what reaches the backend', () => {
  it('passes every command on with its range and flags', () => {
    const served = serve({ sizeBytes: SIZE });
    const { client } = served.link;
    client.read(512, 1024, FUA);
    client.write(4096, pattern(100), FUA);
    client.flush();
    client.sendRequest({ type: TRIM, offset: 8192, length: 512, flags: FUA });
    client.sendRequest({ type: WRITE_ZEROES, offset: 1, length: 2, flags: NO_HOLE });
    served.link.run();
    const none = { fua: false, noHole: false };
    expect(served.backend.submitted).toEqual([
      { command: BlockCommand.Read, offset: 512, length: 1024, fua: true, noHole: false },
      { command: BlockCommand.Write, offset: 4096, length: 100, fua: true, noHole: false },
      { command: BlockCommand.Flush, offset: 0, length: 0, ...none },
      { command: BlockCommand.Trim, offset: 8192, length: 512, fua: true, noHole: false },
      { command: BlockCommand.WriteZeroes, offset: 1, length: 2, fua: false, noHole: true },
    ]);
  });

  it('kicks once for all requests of one stretch of bytes', () => {
    const served = serve();
    for (let i = 0; i < 20; i++) served.link.client.read(i * 512, 512);
    served.link.run();
    expect(served.backend.submitted.length).toBe(20);
    expect(served.backend.kicks).toBe(1);
  });

  it('tells the host once about the output of one stretch of bytes', () => {
    const served = serve();
    const before = served.link.outputCalls;
    for (let i = 0; i < 20; i++) served.link.client.read(i * 512, 512);
    served.link.moveInput();
    expect(served.link.outputCalls - before).toBe(1);
  });

  it('passes 4 GiB of zeros and a trim of 4 GiB on as one request without memory', () => {
    const served = serve({ sizeBytes: 8 * 1024 * MIB, holding: true });
    served.link.client.sendRequest({ type: WRITE_ZEROES, offset: 512, length: 0xfffffe00 });
    served.link.client.sendRequest({ type: TRIM, offset: 0, length: 0xfffff000 });
    served.link.run();
    expect(served.backend.submitted.map((request) => request.length)).toEqual([
      0xfffffe00, 0xfffff000,
    ]);
    expect(served.link.connection.slabBytesInUse).toBe(0);
    served.backend.completeAll();
    served.link.run();
    expect(served.link.client.openRequests).toBe(0);
  });

  it('reaches offsets beyond 2^32 and the last byte', () => {
    const size = 2 ** 45;
    const served = serve({ sizeBytes: size });
    const { client } = served.link;
    client.write(size - 1, hex('7f'));
    const cookie = client.read(size - 512, 512);
    served.link.run();
    expect(client.reply(cookie)?.data[511]).toBe(0x7f);
  });
});

describe('requests that are refused', () => {
  const beyond = { offset: SIZE - 512, length: 513 };
  it.each([
    ['a read beyond the end', READ, beyond, 22],
    ['a write beyond the end', WRITE, { offset: SIZE, payload: hex('00') }, 28],
    ['zeroing beyond the end', WRITE_ZEROES, beyond, 28],
    ['a trim beyond the end', TRIM, beyond, 22],
    ['a block status beyond the end', BLOCK_STATUS, beyond, 22],
    ['an offset of nearly 2^53', READ, { offset: 2 ** 53 - 1, length: 1 }, 22],
    ['a length that wraps 32 bits', TRIM, { offset: SIZE - 1, length: 0xffffffff }, 22],
    ['a cache request', CACHE, { length: 512 }, 22],
    ['a resize request', RESIZE, { length: 512 }, 22],
    ['an unknown command', 0x1234, { length: 512 }, 22],
    ['DF on a trim', TRIM, { length: 512, flags: DF }, 22],
    ['NO_HOLE on a read', READ, { length: 512, flags: NO_HOLE }, 22],
    ['an unknown flag', READ, { length: 512, flags: 0x8000 }, 22],
    ['PAYLOAD_LEN on a write', WRITE, { payload: hex('0000'), flags: PAYLOAD_LEN }, 22],
    ['fast zeroing', WRITE_ZEROES, { length: 512, flags: FAST_ZERO }, 95],
    ['a flush with an offset', FLUSH, { offset: 1 }, 22],
    ['a flush with a length', FLUSH, { length: 1 }, 22],
    ['a block status of nothing', BLOCK_STATUS, { length: 0 }, 22],
    ['a read of more than 32 MiB', READ, { length: 32 * MIB + 1 }, 75],
    ['a read in one piece of more than the slab', READ, { length: 9 * MIB, flags: DF }, 75],
  ] as const)(
    'answers %s with its error, and serves the next one',
    (_case, type, request, error) => {
      const served = serve({ sizeBytes: SIZE, structured: true });
      expect(errorOf(served, type, request)).toBe(error);
      expect(served.backend.submitted).toEqual([]);
      expect(errorOf(served, READ, { length: 512 })).toBe(0);
    },
  );

  it.each([
    ['2^64 - 1', 'ffffffffffffffff', '00000001'],
    ['2^63', '8000000000000000', '00000001'],
    ['2^53', '0020000000000000', '00000000'],
    ['an offset whose sum with the length wraps 64 bits', 'fffffffffffff000', '00002000'],
  ])('refuses an offset of %s', (_case, offset, length) => {
    const reply = answerTo(serve(), `25609513 0000 0000 ${COOKIE} ${offset} ${length}`);
    expect(reply).toBe(clean(`67446698 00000016 ${COOKIE}`));
  });

  it.each([
    ['a write', WRITE, { payload: new Uint8Array(512) }],
    ['zeroing', WRITE_ZEROES, { length: 512 }],
    ['a trim', TRIM, { length: 512 }],
    ['an empty write', WRITE, { length: 0 }],
  ])('answers EPERM to %s on a read-only export', (_case, type, request) => {
    const served = serve({ readOnly: true });
    expect(errorOf(served, type, request)).toBe(NbdErrno.EPERM);
    expect(errorOf(served, READ, { length: 512 })).toBe(0);
    expect(errorOf(served, FLUSH)).toBe(0);
  });

  it('refuses a trim that was not offered', () => {
    const served = serve({ definition: { trim: false } });
    expect(errorOf(served, TRIM, { length: 512 })).toBe(NbdErrno.EINVAL);
  });

  it('refuses DF and BLOCK_STATUS that were not negotiated', () => {
    const served = serve();
    expect(errorOf(served, READ, { length: 512, flags: DF })).toBe(NbdErrno.EINVAL);
    expect(errorOf(served, BLOCK_STATUS, { length: 512 })).toBe(NbdErrno.EINVAL);
  });

  it('refuses what is not aligned to the minimum block size', () => {
    const served = serve({ minimumBlockBytes: 512 });
    expect(errorOf(served, READ, { offset: 1, length: 512 })).toBe(NbdErrno.EINVAL);
    expect(errorOf(served, WRITE, { payload: new Uint8Array(100) })).toBe(NbdErrno.EINVAL);
    expect(errorOf(served, READ, { offset: 512, length: 1024 })).toBe(0);
  });

  it('throws the payload of a refused write away, whatever its length', () => {
    for (const length of [1, 511, 4096, 3 * MIB + 5, 33 * MIB]) {
      const served = serve();
      const payload = new Uint8Array(length).fill(0x25);
      const offset = length === 33 * MIB ? 0 : 64 * MIB;
      const expected = length === 33 * MIB ? NbdErrno.EINVAL : NbdErrno.ENOSPC;
      expect(errorOf(served, WRITE, { offset, payload })).toBe(expected);
      expect(served.link.connection.slabBytesInUse).toBe(0);
      expect(errorOf(served, READ, { length: 512 })).toBe(0);
    }
  });
});

describe('requests that are legal but unusual', () => {
  it('takes FUA on every command', () => {
    const served = serve({ structured: true });
    for (const type of [READ, TRIM, WRITE_ZEROES, BLOCK_STATUS]) {
      expect(errorOf(served, type, { length: 512, flags: FUA })).toBe(0);
    }
    expect(errorOf(served, WRITE, { payload: hex('00'), flags: FUA })).toBe(0);
    expect(errorOf(served, FLUSH, { flags: FUA })).toBe(0);
    expect(errorOf(served, BLOCK_STATUS, { length: 512, flags: REQ_ONE | FUA })).toBe(0);
  });

  it('succeeds with nothing at length 0, up to the very end of the device', () => {
    const served = serve();
    for (const type of [READ, WRITE, TRIM, WRITE_ZEROES]) {
      expect(errorOf(served, type, { offset: 64 * MIB, length: 0 })).toBe(0);
    }
    expect(errorOf(served, READ, { offset: 64 * MIB + 1, length: 0 })).toBe(NbdErrno.EINVAL);
    expect(served.backend.submitted).toEqual([]);
  });

  it('answers in the order of completion, each cookie once', () => {
    const served = serve({ holding: true });
    const { client } = served.link;
    const cookies = [0, 1, 2, 3].map((i) => client.read(i * 512, 512));
    served.link.run();
    for (const index of [2, 0, 1, 0]) {
      served.backend.completeAt(index);
      served.link.run();
    }
    expect(client.answered).toEqual([cookies[2], cookies[0], cookies[3], cookies[1]]);
  });

  it('tells the same cookie twice if the client used it twice', () => {
    const read = `25609513 0000 0000 ${COOKIE} 0000000000000000 00000001`;
    const reply = `67446698 00000000 ${COOKIE} 00`;
    expect(answerTo(serve(), read + read)).toBe(clean(reply + reply));
  });

  it('lets a flush on one connection through to the backend that serves another', () => {
    const served = serve({ holding: true });
    served.link.client.write(0, hex('11'));
    served.link.client.flush();
    served.link.run();
    expect(served.backend.held.map((request) => request.command)).toEqual([
      BlockCommand.Write,
      BlockCommand.Flush,
    ]);
    served.backend.completeAt(1);
    served.backend.completeAll();
    served.link.run();
    expect(served.link.client.openRequests).toBe(0);
  });

  it('insists that a request is completed once', () => {
    const served = serve({ holding: true });
    served.link.client.read(0, 512);
    served.link.run();
    const request = served.backend.held[0];
    served.backend.completeAll();
    expect(() => request?.complete(NbdErrno.OK)).toThrow('exactly once');
  });
});
