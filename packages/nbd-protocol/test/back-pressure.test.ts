import { describe, expect, it } from 'vitest';
import { Command, NbdErrno } from '../src/wire/constants.ts';
import { MIB, pattern, serve } from './serve.ts';

describe('a client that asks for more than there is room for', () => {
  it('is not read while all requests are in use, and is served when some are free again', () => {
    const served = serve({ holding: true, limits: { requests: 16 } });
    const { client, connection } = served.link;
    for (let i = 0; i < 40; i++) client.read(i * 512, 512);
    served.link.run();
    expect(served.backend.held.length).toBe(16);
    expect(connection.wantsInput).toBe(false);
    expect(served.link.bytesWaiting).toBe(23 * 28);
    served.backend.completeAt(0);
    served.link.run();
    expect(served.backend.held.length).toBe(16);
    for (let i = 0; i < 40 && served.backend.held.length > 0; i++) {
      served.backend.completeAll();
      served.link.run();
    }
    expect(client.openRequests).toBe(0);
    expect(connection.requestsInUse).toBe(0);
  });

  it('is not read while the slab is full', () => {
    const served = serve({ holding: true });
    for (let i = 0; i < 12; i++) served.link.client.write(i * MIB, pattern(MIB, i));
    served.link.run();
    expect(served.backend.held.length).toBe(8);
    expect(served.link.connection.slabBytesInUse).toBe(8 * MIB);
    expect(served.link.bytesWaiting).toBe(4 * MIB + 3 * 28);
    served.backend.completeAt(5);
    expect(served.link.inputWantedCalls).toBe(1);
    served.link.run();
    expect(served.backend.held.length).toBe(8);
    for (let i = 0; i < 12; i++) {
      served.backend.completeAll();
      served.link.run();
    }
    expect(served.link.client.openRequests).toBe(0);
    expect(served.backend.peek(11 * MIB, 100)).toEqual(pattern(MIB, 11).subarray(0, 100));
  });

  it('holds its own memory and no more when it does not read its answers', () => {
    const served = serve();
    served.link.clientReads = false;
    for (let i = 0; i < 100; i++) served.link.client.read(0, MIB / 2);
    served.link.run();
    expect(served.link.connection.wantsInput).toBe(false);
    expect(served.link.connection.slabBytesInUse).toBe(8 * MIB);
    expect(served.backend.submitted.length).toBe(16);
    served.link.clientReads = true;
    served.link.run();
    expect(served.link.client.openRequests).toBe(0);
    expect(served.link.connection.slabBytesInUse).toBe(0);
  });

  it('is stopped by replies without data too', () => {
    const served = serve({ limits: { requests: 8 } });
    served.link.clientReads = false;
    for (let i = 0; i < 100; i++) served.link.client.sendRequest({ type: Command.CACHE });
    served.link.run();
    expect(served.link.connection.requestsInUse).toBe(8);
    expect(served.link.bytesWaiting).toBe(91 * 28);
    served.link.clientReads = true;
    served.link.run();
    expect(served.link.client.openRequests).toBe(0);
  });

  it('does not let a small request overtake one that waits for memory', () => {
    const served = serve({ holding: true });
    const { client } = served.link;
    client.read(0, 6 * MIB);
    client.read(0, 4 * MIB);
    client.flush();
    served.link.run();
    expect(served.backend.held.length).toBe(1);
    served.backend.completeAll();
    served.link.run();
    expect(served.backend.held.length).toBe(2);
  });

  it('goes on by itself when the waiting request needs no more bytes', () => {
    const served = serve({ holding: true });
    served.link.client.write(0, new Uint8Array(MIB));
    served.link.client.read(0, 8 * MIB);
    served.link.run();
    expect(served.link.bytesWaiting).toBe(0);
    served.backend.completeAt(0);
    expect(served.link.inputWantedCalls).toBe(1);
    served.link.run();
    expect(served.backend.held.length).toBe(1);
    served.backend.completeAll();
    served.link.run();
    expect(served.link.client.openRequests).toBe(0);
  });

  it('goes on with a backend that completes everything when it is kicked', () => {
    const served = serve({ holding: true });
    served.backend.kick = () => served.backend.completeAll();
    const write = served.link.client.write(0, pattern(20 * MIB));
    served.link.run();
    expect(served.link.client.reply(write)?.error).toBe(0);
    expect(served.backend.peek(19 * MIB, 99)).toEqual(
      pattern(20 * MIB)
        .slice(19 * MIB)
        .slice(0, 99),
    );
  });

  it('is told to the host when sending has made room again', () => {
    const served = serve({ limits: { requests: 8 } });
    served.link.clientReads = false;
    for (let i = 0; i < 20; i++) served.link.client.read(i, 1);
    served.link.run();
    expect(served.link.inputWantedCalls).toBe(0);
    served.link.moveOutput();
    expect(served.link.inputWantedCalls).toBe(1);
  });

  it('never starts requests from inside a completion', () => {
    const served = serve({ holding: true, limits: { requests: 8 } });
    for (let i = 0; i < 20; i++) served.link.client.write(i, pattern(1));
    served.link.run();
    const submitted = served.backend.submitted.length;
    for (let i = 0; i < 8; i++) served.backend.completeAt(0);
    expect(served.backend.submitted.length).toBe(submitted);
    served.link.run();
    expect(served.backend.submitted.length).toBe(submitted + 8);
  });
});

