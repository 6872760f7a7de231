import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { KernelStream } from '../src/index.ts';
import { loadBinding } from '../src/load-binding.ts';
import { obstacle } from './kernel-requirements.ts';

const reason = obstacle('addon');

/** The addon without an nbd driver: another process stands at the kernel's end of the stream. */
describe.skipIf(reason !== undefined)('native streams and threads', () => {
  const open: { stream: KernelStream; child: ChildProcess }[] = [];
  afterEach(async () => {
    for (const { stream, child } of open.splice(0)) {
      stream.close();
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
  });

  /** A stream whose other end is the standard input and output of `program`. */
  function streamTo(program: readonly string[], options = {}): KernelStream {
    const stream = new KernelStream(loadBinding(), options);
    const [command = '', ...args] = program;
    const child = spawn(command, args, {
      stdio: [stream.kernelFd, stream.kernelFd, 'inherit'],
    });
    stream.closeKernelEnd();
    expect(stream.kernelFd).toBe(-1);
    open.push({ stream, child });
    return stream;
  }

  test('carries windows of several buffers out in order, and bytes back', async () => {
    const stream = streamTo(['cat']);
    const received = collect(stream);
    const first = Uint8Array.of(9, 1, 2, 9);
    const second = Uint8Array.of(3, 4, 9);
    const windows = [
      { bytes: first, offset: 1, length: 2 },
      { bytes: second, offset: 0, length: 2 },
      { bytes: first, offset: 0, length: 0 },
    ];
    expect(stream.send(windows, 3)).toBe(4);
    await until(() => received.length === 4);
    expect(received).toEqual([1, 2, 3, 4]);
    expect(stream.counters()).toMatchObject({ bytesSent: 4, bytesReceived: 4, sendCalls: 1 });
  });

  test('takes part of what does not fit, says when there is room, and loses no byte', async () => {
    const stream = streamTo(['cat'], { bufferBytes: 65536 });
    const total = 8 * 1024 * 1024;
    const bytes = Uint8Array.from({ length: total }, (_, i) => (i * 7 + (i >> 10)) & 0xff);
    let sent = 0;
    let received = 0;
    let wrong = 0;
    let writables = 0;
    const sendMore = (): void => {
      if (sent === total) return;
      sent += stream.send([{ bytes, offset: sent, length: total - sent }], 1);
    };
    stream.start({
      onReceive(slab, offset, length) {
        for (let i = 0; i < length; i++) {
          if (slab[offset + i] !== bytes[received + i]) wrong++;
        }
        received += length;
        return length;
      },
      onWritable() {
        writables++;
        sendMore();
      },
      onEnd: () => undefined,
    });
    sendMore();
    expect(sent).toBeLessThan(total);
    await until(() => received === total);
    expect({ sent, received, wrong }).toEqual({ sent: total, received: total, wrong: 0 });
    expect(writables).toBeGreaterThan(0);
    expect(stream.counters().sendBlocked).toBe(writables);
  });

  test('keeps what its owner does not take, reads nothing meanwhile, and offers it again', async () => {
    const stream = streamTo(['sh', '-c', 'printf abcdefgh; sleep 0.2; printf ij; cat']);
    const offers: string[] = [];
    let take = 3;
    stream.start({
      onReceive(bytes, offset, length) {
        offers.push(Buffer.from(bytes.subarray(offset, offset + length)).toString());
        return Math.min(take, length);
      },
      onWritable: () => undefined,
      onEnd: () => undefined,
    });
    await until(() => offers.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(offers).toEqual(['abcdefgh']);
    expect(stream.counters().bytesReceived).toBe(8);
    stream.resume();
    expect(offers).toEqual(['abcdefgh', 'defgh']);
    take = 100;
    stream.resume();
    await until(() => offers.length === 4);
    expect(offers.slice(2)).toEqual(['gh', 'ij']);
  });

  test('tells the end of the stream once, also after a send into it', async () => {
    const stream = streamTo(['true']);
    const ends: number[] = [];
    stream.start({
      onReceive: (_bytes, _offset, length) => length,
      onWritable: () => undefined,
      onEnd: (errno) => ends.push(errno),
    });
    await until(() => ends.length > 0);
    expect(stream.send([{ bytes: new Uint8Array(9), offset: 0, length: 9 }], 1)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(ends).toEqual([0]);
    expect(stream.isOver).toBe(true);
  });

  test('tells a paused owner of the end when he sends', async () => {
    const stream = streamTo(['sh', '-c', 'printf x']);
    const ends: number[] = [];
    let isOffered = false;
    stream.start({
      onReceive() {
        isOffered = true;
        return 0;
      },
      onWritable: () => undefined,
      onEnd: (errno) => ends.push(errno),
    });
    await until(() => isOffered);
    const { child } = open[0] as { child: ChildProcess };
    if (child.exitCode === null) await once(child, 'exit');
    expect(stream.send([{ bytes: new Uint8Array(9), offset: 0, length: 9 }], 1)).toBe(0);
    await until(() => ends.length > 0);
    expect(ends).toEqual([constants.errno.EPIPE]);
  });

  test('delivers all that was sent before the end, also when nothing can be sent any more', async () => {
    const total = 100_000;
    const stream = streamTo(['head', '-c', `${total}`, '/dev/zero'], { receiveBytes: 4096 });
    const { child } = open[0] as { child: ChildProcess };
    if (child.exitCode === null) await once(child, 'exit');
    let received = 0;
    const receivedAtEnd: number[] = [];
    stream.start({
      onReceive(_, __, length) {
        received += length;
        return length;
      },
      onWritable: () => undefined,
      onEnd: () => receivedAtEnd.push(received),
    });
    expect(stream.send([{ bytes: new Uint8Array(9), offset: 0, length: 9 }], 1)).toBe(0);
    await until(() => receivedAtEnd.length > 0);
    expect(receivedAtEnd).toEqual([total]);
  });

  test('refuses windows outside their bytes, and too many of them', () => {
    const stream = streamTo(['cat']);
    const bytes = new Uint8Array(8);
    expect(() => stream.send([{ bytes, offset: 4, length: 5 }], 1)).toThrow(RangeError);
    expect(() => stream.send([{ bytes, offset: 0xffffffff, length: 2 }], 1)).toThrow(RangeError);
    const window = { bytes, offset: 0, length: 1 };
    expect(() => stream.send(Array(257).fill(window), 257)).toThrow(RangeError);
  });

  test('a closed stream takes nothing and calls nobody', async () => {
    const stream = streamTo(['cat']);
    const received = collect(stream);
    stream.send([{ bytes: Uint8Array.of(1), offset: 0, length: 1 }], 1);
    stream.close();
    stream.close();
    stream.resume();
    expect(stream.send([{ bytes: Uint8Array.of(1), offset: 0, length: 1 }], 1)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(received).toEqual([]);
  });

  test('300 streams opened and closed leave no descriptor behind', async () => {
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 300; i++) {
      const stream = new KernelStream(loadBinding(), { receiveBytes: 4096 });
      collect(stream);
      stream.close();
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });

  test('system calls on threads settle their promises, and name what failed', async () => {
    const binding = loadBinding();
    await expect(binding.scanNode('/dev/does-not-exist')).rejects.toMatchObject({
      syscall: 'open',
      errno: constants.errno.ENOENT,
    });
    await expect(binding.endNode('/dev/null', 10)).rejects.toMatchObject({
      syscall: 'NBD_DISCONNECT',
      errno: constants.errno.ENOTTY,
    });
    const folder = mkdtempSync(join(tmpdir(), 'nbd-kernel-'));
    writeFileSync(join(folder, 'file'), 'x');
    await expect(binding.flushNode(join(folder, 'file'))).resolves.toBeUndefined();
    rmSync(folder, { recursive: true });
    expect(() => binding.openDevice('/dev/does-not-exist')).toThrow(/open/);
    const settled = await Promise.allSettled(
      Array.from({ length: 50 }, () => binding.scanNode('/dev/null')),
    );
    expect(settled.every(({ status }) => status === 'fulfilled')).toBe(true);
  });

  for (const ending of ['exit', 'throw', 'terminate']) {
    test(`a worker may end by ${ending} while one of its threads is in the kernel`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'nbd-kernel-'));
      const fifo = join(folder, 'fifo');
      execFileSync('mkfifo', [fifo]);
      const before = readdirSync('/proc/self/fd').length;
      const addon = new URL('../build/Release/nbd_kernel.node', import.meta.url).pathname;
      const worker = new Worker(new URL('./fixtures/tasks-in-worker.mjs', import.meta.url), {
        workerData: { addon, fifo, ending },
      });
      worker.on('error', () => undefined);
      worker.once('message', () => ending === 'terminate' && void worker.terminate());
      await new Promise((resolve) => worker.once('exit', resolve));
      // Lets the thread go on, after its worker.
      closeSync(openSync(fifo, 'r+'));
      await until(() => readdirSync('/proc/self/fd').length <= before);
      rmSync(folder, { recursive: true });
    });
  }
});

function collect(stream: KernelStream): number[] {
  const received: number[] = [];
  stream.start({
    onReceive(bytes, offset, length) {
      received.push(...bytes.subarray(offset, offset + length));
      return length;
    },
    onWritable: () => undefined,
    onEnd: () => undefined,
  });
  return received;
}

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
