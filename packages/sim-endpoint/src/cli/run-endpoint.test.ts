import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FrameSlab, RawSocket } from '@oxmem/rawsock';
import { MockNetwork } from '@oxmem/rawsock/mock';
import {
  ADDRESS_ZERO,
  ByteRegion,
  DEFAULT_REISSUE_POLICY,
  MemoryRequest,
  MemoryStatus,
  RemoteMemory,
  RequestKind,
  SECOND,
} from '@oxmem/tloe-protocol';
import { SystemClock } from '@oxmem/tloe-protocol/node';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { parseCommandLine } from './command-line.ts';
import { runEndpoint } from './run-endpoint.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sim-endpoint-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** The command on a mocked interface `ep0`; a driver may sit on `drv0`. */
function run(...argv: string[]) {
  const network = new MockNetwork();
  const ep0 = network.addInterface({ name: 'ep0' });
  network.addInterface({ name: 'drv0' });
  const commandLine = parseCommandLine(['--netdev=ep0', '--size=1M', ...argv]);
  if (commandLine.kind !== 'run') throw new Error(JSON.stringify(commandLine));
  const { options } = commandLine;
  const out = { stdout: '', stderr: '' };
  let stop = (): void => {};
  let fail = (_error: unknown): void => {};
  const ready = new Promise<void>((resolve) => {
    // Whoever waits for it must find the pid file too.
    setImmediate(function look() {
      if (out.stdout.includes('\n') || out.stderr.includes('oxmem-sim-endpoint:')) resolve();
      else setImmediate(look);
    });
  });
  const start = () =>
    runEndpoint(options, {
      stdout: { write: (text) => (out.stdout += text) },
      stderr: { write: (text) => (out.stderr += text) },
      pid: 4711,
      onStop: (listener) => {
        stop = listener;
      },
      onUncaught: (listener) => {
        fail = listener;
      },
      binding: network.binding,
    });
  return { network, ep0, out, ready, start, stop: () => stop(), fail: (e: unknown) => fail(e) };
}

/** Writes 4 KiB of `byte` at 0, reads them back, and closes. */
async function drive(network: MockNetwork, byte: number): Promise<Uint8Array> {
  const socket = RawSocket.open({ interfaceName: 'drv0', etherType: 0xaaaa }, network.binding);
  const memory = new RemoteMemory(
    {
      peerMac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      initiator: {
        base: ADDRESS_ZERO,
        sizeBytes: 2 ** 20,
        dataOrder: 'raw',
        window: 64,
        maxAccessLog2: 10,
        reissue: DEFAULT_REISSUE_POLICY,
        firstSource: 0,
      },
    },
    { transport: socket, clock: new SystemClock() },
    { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} },
  );
  expect(await memory.open(5 * SECOND)).toMatchObject({ isOpen: true });
  const buffer = ByteRegion.allocate(4096);
  const submit = (kind: RequestKind): Promise<MemoryStatus> =>
    new Promise((resolve) => {
      const request = new MemoryRequest({ requestDone: (_, status) => resolve(status) });
      memory.submit(Object.assign(request, { kind, offset: 0, length: 4096, buffer }));
      memory.kick();
    });
  buffer.bytes.fill(byte);
  expect(await submit(RequestKind.write)).toBe(MemoryStatus.ok);
  buffer.bytes.fill(0);
  expect(await submit(RequestKind.read)).toBe(MemoryStatus.ok);
  expect(await memory.close()).toBe('confirmed');
  return buffer.bytes;
}