describe('the output', () => {
  it('joins replies without data into one window', () => {
    const served = serve();
    for (let i = 0; i < 10; i++) served.link.client.write(i, pattern(1));
    served.link.moveInput();
    const windows = [0, 1, 2, 3].map(() => ({ bytes: new Uint8Array(0), offset: 0, length: 0 }));
    expect(served.link.connection.gatherOutput(windows, 4)).toBe(1);
    expect(windows[0]?.length).toBe(160);
  });

  it('shows a read as header and data, the data where the backend put it', () => {
    const served = serve({ holding: true });
    served.link.client.read(0, 512);
    served.link.moveInput();
    const buffer = served.backend.held[0]?.buffer;
    served.backend.completeAll();
    const windows = [0, 1, 2, 3].map(() => ({ bytes: new Uint8Array(0), offset: 0, length: 0 }));
    expect(served.link.connection.gatherOutput(windows, 4)).toBe(2);
    expect(windows[1]?.bytes).toBe(buffer?.bytes);
    expect(windows[1]?.length).toBe(512);
  });

  it('keeps the memory of a read until its last byte is reported as written', () => {
    const served = serve();
    served.link.client.read(0, 4096);
    served.link.moveInput();
    const { connection } = served.link;
    connection.outputWritten(16);
    connection.outputWritten(4095);
    expect(connection.slabBytesInUse).toBe(4096);
    connection.outputWritten(1);
    expect(connection.slabBytesInUse).toBe(0);
    expect(connection.hasOutput).toBe(false);
  });

  it('does not believe in bytes that were never shown', () => {
    const served = serve();
    expect(() => served.link.connection.outputWritten(1)).toThrow('were shown');
  });

  it.each([1, 2, 3, 7])('is the same through %i windows at a time', (windows) => {
    const served = serve({ structured: true, link: { windows } });
    served.backend.poke(0, pattern(20_000));
    const cookies = [0, 1, 2, 3].map((i) => served.link.client.read(i * 5000, 5000));
    served.link.client.write(40_000, pattern(9));
    served.link.run();
    cookies.forEach((cookie, i) => {
      const expected = pattern(20_000).subarray(i * 5000, (i + 1) * 5000);
      expect(served.link.client.reply(cookie)?.data).toEqual(expected);
    });
  });
});

describe('steady state', () => {
  it('uses the same request objects again', () => {
    const served = serve({ limits: { requests: 8 } });
    const seen = new Set<unknown>();
    served.backend.failure = (request) => {
      seen.add(request);
      return undefined;
    };
    for (let i = 0; i < 100; i++) {
      served.link.client.read(i, 1);
      served.link.run();
    }
    expect(seen.size).toBeLessThanOrEqual(8);
  });

  it('hands requests to the backend with clean fields', () => {
    const served = serve({ holding: true });
    for (let i = 0; i < 300; i++) {
      served.link.client.flush();
      served.link.run();
      const request = served.backend.held[0];
      if (request === undefined) throw new Error('the request was submitted');
      expect(request.backendData).toBeUndefined();
      expect([request.backendTag, request.backendCount]).toEqual([0, 0]);
      request.backendData = served;
      request.backendTag = 1;
      request.backendCount = 2;
      served.backend.failAll(NbdErrno.EIO);
      served.link.run();
    }
  });
});
