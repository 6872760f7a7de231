/** What strangers, liars and bad clients get: nothing that harms anybody else. */
import { readFileSync } from 'node:fs';
import { Command } from '@oxmem/nbd-protocol';
import { FrameType } from '@oxmem/tloe-protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { LabProgram } from './lab-program.ts';
import { NbdSocketClient, requestHeader } from './nbd-socket-client.ts';
import { OxmemLab } from './oxmem-lab.ts';
import type { LabDriver } from './oxmem-lab.ts';
import { FrameSender, makeFrame, messageWord } from './raw-frames.ts';
import type { HandmadeFrame } from './raw-frames.ts';
import { describeRequiring } from './requires.ts';
import { VerifiedLoad } from './verified-load.ts';

const MIB = 2 ** 20;
const GET_8 = messageWord({ channel: 1, opcode: 4, sizeLog2: 3 });
const PUT_1K = messageWord({ channel: 1, opcode: 0, sizeLog2: 10 });
const ANSWER_1K = messageWord({ channel: 4, opcode: 1, sizeLog2: 10 });
/** How often each bad frame is sent. */
const ROUNDS = 20;

/** Frames that either end must reject, by the name under which it counts them. */
const MALFORMED: Readonly<Record<string, readonly Omit<HandmadeFrame, 'to' | 'from'>[]>> = {
  tooShort: [{ lengthBytes: 14 }, { lengthBytes: 15 }, { lengthBytes: 29 }],
  maskMismatch: [
    { flits: [GET_8, 0n], mask: 0n },
    { flits: [GET_8, 0n], mask: 3n },
    { flits: [GET_8, 0n], mask: 1n << 63n },
    { mask: 1n },
  ],
  messageTruncated: [
    { flits: [PUT_1K, 0n], mask: 1n },
    { flits: [ANSWER_1K], mask: 1n },
    { flits: [0n, 0n, 0n, 0n, GET_8], mask: 16n },
  ],
  unknownMessage: [
    { flits: [messageWord({ channel: 7, opcode: 0, sizeLog2: 3 })], mask: 1n },
    { flits: [messageWord({ channel: 4, opcode: 7, sizeLog2: 3 })], mask: 1n },
  ],
  paddingNotZero: [{ flits: [0n, 1n], mask: 0n }],
  unknownFrameType: [{ type: 9 }, { type: 15 }],
};

interface Counters {
  readonly rejected: Readonly<Record<string, number>>;
  /** Of the raw socket. */
  readonly socket?: Readonly<Record<string, number>>;
  readonly connections?: Readonly<Record<string, number>>;
}

/** What a program says in its last line, logged as JSON. */
function lastCounters({ stderr }: { readonly stderr: string }): Counters {
  const line = stderr.trimEnd().split('\n').at(-1) ?? '';
  const { counters } = JSON.parse(line) as { counters?: Counters };
  if (counters === undefined) throw new Error(`the last line has no counters: ${line}`);
  return counters;
}

