import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { constants } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSocketStream, type ByteStream } from '../src/index.ts';
import { obstacle } from './kernel-requirements.ts';

const reason = obstacle('addon');

/** What a stream has told, in order. */
interface Heard {
  bytes: number[];
  ends: number[];
  writables: number;
}

describe.skipIf(reason !== undefined)('a native stream over an accepted socket', () => {
  let server: Server;
  let client: Socket;
  let stream: ByteStream;

  beforeEach(async () => {
    server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepting = once(server, 'connection');
    const { port } = server.address() as AddressInfo;
    client = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    const [accepted] = (await accepting) as [Socket];
    stream = openSocketStream(descriptorOf(accepted), { receiveBytes: 4096 });
    accepted.destroy();
    await once(accepted, 'close');
  });
  afterEach(() => {
    stream.close();
    client.destroy();
    server.close();
  });

  test('carries bytes both ways after the accepted socket was closed', async () => {
    const heard = listen(stream);
    client.write(Uint8Array.of(1, 2, 3));
    await until(() => heard.bytes.length === 3);
    expect(heard.bytes).toEqual([1, 2, 3]);
    const answer = once(client, 'data');
    expect(stream.send([window(Uint8Array.of(4, 5))], 1)).toBe(2);
    expect([...((await answer) as [Buffer])[0]]).toEqual([4, 5]);
  });

  test('has no end for the kernel', () => {
    expect('kernelFd' in stream).toBe(false);
  });

  test('can be written to after the client has said all, once it has told so', async () => {
    const heard = listen(stream);
    client.end(Uint8Array.of(9));
    await until(() => heard.ends.length > 0);
    expect(heard).toMatchObject({ bytes: [9], ends: [0] });
    const received: Buffer[] = [];
    client.on('data', (chunk: Buffer) => received.push(chunk));
    const long = new Uint8Array(8 * 1024 * 1024).fill(7);
    let sent = 0;
    while (sent < long.length) {
      const taken = stream.send([{ bytes: long, offset: sent, length: long.length - sent }], 1);
      sent += taken;
      const before = heard.writables;
      if (sent < long.length) await until(() => heard.writables > before);
    }
    stream.close();
    await once(client, 'end');
    expect(Buffer.concat(received).equals(long)).toBe(true);
    expect(heard.ends).toEqual([0]);
  });

  test('tells of a client that is gone when a send fails, after its end of input', async () => {
    const heard = listen(stream);
    client.destroy();
    await until(() => heard.ends.length > 0);
    await until(() => {
      stream.send([window(new Uint8Array(1000))], 1);
      return heard.ends.length > 1;
    });
    expect(heard.ends[0]).toBe(0);
    const { EPIPE, ECONNRESET } = constants.errno;
    expect([EPIPE, ECONNRESET]).toContain(heard.ends[1]);
    expect(stream.send([window(new Uint8Array(1))], 1)).toBe(0);
  });

  test('leaves no descriptor behind', async () => {
    listen(stream);
    const before = readdirSync('/proc/self/fd').length;
    stream.close();
    await until(() => readdirSync('/proc/self/fd').length === before - 1);
  });

  test('refuses what is no descriptor', () => {
    expect(() => openSocketStream(-1)).toThrow(/fcntl/);
  });
});

/** Node shows the descriptor without promising it. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

function window(bytes: Uint8Array) {
  return { bytes, offset: 0, length: bytes.length };
}

function listen(stream: ByteStream): Heard {
  const heard: Heard = { bytes: [], ends: [], writables: 0 };
  stream.start({
    onReceive(bytes, offset, length) {
      heard.bytes.push(...bytes.subarray(offset, offset + length));
      return length;
    },
    onWritable: () => heard.writables++,
    onEnd: (errno) => heard.ends.push(errno),
  });
  return heard;
}

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