describe('the command', () => {
  it('serves from its ready line on until it is told to stop', async () => {
    const { start, ready, stop, out, network } = run('--base=0');
    const exit = start();
    await ready;
    expect(out.stdout).toBe('ready: endpoint 02:00:00:00:00:01 on ep0, 1048576 bytes at 0x0\n');
    expect(await drive(network, 7)).toEqual(new Uint8Array(4096).fill(7));
    stop();
    expect(await exit).toBe(0);
    expect(out.stderr).toContain('connection opened by 02:00:00:00:00:02');
    expect(out.stderr).toContain('connection closed by 02:00:00:00:00:02');
    expect(out.stderr).toMatch(/served 1 connections, 4 reads of 4096 bytes, 4 writes of 4096/);
  });

  it('writes one JSON object per log line when it is told to', async () => {
    const { start, ready, stop, out, network } = run('--log-format=json', '--fault=dup=1%');
    const exit = start();
    await ready;
    await drive(network, 1);
    stop();
    await exit;
    const lines = out.stderr.trim().split('\n');
    const logged = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(logged[0]).toMatchObject({ faults: ['dup=1%'], seed: expect.any(Number) });
    expect(logged[1]).toMatchObject({ event: 'opened', mac: '02:00:00:00:00:02' });
    expect(logged.at(-1)).toMatchObject({ counters: { connections: { opened: 1 } } });
    // As the driver's: one program reads both.
    expect(logged[0]).not.toHaveProperty('pid');
    expect(new Date(logged[0]!['time'] as string).toISOString()).toBe(logged[0]!['time']);
  });

  it('tells how it fares, in a file and to Prometheus, if it is to', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const path = join(folder, 'stats.json');
    const options = [`--stats-file=${path}`, '--metrics=0', '--fault=rx:dup=100%'];
    const { start, ready, stop, out, network } = run(...options);
    const exit = start();
    await ready;
    await drive(network, 7);
    const [address = ''] = /http:.*metrics/.exec(out.stderr) ?? [];
    const text = await (await fetch(address)).text();
    expect(text).toContain('oxmem_endpoint_bytes_total{op="read"} 4096\n');
    expect(text).toContain('oxmem_endpoint_connections_opened_total 1\n');
    expect(text).toMatch(/^oxmem_link_frames_sent_total [1-9]/m);
    const faults = 'oxmem_endpoint_faults_total';
    expect(text).toMatch(
      new RegExp(`^${faults}\\{direction="rx",fault="duplicated"\\} [1-9]`, 'm'),
    );
    expect(text).toContain(`${faults}{direction="tx",fault="duplicated"} 0\n`);
    expect((await fetch(address.replace('metrics', 'healthz'))).status).toBe(200);
    vi.setSystemTime(2e12);
    stop();
    expect(await exit).toBe(0);
    const last = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    expect(last['timestamp']).toBe(2e9);
    expect(last['period_seconds']).toBeLessThan(60);
    expect(last).toMatchObject({
      interval_seconds: 2,
      read: { count: 4, bytes: 4096, count_per_period: 4, bytes_per_period: 4096 },
      write: { count: 4, bytes: 4096 },
      connections: { opened: 1, closed: 1 },
      link: { rejected_frames: {} },
      faults: { rx: { duplicated: expect.any(Number) as number, lost: 0 }, tx: { lost: 0 } },
    });
    expect(out.stderr).toMatch(/, faults of frames: \d+ duplicated$/m);
    await expect(fetch(address)).rejects.toThrow();
  });

  it('says at its end which frames were lost because too many were delayed', async () => {
    const { start, ready, stop, out, network } = run('--fault=rx:delay=1m');
    const exit = start();
    await ready;
    const socket = RawSocket.open({ interfaceName: 'drv0', etherType: 0xaaaa }, network.binding);
    const slab = new FrameSlab(1, 1500);
    const from = [...socket.ownMac];
    slab.put(0, Uint8Array.of(2, 0, 0, 0, 0, 1, ...from, 0xaa, 0xaa, ...new Uint8Array(50)));
    for (let i = 0; i < 5_000; i++) {
      expect(socket.sendBatch(slab, slab.descriptors, 0, 1)).toBe(1);
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setImmediate(resolve));
    stop();
    await exit;
    expect(out.stderr).toMatch(
      /--fault dropped 904 frames besides, because 4096 .* delayed already/,
    );
    expect(out.stderr).toMatch(/faults of frames: 904 overflowed$/m);
  });

  it('says nothing on standard error with --log-level=silent', async () => {
    const { start, ready, stop, out, network } = run('--log-level=silent');
    const exit = start();
    await ready;
    await drive(network, 1);
    stop();
    expect(await exit).toBe(0);
    expect(out.stderr).toBe('');
  });

  it('stops right away if it was told so before it served', async () => {
    const { start, stop, out } = run();
    const exit = start();
    stop();
    expect(await exit).toBe(0);
    expect(out.stdout).toContain('ready:');
  });

  it('has a pid file as long as it serves', async () => {
    const pidFile = join(folder, 'pid');
    const { start, ready, stop } = run(`--pid-file=${pidFile}`);
    const exit = start();
    await ready;
    expect(readFileSync(pidFile, 'utf8')).toBe('4711\n');
    stop();
    await exit;
    expect(existsSync(pidFile)).toBe(false);
  });

  it('keeps the memory in a file that outlives it', async () => {
    const backing = join(folder, 'memory');
    const { start, ready, stop, network } = run(`--backing=${backing}`);
    const exit = start();
    await ready;
    await drive(network, 9);
    stop();
    expect(await exit).toBe(0);
    const bytes = readFileSync(backing);
    expect(bytes.length).toBe(2 ** 20);
    expect([bytes[0], bytes[4095], bytes[4096]]).toEqual([9, 9, 0]);
  });

  it('completes its capture when it stops', async () => {
    const pcap = join(folder, 'frames.pcap');
    const { start, ready, stop, network } = run(`--pcap=${pcap}`);
    const exit = start();
    await ready;
    await drive(network, 9);
    stop();
    await exit;
    const bytes = readFileSync(pcap);
    expect(bytes.readUInt32LE(0)).toBe(0xa1b2c3d4);
    let frames = 0;
    for (let at = 24; at < bytes.length; at += 16 + bytes.readUInt32LE(at + 8)) {
      expect(bytes.readUInt16BE(at + 16 + 12)).toBe(0xaaaa);
      frames++;
    }
    // The opening alone takes five frames each way.
    expect(frames).toBeGreaterThan(18);
  });

  it('ends with 1 and a sentence when the interface is removed while it serves', async () => {
    const { start, ready, out, network } = run();
    const exit = start();
    await ready;
    network.removeInterface('ep0');
    expect(await exit).toBe(1);
    expect(out.stderr).toContain(
      'oxmem-sim-endpoint: The interface "ep0" was removed while in use',
    );
  });

  it('ends with 1 and a sentence when its file fails', async () => {
    const { start, ready, fail, out } = run();
    const exit = start();
    await ready;
    fail(new Error('disk full'));
    expect(await exit).toBe(1);
    expect(out.stderr).toContain('disk full');
  });
});