describeRequiring(['netns', 'raw-socket'], 'a frame that nobody asked for', () => {
  let lab: OxmemLab;
  let endpoint: LabProgram;
  let driver: LabDriver;
  let client: NbdSocketClient;
  let load: VerifiedLoad;
  let sender: FrameSender;
  beforeEach(async () => {
    lab = await OxmemLab.open({ places: 2 });
    // A bridge that remembers nothing carries every frame to everybody, whoever claims to be whom.
    lab.wire.runInPeer(['ip', 'link', 'set', 'oxp0', 'type', 'bridge', 'ageing_time', '0']);
    endpoint = await lab.startEndpoint('16M', ['--log-format=json']);
    driver = await lab.startDriver({ args: ['--log-format=json'] });
    client = await NbdSocketClient.open(driver.socketPath);
    load = new VerifiedLoad(client, { seed: 5, start: 0, bytes: 4 * MIB });
    sender = new FrameSender(lab.place(1).name);
  });
  afterEach(async () => {
    sender.close();
    client.destroy();
    await lab.close();
  });

  /** Sends while the load works, until all is sent and the load went on for a while. */
  async function sendDuringLoad(frames: readonly Uint8Array[]): Promise<void> {
    for (let round = 1; round <= ROUNDS; round++) {
      await load.reach(load.requests + 20);
      for (const frame of frames) sender.send(frame);
    }
    await load.reach(load.requests + 500);
    await load.finishAndCompare();
    await client.disconnect();
  }

  it('is dropped and counted by the endpoint when it is malformed in the name of the driver', async () => {
    const addresses = { to: lab.wire.peer.mac, from: lab.place(0).mac };
    const frames = Object.values(MALFORMED).flat();
    await sendDuringLoad(frames.map((frame) => makeFrame({ ...frame, ...addresses })));
    await driver.program.stop();
    const { rejected } = lastCounters(await endpoint.stop());
    expect(rejected).toEqual(expectedCounts());
  });

  it('is dropped and counted by the driver when it is malformed in the name of the endpoint', async () => {
    const addresses = { to: lab.place(0).mac, from: lab.wire.peer.mac };
    const frames = Object.values(MALFORMED).flat();
    await sendDuringLoad(frames.map((frame) => makeFrame({ ...frame, ...addresses })));
    const { rejected } = lastCounters(await driver.program.stop());
    expect(rejected).toMatchObject(expectedCounts());
  });

  it('is dropped and counted when it is longer than the endpoint takes', async () => {
    // A wire for longer frames, as far as the bridge: its own end keeps 1500.
    const longer = ['ip', 'link', 'set', lab.place(1).name, 'mtu', '4000'];
    expect(await lab.start(longer).waitForEnd(5_000)).toMatchObject({ code: 0 });
    lab.wire.runInPeer(['ip', 'link', 'set', 'oxp0p1', 'mtu', '4000']);
    sender.close();
    sender = new FrameSender(lab.place(1).name);
    const addresses = { to: lab.wire.peer.mac, from: lab.place(0).mac };
    const [slightly, much] = [1518, 3014].map((n) => makeFrame({ ...addresses, lengthBytes: n }));
    await sendDuringLoad([slightly!, much!]);
    await driver.program.stop();
    const { rejected, socket } = lastCounters(await endpoint.stop());
    expect(rejected).toEqual({ tooLong: ROUNDS });
    // What does not fit into a slot is dropped below the endpoint, and counted there.
    expect(socket).toMatchObject({ receiveTruncated: ROUNDS });
  });

  it('does nothing when its EtherType is another or it is for somebody else', async () => {
    const [near, far, third] = [lab.place(0).mac, lab.wire.peer.mac, lab.place(1).mac];
    const flits = [messageWord({ channel: 1, opcode: 0, sizeLog2: 3 }), 0n, 0x1122334455667788n];
    const put = { flits, mask: 1n };
    await sendDuringLoad([
      makeFrame({ ...put, to: far, from: near, etherType: 0x88b5 }),
      makeFrame({ ...put, to: near, from: far, etherType: 0x88b5 }),
      makeFrame({ ...put, to: '02:00:00:00:00:99', from: near }),
      makeFrame({ ...put, to: '02:00:00:00:00:99', from: far }),
      makeFrame({ ...put, to: 'ff:ff:ff:ff:ff:ff', from: third }),
    ]);
    await driver.program.stop();
    const { rejected } = lastCounters(await endpoint.stop());
    // Frames for others do not even reach an endpoint behind a switch; a broadcast does.
    expect(Object.keys(rejected).filter((name) => name !== 'foreignDestination')).toEqual([]);
  });

  it('is dropped and counted when its sender has no connection', async () => {
    const third = { from: lab.place(1).mac };
    const flits = [messageWord({ channel: 1, opcode: 0, sizeLog2: 3 }), 0n, 0x1122334455667788n];
    const put = { sequenceNumber: 1, flits, mask: 1n };
    await sendDuringLoad([
      makeFrame({ ...third, ...put, to: lab.wire.peer.mac }),
      makeFrame({ ...third, to: lab.wire.peer.mac, type: FrameType.ackOnly, isAck: false }),
      makeFrame({ ...third, to: lab.wire.peer.mac, type: FrameType.close, sequenceNumber: 1 }),
      makeFrame({ ...third, ...put, to: lab.place(0).mac }),
    ]);
    await driver.program.stop();
    const { rejected, connections } = lastCounters(await endpoint.stop());
    expect(rejected).toEqual({ foreignSource: 3 * ROUNDS });
    expect(connections).toMatchObject({ opened: 1, framesUnconnected: 3 * ROUNDS });
  });

  it('is refused when it is one of a flood of Opens, with absurd credits, from many addresses', async () => {
    const before = endpoint.residentKiB();
    const strangers = Array.from(
      { length: 64 },
      (_, i) => `02:bb:00:00:00:${(i + 16).toString(16)}`,
    );
    const opening = { type: FrameType.open, sequenceNumberAck: 0x3fffff };
    const credit = { channel: 4, exponent: 31 };
    await sendDuringLoad(
      strangers.map((from) => makeFrame({ ...opening, credit, from, to: lab.wire.peer.mac })),
    );
    expect(endpoint.residentKiB() - before).toBeLessThan(60 * 1024);
    await driver.program.stop();
    const { connections } = lastCounters(await endpoint.stop());
    // Eight places, one of which is the driver's.
    expect(connections).toMatchObject({ opened: 8, framesRefused: (64 - 7) * ROUNDS });
  });

  it('costs nothing but time when it lies about what was received', async () => {
    const toEndpoint = { to: lab.wire.peer.mac, from: lab.place(0).mac };
    const toDriver = { to: lab.place(0).mac, from: lab.wire.peer.mac };
    const lies = [0, 1, 12345, 0x3fffff].flatMap((sequenceNumberAck) =>
      // A NAK of what has been acknowledged, and of what was never sent.
      [toEndpoint, toDriver].map((addresses) =>
        makeFrame({ ...addresses, type: FrameType.ackOnly, isAck: false, sequenceNumberAck }),
      ),
    );
    await sendDuringLoad(lies);
  });

  function expectedCounts(): Record<string, number> {
    const counts = Object.entries(MALFORMED).map(([name, frames]) => [
      name,
      frames.length * ROUNDS,
    ]);
    return Object.fromEntries(counts) as Record<string, number>;
  }
});

