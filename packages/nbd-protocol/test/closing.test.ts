import { describe, expect, it } from 'vitest';
import { NbdExport } from '../src/export-table.ts';
import { CONNECTION_TRANSITIONS } from '../src/session/connection-state.ts';
import { MemoryBlockBackend } from '../src/testing/memory-block-backend.ts';
import { MemoryLink } from '../src/testing/memory-link.ts';
import { Command, NbdErrno, Option } from '../src/wire/constants.ts';
import { MIB, type Served, connect, hex, pattern, serve } from './serve.ts';

function expectReleased({ link }: Served): void {
  expect(link.connection.state).toBe('released');
  expect(link.isReleased).toBe(true);
  expect(link.connection.requestsInUse).toBe(0);
  expect(link.connection.requestsInBackend).toBe(0);
  expect(link.connection.slabBytesInUse).toBe(0);
  expect(link.connection.hasOutput).toBe(false);
}

/** Completes `steps` requests in a scrambled order. */
function workFor({ link, backend }: Served, steps: number): void {
  for (let i = 0; i < steps; i++) {
    link.run();
    if (backend.held.length > 0) backend.completeAt((i * 5) % backend.held.length);
  }
}

describe('DISC', () => {
  it('closes at once when nothing is open, without a reply', () => {
    const served = serve();
    const before = served.link.allServerBytes().length;
    served.link.client.disconnect();
    served.link.run();
    expect(served.link.closeReason).toBe('disconnected');
    expect(served.link.allServerBytes().length).toBe(before);
    expectReleased(served);
  });

  it('waits until everything open is answered, and ignores what follows', () => {
    const served = serve({ holding: true });
    const { client } = served.link;
    const write = client.write(0, pattern(4096));
    const read = client.read(0, 4096);
    client.disconnect();
    client.sendRaw(pattern(1000));
    served.link.run();
    expect(served.link.connection.state).toBe('draining');
    expect(served.link.bytesWaiting).toBe(0);
    served.backend.completeAll();
    expect(served.link.closeReason).toBeUndefined();
    served.link.run();
    expect([write, read].map((cookie) => client.reply(cookie)?.error)).toEqual([0, 0]);
    expect(served.link.closeReason).toBe('disconnected');
    expectReleased(served);
  });

  it('is told while requests are open, also when the client does not wait for them', () => {
    const served = serve({ holding: true });
    served.link.client.read(0, 4096);
    served.link.client.disconnect();
    served.link.run();
    expect(served.link.disconnectCalls).toBe(1);
    expect(served.link.closeReason).toBeUndefined();
    served.link.connection.abort('EPIPE');
    expect(served.link.closeReason).toBe('hostAborted');
    served.backend.completeAll();
    expect(served.link.disconnectCalls).toBe(1);
    expectReleased(served);
  });
});

describe('the end of the input without DISC', () => {
  it('still answers what is open to a client that only closed its sending side', () => {
    const served = serve({ holding: true });
    const read = served.link.client.read(0, 4096);
    served.link.run();
    served.link.connection.endInput();
    expect(served.link.closeReason).toBeUndefined();
    served.backend.completeAll();
    served.link.run();
    expect(served.link.client.reply(read)?.error).toBe(0);
    expect(served.link.closeReason).toBe('inputEnded');
    expectReleased(served);
  });

  it('lets open requests complete into nothing once the socket has failed', () => {
    const served = serve({ holding: true });
    served.link.client.read(0, 4096);
    served.link.client.write(0, pattern(3 * MIB));
    served.link.run();
    served.link.connection.endInput();
    served.backend.completeAt(1);
    served.link.connection.abort('write: EPIPE\n');
    expect(served.link.closeReason).toBe('hostAborted');
    expect(served.link.closeText).toBe('write: EPIPE?');
    expect(served.link.isReleased).toBe(false);
    expect(served.link.connection.requestsInBackend).toBe(3);
    served.backend.completeAll();
    expectReleased(served);
  });

  it('drops a write of which a part is missing, at every place', () => {
    for (const missing of [1, 100, MIB, MIB + 1, 3 * MIB - 1, 3 * MIB, 3 * MIB + 27]) {
      for (const holding of [false, true]) {
        const served = serve({ holding });
        served.link.client.flush();
        served.link.client.write(0, pattern(3 * MIB));
        const bytes = served.link.client.takeOutgoing();
        served.link.client.sendRaw(bytes.slice(0, bytes.length - missing));
        served.link.run();
        served.link.connection.endInput();
        served.backend.completeAll();
        served.link.run();
        expect(served.link.client.answered.length).toBe(1);
        expect(served.link.closeReason).toBe('inputEnded');
        expectReleased(served);
      }
    }
  });

  it('finishes a read that waits for memory', () => {
    const served = serve({ holding: true });
    const cookies = [8, 8, 20].map((mib) => served.link.client.read(0, mib * MIB));
    served.link.run();
    expect(served.backend.held.length).toBe(1);
    served.link.connection.endInput();
    for (let i = 0; i < 40; i++) {
      served.backend.completeAll();
      served.link.run();
    }
    // The third was still with the host: it never reached the connection.
    expect(served.link.client.reply(cookies[1] ?? 0)?.error).toBe(0);
    expect(served.link.closeReason).toBe('inputEnded');
    expectReleased(served);
  });
});