describe('the command that cannot serve', () => {
  it('ends with 5 without such an interface, naming those that there are', async () => {
    const { start, out, network } = run();
    network.removeInterface('ep0');
    expect(await start()).toBe(5);
    expect(out.stderr).toBe(
      'oxmem-sim-endpoint: There is no network interface "ep0" here; there is: drv0.\n',
    );
    expect(out.stdout).toBe('');
  });

  it('ends with 5 if the interface is down, and says how to switch it on', async () => {
    const { start, out, ep0 } = run();
    ep0.setUp(false);
    expect(await start()).toBe(5);
    expect(out.stderr).toContain('ip link set ep0 up');
  });

  it('ends with 3 without permission, and says how to get it', async () => {
    const { start, out, network } = run();
    network.isPermitted = false;
    expect(await start()).toBe(3);
    expect(out.stderr).toContain('CAP_NET_RAW');
    expect(out.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('ends with 1 if its backing file has another size', async () => {
    const backing = join(folder, 'memory');
    writeFileSync(backing, 'x');
    const { start, out } = run(`--backing=${backing}`);
    expect(await start()).toBe(1);
    expect(out.stderr).toContain('has 1 bytes and the memory 1048576');
  });

  it('ends with 1 if the capture or the pid file cannot be written', async () => {
    const nowhere = join(folder, 'missing', 'file');
    for (const option of ['--pcap', '--pid-file', '--stats-file']) {
      const { start, out } = run(`${option}=${nowhere}`);
      expect(await start()).toBe(1);
      expect(out.stderr).toContain(nowhere);
    }
  });

  it('ends with 1 and the option that it was if it cannot be observed so', async () => {
    const file = run(`--stats-file=${join(folder, 'missing', 'file')}`, '--metrics=0');
    expect(await file.start()).toBe(1);
    expect(file.out.stderr).toMatch(
      /sim-endpoint: --stats-file: ".*file" cannot be written: ENOENT/,
    );
    const [, address = ''] = /metrics at (\S+)/.exec(file.out.stderr) ?? [];
    await expect(fetch(address)).rejects.toThrow();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', () => resolve()));
    const { port } = taken.address() as AddressInfo;
    const metrics = run(`--stats-file=${join(folder, 'file')}`, `--metrics=${port}`);
    expect(await metrics.start()).toBe(1);
    expect(metrics.out.stderr).toContain(
      `sim-endpoint: --metrics: 127.0.0.1:${port} cannot be had`,
    );
    taken.close();
  });
});