describeRequiring(['netns', 'raw-socket'], 'a bad NBD client', () => {
  let lab: OxmemLab;
  let driver: LabDriver;
  /** Works all the time, next to the bad one. */
  let good: NbdSocketClient;
  let load: VerifiedLoad;
  let residentBeforeKiB: number;
  beforeEach(async () => {
    lab = await OxmemLab.open();
    await lab.startEndpoint('4G');
    driver = await lab.startDriver();
    good = await NbdSocketClient.open(driver.socketPath);
    load = new VerifiedLoad(good, { seed: 9, start: 0, bytes: 4 * MIB, depth: 4 });
    await load.reach(500);
    residentBeforeKiB = driver.program.residentKiB();
  });
  afterEach(async () => {
    good.destroy();
    await lab.close();
  });

  /** Places of clients that have just vanished come free a moment later. */
  async function openPatiently(): Promise<NbdSocketClient> {
    const deadlineMs = performance.now() + 10_000;
    for (;;) {
      try {
        return await NbdSocketClient.open(driver.socketPath);
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** The good client's data is right and it still makes progress; the driver has not grown. */
  async function expectUnharmed(growthMiB: number): Promise<void> {
    await load.reach(load.requests + 200);
    expect(driver.program.residentKiB() - residentBeforeKiB).toBeLessThan(growthMiB * 1024);
    await load.finishAndCompare();
  }

  const violations: Readonly<Record<string, (bad: NbdSocketClient) => Promise<void>>> = {
    'answers the greeting with noise': async (bad) => {
      bad.socket.write(Buffer.alloc(4096, 0xff));
      await Promise.resolve();
    },
    'speaks HTTP': async (bad) => {
      bad.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await Promise.resolve();
    },
    'announces an option of 4 GiB': async (bad) => {
      const option = Buffer.alloc(20);
      option.writeUInt32BE(3, 0);
      option.write('IHAVEOPT', 4, 'latin1');
      option.writeUInt32BE(7, 12);
      option.writeUInt32BE(0xffffffff, 16);
      bad.socket.write(Buffer.concat([option, Buffer.alloc(65536)]));
      await Promise.resolve();
    },
    'sends a request with a wrong magic number': async (bad) => {
      await bad.shakeHands();
      bad.socket.write(Buffer.alloc(28, 0x42));
    },
  };
  it('is shown the door when it breaks the protocol', async () => {
    for (const [what, act] of Object.entries(violations)) {
      const bad = await NbdSocketClient.dial(driver.socketPath);
      const acting = act(bad).catch(() => {});
      await within(5_000, bad.closed, `the one that ${what} is closed`);
      await acting;
    }
    await expectUnharmed(40);
  });

  it('gets an error or the door when it writes more at a time than it may', async () => {
    const bad = await NbdSocketClient.open(driver.socketPath);
    const writing = bad.request(Command.WRITE, 8 * MIB, 64 * MIB, Buffer.alloc(64 * MIB, 0x5a));
    const outcome = await writing.then(
      ({ error }) => error,
      () => 'closed',
    );
    expect(outcome).not.toBe(0);
    expect(await good.read(8 * MIB, 4096)).toEqual(Buffer.alloc(4096));
    bad.destroy();
    await expectUnharmed(40);
  });

  it('gets an error for each senseless request, and goes on', async () => {
    const bad = await NbdSocketClient.open(driver.socketPath);
    const { sizeBytes } = bad;
    const answers = await Promise.all([
      bad.request(Command.READ, sizeBytes, 1),
      bad.request(Command.READ, 2 ** 52, 4096),
      bad.request(Command.READ, sizeBytes - 1, 2),
      bad.request(Command.WRITE, sizeBytes - 1, 2, Buffer.alloc(2)),
      bad.request(Command.TRIM, sizeBytes, 4096),
      bad.request(Command.WRITE_ZEROES, 2 ** 40, 4096),
      bad.request(Command.READ, 0, 64 * MIB),
      bad.request(4711, 0, 0),
      bad.request(Command.BLOCK_STATUS, 0, 4096),
      bad.request(Command.READ, 0, 4096, undefined, 0x8000),
    ]);
    expect(answers.map(({ error }) => error).filter((error) => error === 0)).toEqual([]);
    expect((await bad.read(8 * MIB, 512)).length).toBe(512);
    await bad.disconnect();
    await expectUnharmed(40);
  });

  it('may vanish in the middle of anything', async () => {
    for (let round = 0; round < 40; round++) {
      const bad = await openPatiently();
      for (let i = 0; i < 8; i++) bad.read(8 * MIB, MIB).catch(() => {});
      const header = { type: Command.WRITE, offset: 8 * MIB, length: MIB, flags: 0, cookie: 99 };
      bad.socket.write(requestHeader(header));
      bad.socket.write(Buffer.alloc(round * 25_000));
      await new Promise((resolve) => setTimeout(resolve, round));
      bad.destroy();
      const shy = await NbdSocketClient.dial(driver.socketPath);
      shy.destroy();
    }
    // Each of 16 places may have its 8 MiB for requests at the same time, never more.
    await expectUnharmed(16 * 8 + 60);
  });

  it('holds nobody up when it asks and does not listen', async () => {
    const deaf = await NbdSocketClient.open(driver.socketPath);
    deaf.socket.pause();
    // 2 GiB of answers that nobody fetches.
    for (let i = 0; i < 64; i++) deaf.request(Command.READ, 0, 32 * MIB).catch(() => {});
    await load.reach(load.requests + 2_000);
    await expectUnharmed(60);
    deaf.destroy();
  });

  it('may connect and hang, as often as there are places, until its time is up', async () => {
    const idle = await Promise.all(
      Array.from({ length: 60 }, () => NbdSocketClient.dial(driver.socketPath)),
    );
    await load.reach(load.requests + 1_000);
    // The places that are taken come back when the time for a handshake is over.
    await within(15_000, Promise.all(idle.map(({ closed }) => closed)), 'all are closed');
    const next = await openPatiently();
    await next.disconnect();
    await expectUnharmed(40);
  });

  it('takes what it had asked for with it when it goes', async () => {
    await load.finishAndCompare();
    const sent = (): number => framesSent(lab.wire.local.name);
    const bad = await NbdSocketClient.open(driver.socketPath);
    for (let i = 0; i < 100; i++) bad.request(Command.WRITE_ZEROES, 0, 0xffff0000).catch(() => {});
    const before = sent();
    await within(
      5_000,
      until(() => sent() > before + 10_000),
      'the zeroing has begun',
    );
    bad.destroy();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const after = sent();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(sent() - after).toBeLessThan(100);
    await good.write(0, Buffer.alloc(512, 1));
  });

  it('may send half a GiB of zeros and zero almost 4 GiB; memory stays bounded', async () => {
    const busy = await NbdSocketClient.open(driver.socketPath);
    const zeros = Buffer.alloc(8 * MIB);
    let peakKiB = 0;
    const total = 64;
    for (let i = 0; i < total; i += 4) {
      const batch = [0, 1, 2, 3].map((k) => busy.write(16 * MIB + (i + k) * 8 * MIB, zeros));
      await Promise.all(batch);
      peakKiB = Math.max(peakKiB, driver.program.residentKiB());
    }
    // Below the good client's range nothing; above it all that 32 bits can say.
    const length = 4 * 1024 * MIB - 8 * MIB;
    const zeroing = busy.request(Command.WRITE_ZEROES, 8 * MIB, length);
    const deadlineMs = performance.now() + 5_000;
    let isDone = false;
    void zeroing.then(() => (isDone = true)).catch(() => {});
    while (!isDone && performance.now() < deadlineMs) {
      await load.reach(load.requests + 50);
      peakKiB = Math.max(peakKiB, driver.program.residentKiB());
    }
    expect(peakKiB - residentBeforeKiB).toBeLessThan(80 * 1024);
    // Whether it is done by now depends on the machine; what is left must not hold anybody up.
    if (isDone) expect((await zeroing).error).toBe(0);
    else zeroing.catch(() => {});
    busy.destroy();
    await expectUnharmed(80);
  });
});

/** By the kernel's own count. */
function framesSent(interfaceName: string): number {
  const table = readFileSync('/proc/self/net/dev', 'utf8');
  const line = table.split('\n').find((text) => text.trim().startsWith(`${interfaceName}:`));
  return Number(line?.split(':')[1]?.trim().split(/\s+/)[9] ?? NaN);
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function within<T>(timeoutMs: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