describe('a violation', () => {
  it('closes the connection at a wrong magic number, and open requests come to nothing', () => {
    const served = serve({ holding: true });
    served.link.client.read(0, 4096);
    served.link.client.sendRaw(new Uint8Array(28));
    served.link.run();
    expect(served.link.closeReason).toBe('protocolViolation');
    expect(served.link.isReleased).toBe(false);
    served.backend.completeAll();
    expectReleased(served);
  });

  it('takes and ignores everything after the end', () => {
    const served = serve();
    served.link.client.sendRaw(new Uint8Array(28));
    served.link.run();
    const { connection } = served.link;
    expect(connection.receive(pattern(100), 10, 50)).toBe(50);
    connection.outputWritten(5);
    connection.endInput();
    connection.shutdown();
    connection.abort('again');
    expect(connection.gatherOutput([], 0)).toBe(0);
    expectReleased(served);
  });
});

describe('the end by the server', () => {
  it('shutdown answers what is open, drops half a write, and closes', () => {
    const served = serve({ holding: true });
    const read = served.link.client.read(0, 512);
    served.link.client.sendRequest({ type: Command.WRITE, length: 100, payload: pattern(50) });
    served.link.run();
    served.link.connection.shutdown();
    served.backend.completeAll();
    served.link.run();
    expect(served.link.client.reply(read)?.error).toBe(0);
    expect(served.link.closeReason).toBe('shutdown');
    expectReleased(served);
  });

  it('shutdown closes a connection in its handshake', () => {
    const { link } = connect();
    link.run();
    link.connection.shutdown();
    expect(link.closeReason).toBe('shutdown');
    expect(link.connection.state).toBe('released');
  });

  it('leaves the handshake open for the time limit while a farewell is not read', () => {
    const { link } = connect();
    link.run();
    link.clientReads = false;
    link.client.sendFlags();
    link.client.sendOption(Option.ABORT);
    link.run();
    expect(link.connection.state).toBe('draining');
    expect(link.connection.handshakeDone).toBe(false);
    link.connection.abort('time limit');
    expect(link.connection.handshakeDone).toBe(true);
  });

  it('abort is heeded in every state, once', () => {
    const handshake = connect();
    handshake.link.connection.abort('time limit');
    handshake.link.connection.abort('time limit');
    expect(handshake.link.closeReason).toBe('hostAborted');
    const draining = serve({ holding: true });
    draining.link.client.read(0, 512);
    draining.link.client.disconnect();
    draining.link.run();
    draining.link.connection.abort('stalled');
    draining.backend.failAll(NbdErrno.EIO);
    expectReleased(draining);
  });

  it.each([
    ['simple', false],
    ['structured', true],
  ])(
    'abort in the middle of everything leaves nothing behind (%s replies)',
    (_name, structured) => {
      for (let steps = 0; steps < 20; steps++) {
        const limits = { slabBytes: 65536, requests: 16 };
        const served = serve({ structured, holding: true, limits });
        served.link.client.read(0, 512);
        served.link.client.read(0, 160_000);
        served.link.client.write(0, pattern(20_000));
        workFor(served, steps);
        served.link.connection.abort('test');
        served.backend.completeAll();
        expectReleased(served);
      }
    },
  );
});

describe('a connection with a fixed export', () => {
  it('begins in the transmission phase and announces its first output', () => {
    const backend = new MemoryBlockBackend({ sizeBytes: MIB });
    const fixedExport = new NbdExport({ name: 'kernel', backend });
    const link = new MemoryLink({ fixedExport });
    expect(link.connection.handshakeDone).toBe(true);
    expect(link.connection.hasOutput).toBe(false);
    const cookie = link.client.write(0, hex('aa'));
    link.moveInput();
    expect(link.outputCalls).toBe(1);
    link.run();
    expect(link.client.reply(cookie)?.error).toBe(0);
  });
});

describe('the table of states', () => {
  it('reaches the end from every state', () => {
    for (const start of Object.keys(CONNECTION_TRANSITIONS)) {
      const reached = new Set([start]);
      for (const state of reached) {
        const next = CONNECTION_TRANSITIONS[state as keyof typeof CONNECTION_TRANSITIONS];
        for (const target of Object.values(next)) reached.add(target);
      }
      expect(reached).toContain('released');
    }
  });
});
