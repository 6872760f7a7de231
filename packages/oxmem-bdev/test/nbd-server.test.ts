import { existsSync, linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ExportTable } from '@oxmem/nbd-protocol';
import { MemoryBlockBackend } from '@oxmem/nbd-protocol/testing';
import { SECOND } from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createLogger, type Logger } from '../src/observe/logger.ts';
import type { OpenClientStream } from '../src/server/client-stream.ts';
import type { ListenAddress } from '../src/server/listen-address.ts';
import { NbdServer, type NbdServerOptions } from '../src/server/nbd-server.ts';
import { openClientStream } from '../src/server/open-client-stream.ts';
import { listenError } from '../src/server/server-socket.ts';
import { SocketClientStream } from '../src/server/socket-client-stream.ts';
import { turns, until } from './real-turns.ts';
import { SocketClient } from './socket-client.ts';

const MEBIBYTE = 2 ** 20;

const streams: readonly [string, OpenClientStream][] = [
  ['the cheapest streams', openClientStream],
  ["Node's streams", (socket) => new SocketClientStream(socket)],
];

describe.each(streams)('the NBD server with %s', (_, openStream) => {
  let folder: string;
  let clock: VirtualClock;
  let backend: MemoryBlockBackend;
  let log: string[];
  let logger: Logger;
  const cleanup: (() => Promise<void> | void)[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxmem-server-'));
    clock = new VirtualClock();
    backend = new MemoryBlockBackend({ sizeBytes: 64 * MEBIBYTE });
    log = [];
    logger = createLogger('trace', 'json', {
      write: (line) => log.push((JSON.parse(line) as { msg: string }).msg),
    });
  });

  afterEach(async () => {
    for (const undo of cleanup.splice(0).toReversed()) await undo();
    rmSync(folder, { recursive: true, force: true });
  });

  async function serve(
    address: ListenAddress = { kind: 'unix', path: join(folder, 's') },
    options: Partial<NbdServerOptions> = {},
  ): Promise<{ server: NbdServer; address: ListenAddress }> {
    const exports = new ExportTable([{ name: 'oxmem', backend }]);
    const server = new NbdServer({ exports, clock, logger, openStream, ...options });
    const bound = await server.listen(address);
    cleanup.push(() => server.stop(0));
    return { server, address: bound };
  }

  function dial(address: ListenAddress): SocketClient {
    const client = new SocketClient(
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port },
    );
    cleanup.push(() => void client.socket.destroy());
    return client;
  }

  async function enter(address: ListenAddress): Promise<SocketClient> {
    const client = dial(address);
    client.enter();
    await until(clock, () => client.nbd.inTransmission);
    return client;
  }

  async function answerOf(client: SocketClient, cookie: number) {
    client.send();
    await until(clock, () => client.nbd.reply(cookie) !== undefined);
    return client.nbd.reply(cookie);
  }

  it.each<ListenAddress>([
    { kind: 'tcp', host: '127.0.0.1', port: 0 },
    { kind: 'tcp', host: '::1', port: 0 },
  ])('serves on $host, on a port of the system', async (asked) => {
    const { address } = await serve(asked);
    const client = await enter(address);
    expect(await answerOf(client, client.nbd.read(0, 512))).toMatchObject({ error: 0 });
  });

  it('carries large writes and reads both ways, whole', async () => {
    const { address } = await serve();
    const client = await enter(address);
    const data = Uint8Array.from({ length: 3 * MEBIBYTE + 7 }, (_, i) => i * 31 + (i >> 9));
    expect(await answerOf(client, client.nbd.write(5, data))).toMatchObject({ error: 0 });
    const reply = await answerOf(client, client.nbd.read(5, data.length));
    expect(Buffer.compare(reply?.data ?? new Uint8Array(0), data)).toBe(0);
  });

  it('reads no further while the device is busy, and loses nothing of what waits', async () => {
    backend = new MemoryBlockBackend({ sizeBytes: 32 * MEBIBYTE, holding: true });
    const { address } = await serve();
    const client = await enter(address);
    const cookies = Array.from({ length: 24 }, (_, i) =>
      client.nbd.write(i * MEBIBYTE, new Uint8Array(MEBIBYTE).fill(i + 1)),
    );
    client.send();
    await until(clock, () => backend.held.length >= 8);
    await turns(200);
    // The session holds 8 MiB; the rest waits in the sockets and with the client.
    expect(backend.held.length).toBe(8);
    while (client.nbd.openRequests > 0) {
      backend.completeAll();
      await turns(1);
      await until(clock, () => backend.held.length > 0 || client.nbd.openRequests === 0);
    }
    for (const cookie of cookies) expect(client.nbd.reply(cookie)).toMatchObject({ error: 0 });
    backend.holding = false;
    for (let i = 0; i < 24; i++) {
      const reply = await answerOf(client, client.nbd.read(i * MEBIBYTE, MEBIBYTE));
      expect(reply?.data?.every((byte) => byte === i + 1)).toBe(true);
    }
  });

  it('shows what one client wrote to the others', async () => {
    const { address } = await serve();
    const [one, two] = [await enter(address), await enter(address)];
    await answerOf(one, one.nbd.write(4096, new Uint8Array(16).fill(7)));
    const reply = await answerOf(two, two.nbd.read(4096, 16));
    expect(reply?.data).toEqual(new Uint8Array(16).fill(7));
  });

  it('answers what was asked before the client closed its sending side', async () => {
    const { server, address } = await serve();
    const client = await enter(address);
    const cookie = client.nbd.read(0, MEBIBYTE);
    client.socket.end(client.nbd.takeOutgoing());
    await until(clock, () => client.isEnded && server.connectionCount === 0);
    expect(client.nbd.reply(cookie)).toMatchObject({ error: 0 });
  });

  it('says so when more than this machine can connect without a certificate', async () => {
    await serve({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    expect(log.filter((line) => line.includes('the whole memory'))).toEqual([]);
    await serve({ kind: 'tcp', host: '0.0.0.0', port: 0 });
    expect(log.filter((line) => line.includes('the whole memory'))).toHaveLength(1);
  });

  it('makes a unix socket for its owner only, and removes it at the end', async () => {
    const path = join(folder, 's');
    const mask = process.umask();
    const { server } = await serve({ kind: 'unix', path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(process.umask()).toBe(mask);
    await server.stop(0);
    expect(existsSync(path)).toBe(false);
  });

  describe('that finds its place taken', () => {
    function abandonSocket(path: string): Promise<void> {
      // A server that is gone without removing its socket: closing removes one name of two.
      const dead: Server = createServer();
      return new Promise((resolve) => {
        dead.listen(`${path}.tmp`, () => {
          linkSync(`${path}.tmp`, path);
          dead.close(() => resolve());
        });
      });
    }

    it('replaces a socket that nobody answers', async () => {
      const path = join(folder, 's');
      await abandonSocket(path);
      expect(statSync(path).isSocket()).toBe(true);
      const { address } = await serve({ kind: 'unix', path });
      await enter(address);
    });

    it('says so when another server answers, and leaves it alone', async () => {
      const { address } = await serve();
      await expect(serve(address)).rejects.toMatchObject({
        code: 'ERR_OXMEM_LISTEN_BUSY',
        exitCode: 4,
        message: expect.stringMatching(/^--listen: another server listens at ".*"/) as string,
      });
      await enter(address);
    });

    it('does not remove what is no socket', async () => {
      const path = join(folder, 'file');
      writeFileSync(path, 'precious');
      await expect(serve({ kind: 'unix', path })).rejects.toMatchObject({
        code: 'ERR_OXMEM_LISTEN',
        message: expect.stringContaining('is not a socket') as string,
      });
      expect(existsSync(path)).toBe(true);
    });

    it('names a port that is in use', async () => {
      const { address } = await serve({ kind: 'tcp', host: '127.0.0.1', port: 0 });
      await expect(serve(address)).rejects.toMatchObject({
        code: 'ERR_OXMEM_LISTEN_BUSY',
        message: expect.stringContaining('is in use by another program') as string,
      });
    });

    it('names a folder that is not there', async () => {
      const path = join(folder, 'none', 's');
      await expect(serve({ kind: 'unix', path })).rejects.toMatchObject({
        code: 'ERR_OXMEM_LISTEN',
        message: expect.stringMatching(/cannot be used \(E[A-Z]+\)/) as string,
      });
    });

    it('knows what is not permitted', () => {
      const denied = Object.assign(new Error('bind'), { code: 'EACCES' });
      for (const address of [
        { kind: 'unix', path: join(folder, 's') },
        { kind: 'tcp', host: '127.0.0.1', port: 1 },
      ] as const) {
        const error = listenError(address, denied);
        expect(error).toMatchObject({ code: 'ERR_OXMEM_LISTEN_PERMISSION', exitCode: 3 });
      }
    });
  });

  describe('with a client that behaves badly', () => {
    it('ends a handshake that takes longer than ten seconds, and no other', async () => {
      const { server, address } = await serve();
      const good = await enter(address);
      const idle = dial(address);
      await until(clock, () => server.connectionCount === 2);
      clock.advanceBy(9 * SECOND);
      await turns(20);
      expect(idle.isEnded).toBe(false);
      clock.advanceBy(SECOND);
      await until(clock, () => idle.isEnded);
      expect(log).toContain('client 2 closed: the handshake took too long');
      clock.advanceBy(60 * SECOND);
      expect(await answerOf(good, good.nbd.read(0, 512))).toMatchObject({ error: 0 });
    });

    it('closes the one that breaks the protocol alone', async () => {
      const { address } = await serve();
      const [good, bad] = [await enter(address), await enter(address)];
      bad.nbd.sendRaw(new Uint8Array(28).fill(0x41));
      bad.send();
      await until(clock, () => bad.isEnded);
      expect(log.filter((line) => line.startsWith('client 2 closed'))).toHaveLength(1);
      expect(await answerOf(good, good.nbd.read(0, 512))).toMatchObject({ error: 0 });
    });

    it('refuses more clients than it has room for, and takes them when one has left', async () => {
      const { server, address } = await serve(undefined, { maxConnections: 2 });
      const first = await enter(address);
      await enter(address);
      const third = dial(address);
      await until(clock, () => third.isEnded);
      expect(log).toContain('refused a client: 2 are connected');
      first.nbd.disconnect();
      first.send();
      await until(clock, () => server.connectionCount === 1);
      await enter(address);
    });

    it('keeps its memory bounded when a client does not read, and serves others', async () => {
      const { server, address } = await serve();
      const stalled = await enter(address);
      stalled.socket.pause();
      // 64 MiB of answers, of which the session may hold 8 MiB and the sockets some hundred KiB.
      for (let i = 0; i < 256; i++) stalled.nbd.read(i * 4096, MEBIBYTE / 4);
      stalled.send();
      const other = await enter(address);
      for (let i = 0; i < 20; i++) await answerOf(other, other.nbd.read(i * 4096, 4096));
      const submitted = backend.submitted.length;
      expect(submitted).toBeLessThan(256 / 4 + 20);
      stalled.socket.resume();
      await until(clock, () => stalled.nbd.openRequests === 0);
      expect(backend.submitted.length).toBeGreaterThanOrEqual(256 + 20);
      expect(server.connectionCount).toBe(2);
    });

    it('forgets one that vanishes with requests open, once the device has given them back', async () => {
      backend = new MemoryBlockBackend({ sizeBytes: MEBIBYTE, holding: true });
      const { server, address } = await serve();
      const client = await enter(address);
      client.nbd.read(0, 4096);
      client.send();
      await until(clock, () => backend.held.length === 1);
      client.socket.destroy();
      await turns(50);
      expect(server.connectionCount).toBe(1);
      backend.completeAll();
      await until(clock, () => server.connectionCount === 0);
    });
  });

  describe('that is stopped', () => {
    it('answers what is in flight and hangs up', async () => {
      backend = new MemoryBlockBackend({ sizeBytes: MEBIBYTE, holding: true });
      const { server, address } = await serve();
      const client = await enter(address);
      const cookie = client.nbd.read(0, 4096);
      client.send();
      await until(clock, () => backend.held.length === 1);
      const stopped = server.stop(SECOND);
      await turns(20);
      backend.completeAll();
      await stopped;
      await until(clock, () => client.isEnded);
      expect(client.nbd.reply(cookie)).toMatchObject({ error: 0 });
    });

    it('does not wait for a device that does not answer longer than it was told', async () => {
      backend = new MemoryBlockBackend({ sizeBytes: MEBIBYTE, holding: true });
      const { server, address } = await serve();
      const client = await enter(address);
      client.nbd.read(0, 4096);
      client.send();
      await until(clock, () => backend.held.length === 1);
      let isStopped = false;
      const stopped = server.stop(SECOND).then(() => (isStopped = true));
      clock.advanceBy(SECOND - 10_000);
      await turns(20);
      expect(isStopped).toBe(false);
      clock.advanceBy(10_000);
      await stopped;
      await until(clock, () => client.isEnded);
    });

    it('hangs up on clients in the middle of their handshake', async () => {
      const { server, address } = await serve();
      const client = dial(address);
      await until(clock, () => server.connectionCount === 1);
      await server.stop(SECOND);
      await until(clock, () => client.isEnded);
    });
  });
});
