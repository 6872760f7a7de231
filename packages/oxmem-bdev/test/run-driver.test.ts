import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { RawSocket } from '@oxmem/rawsock';
import { MockNetwork, type MockInterface } from '@oxmem/rawsock/mock';
import { composeEndpoint, type Endpoint, type EndpointOptions } from '@oxmem/sim-endpoint';
import { DEFAULT_ETHER_TYPE, SECOND } from '@oxmem/tloe-protocol';
import { formatMac } from '@oxmem/tloe-protocol/text';
import { ArrayMemory, VirtualClock } from '@oxmem/tloe-protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { readCommandLine } from '../src/cli/program.ts';
import { DriverError } from '../src/errors.ts';
import { createLogger } from '../src/observe/logger.ts';
import { LeftoverFiles } from '../src/runtime/leftover-files.ts';
import { runDriver } from '../src/runtime/run-driver.ts';
import { StopRequest } from '../src/runtime/stop-request.ts';
import { turns, until } from './real-turns.ts';
import { SocketClient } from './socket-client.ts';

const SIZE = 2 ** 20;

describe('the driver, from the opening to the end', () => {
  let folder: string;
  let path: string;
  let clock: VirtualClock;
  let network: MockNetwork;
  let driverInterface: MockInterface;
  let endpointInterface: MockInterface;
  let printed: string[];
  let logged: string[];
  let stop: StopRequest;
  let leftovers: LeftoverFiles;
  let endpoints: Endpoint[];
  let clients: SocketClient[];
  /** How the driver ended. */
  let end: { failure: unknown } | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxmem-run-'));
    path = join(folder, 's');
    clock = new VirtualClock();
    network = new MockNetwork();
    driverInterface = network.addInterface({ name: 'drv0' });
    endpointInterface = network.addInterface({ name: 'end0' });
    printed = [];
    logged = [];
    stop = new StopRequest();
    leftovers = new LeftoverFiles();
    endpoints = [];
    clients = [];
    end = undefined;
  });

  afterEach(async () => {
    stop.request();
    if (end === undefined) await until(clock, () => end !== undefined);
    for (const endpoint of endpoints) endpoint.close();
    for (const client of clients) client.socket.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  function startEndpoint(options: Partial<EndpointOptions> = {}): Endpoint {
    const transport = RawSocket.open(
      { interfaceName: 'end0', etherType: DEFAULT_ETHER_TYPE },
      network.binding,
    );
    const endpoint = composeEndpoint({ sizeBytes: SIZE, ...options }, { transport, clock });
    endpoint.start();
    endpoints.push(endpoint);
    return endpoint;
  }

  /** Starts the driver with `--netdev`, `--mac`, `--size` and `--listen`, and with `extra`. */
  function startDriver(extra: string[] = [], { isListening = true, mac = '' } = {}): void {
    const commandLine = readCommandLine([
      '--netdev=drv0',
      `--mac=${mac === '' ? formatMac(endpointInterface.mac) : mac}`,
      `--size=${SIZE}`,
      ...(isListening ? [`--listen=unix:${path}`] : []),
      ...extra,
    ]);
    if (commandLine.kind !== 'run') throw new Error(JSON.stringify(commandLine));
    const logger = createLogger('info', 'json', {
      write: (line) => logged.push((JSON.parse(line) as { msg: string }).msg),
    });
    const ports = {
      clock,
      originUnixMicros: 0,
      unixMicros: () => 0,
      logger,
      print: (line: string) => printed.push(line),
      environment: {},
      leftovers,
      binding: network.binding,
      runFolder: join(folder, 'run'),
      askToHandOver: () => false,
    };
    runDriver(commandLine.options, ports, stop).then(
      () => (end = { failure: undefined }),
      (failure: unknown) => (end = { failure }),
    );
  }

  async function ready(): Promise<void> {
    await until(clock, () => printed.length > 0 || end !== undefined);
    if (end !== undefined) throw end.failure;
  }

  async function ended(): Promise<unknown> {
    await until(clock, () => end !== undefined);
    return end?.failure;
  }

  async function failure(): Promise<DriverError> {
    const thrown = await ended();
    if (!(thrown instanceof DriverError)) throw new Error(`not a DriverError: ${String(thrown)}`);
    expect(thrown.message).not.toContain('\n');
    return thrown;
  }

  async function enter(): Promise<SocketClient> {
    const client = new SocketClient({ path });
    clients.push(client);
    client.enter();
    await until(clock, () => client.nbd.inTransmission);
    return client;
  }

  async function answerOf(client: SocketClient, cookie: number) {
    client.send();
    await until(clock, () => client.nbd.reply(cookie) !== undefined);
    return client.nbd.reply(cookie);
  }

  const CLOSED_WELL = [
    'Closing OmniXtend connection...',
    'Disconnect packet sent successfully',
    'Cleanup complete',
  ];

  it('serves remote memory, then ends in good order and leaves nothing behind', async () => {
    const endpoint = startEndpoint();
    const pidFile = join(folder, 'pid');
    startDriver([`--pid-file=${pidFile}`]);
    await ready();
    expect(printed).toEqual([
      `ready: unix:${path} ${SIZE} bytes at 0x0 on ${formatMac(endpointInterface.mac)} via drv0`,
    ]);
    await until(clock, () => existsSync(pidFile));
    expect(readFileSync(pidFile, 'utf8')).toBe(`${process.pid}\n`);
    expect(statSync(path).mode & 0o777).toBe(0o600);

    const client = await enter();
    const data = Uint8Array.from({ length: 70_001 }, (_, i) => i * 7);
    expect(await answerOf(client, client.nbd.write(33, data))).toMatchObject({ error: 0 });
    const reply = await answerOf(client, client.nbd.read(33, data.length));
    expect(Buffer.compare(reply?.data ?? new Uint8Array(0), data)).toBe(0);
    expect(endpoint.stats().connections).toMatchObject({ opened: 1, closed: 0 });

    stop.request();
    expect(await ended()).toBeUndefined();
    expect(printed.slice(1)).toEqual(CLOSED_WELL);
    await until(clock, () => client.isEnded);
    expect(existsSync(pidFile) || existsSync(path)).toBe(false);
    expect(endpoint.stats().connections).toMatchObject({ opened: 1, closed: 1 });
  });

  it('captures every frame, from the Open to the last acknowledgement', async () => {
    startEndpoint();
    const pcap = join(folder, 'x.pcap');
    startDriver([`--pcap=${pcap}`]);
    await ready();
    stop.request();
    await ended();
    const bytes = readFileSync(pcap);
    expect(bytes.readUInt32LE(0)).toBe(0xa1b2c3d4);
    // The first frame begins behind both headers: to the endpoint, from us, EtherType, an Open.
    const frame = bytes.subarray(40);
    expect(frame.subarray(0, 6)).toEqual(Buffer.from(endpointInterface.mac));
    expect(frame.subarray(6, 12)).toEqual(Buffer.from(driverInterface.mac));
    expect(frame.readUInt16BE(12)).toBe(DEFAULT_ETHER_TYPE);
    expect(bytes.length).toBeGreaterThan(24 + 8 * (16 + 70));
  });

  it('is read-only when told so', async () => {
    startEndpoint();
    startDriver(['--read-only']);
    await ready();
    const client = await enter();
    const reply = await answerOf(client, client.nbd.write(0, new Uint8Array(512)));
    expect(reply?.error).toBe(1);
  });

  it('stops within two seconds when the endpoint is silent and requests wait for it', async () => {
    const endpoint = startEndpoint();
    startDriver(['--endpoint-lost=wait']);
    await ready();
    const client = await enter();
    endpoint.close();
    client.nbd.write(0, new Uint8Array(4096));
    client.send();
    await turns(50);
    const startedAt = clock.now();
    stop.request();
    expect(await ended()).toBeUndefined();
    expect(clock.now() - startedAt).toBeLessThan(2 * SECOND);
    expect(printed.slice(1)).toEqual([
      'Closing OmniXtend connection...',
      'Disconnect packet not confirmed: the endpoint did not answer within 500ms',
      'Cleanup complete',
    ]);
    expect(existsSync(path)).toBe(false);
  });

  it('fails requests while the endpoint is lost, says so once, and serves on when it is back', async () => {
    startEndpoint();
    startDriver(['--request-timeout=10ms']);
    await ready();
    const client = await enter();
    endpointInterface.setCarrier(false);
    for (let i = 0; i < 5; i++) {
      const reply = await answerOf(client, client.nbd.write(0, new Uint8Array(512)));
      expect(reply?.error).toBe(5);
    }
    expect(logged.filter((line) => /has been silent for .*fail/.test(line))).toHaveLength(1);
    expect(logged.filter((line) => line.startsWith('write of 512 bytes at 0'))).toHaveLength(1);
    endpointInterface.setCarrier(true);
    await until(clock, () => logged.some((line) => line.includes('answers again')));
    const cookie = client.nbd.write(0, new Uint8Array(512));
    expect(await answerOf(client, cookie)).toMatchObject({ error: 0 });
  });

  it('serves on when the endpoint was restarted with its memory, and fails when without', async () => {
    const memory = new ArrayMemory(SIZE);
    startEndpoint({ memory });
    startDriver(['--request-timeout=10ms']);
    await ready();
    const client = await enter();
    const data = Uint8Array.from({ length: 70_001 }, (_, i) => i * 7);
    expect(await answerOf(client, client.nbd.write(0, data))).toMatchObject({ error: 0 });
    endpoints.pop()?.close();
    startEndpoint({ memory });
    expect(await answerOf(client, client.nbd.read(0, 512))).toMatchObject({ error: 5 });
    await until(clock, () => logged.some((line) => line.includes('are served again')));
    const reply = await answerOf(client, client.nbd.read(0, data.length));
    expect(Buffer.compare(reply?.data ?? new Uint8Array(0), data)).toBe(0);
    endpoints.pop()?.close();
    startEndpoint();
    expect(await answerOf(client, client.nbd.read(0, 512))).toMatchObject({ error: 5 });
    await until(clock, () => logged.some((line) => line.includes('does not hold what')));
    expect(await answerOf(client, client.nbd.read(0, 512))).toMatchObject({ error: 5 });
    expect(end).toBeUndefined();
  });

  it('serves on when the interface was down for a while', async () => {
    startEndpoint();
    startDriver(['--request-timeout=10ms', '--endpoint-lost=wait']);
    await ready();
    const client = await enter();
    const data = Uint8Array.from({ length: 4096 }, (_, i) => i * 7);
    expect(await answerOf(client, client.nbd.write(0, data))).toMatchObject({ error: 0 });
    for (const micros of [SECOND / 2, 20 * SECOND]) {
      driverInterface.setUp(false);
      const cookie = client.nbd.read(0, 4096);
      client.send();
      const upAt = clock.now() + micros;
      await until(clock, () => {
        if (clock.now() < upAt - SECOND / 10) clock.advanceBy(SECOND / 100);
        return clock.now() >= upAt;
      });
      expect(client.nbd.reply(cookie)).toBeUndefined();
      driverInterface.setUp(true);
      await until(clock, () => client.nbd.reply(cookie) !== undefined);
      expect(client.nbd.reply(cookie)).toMatchObject({ error: 0 });
    }
    expect(logged.filter((line) => line.includes('still holds the connection'))).toHaveLength(1);
    expect(logged.filter((line) => line.includes('are served again'))).toHaveLength(1);
  });

  it('ends when the interface is removed, with a sentence and exit code 1', async () => {
    startEndpoint();
    startDriver();
    await ready();
    const client = await enter();
    network.removeInterface('drv0');
    const thrown = await failure();
    expect(thrown.exitCode).toBe(1);
    expect(thrown.message).toMatch(
      /^The connection to .* is over: The interface "drv0" was removed/,
    );
    await until(clock, () => client.isEnded);
    expect(existsSync(path)).toBe(false);
  });

  describe('that is stopped early', () => {
    it('ends well before it is ready', async () => {
      startDriver();
      await turns(10);
      stop.request();
      expect(await ended()).toBeUndefined();
      expect(printed).toEqual([
        'Closing OmniXtend connection...',
        'Disconnect packet not sent: the connection was not open',
        'Cleanup complete',
      ]);
    });

    it('ends well when it was stopped before it began', async () => {
      stop.request();
      startDriver();
      expect(await ended()).toBeUndefined();
    });
  });

  describe('that cannot start', () => {
    it('names the interfaces that there are when the one asked for is not among them', async () => {
      startDriver(['--netdev=eth7']);
      const thrown = await failure();
      expect(thrown.exitCode).toBe(5);
      expect(thrown.message).toContain('no network interface "eth7" here; there is: drv0, end0');
    });

    it('says that the interface is down', async () => {
      driverInterface.setUp(false);
      startDriver();
      const thrown = await failure();
      expect(thrown.exitCode).toBe(5);
      expect(thrown.message).toContain('`sudo ip link set drv0 up`');
    });

    it('says which capability is missing', async () => {
      network.isPermitted = false;
      startDriver();
      const thrown = await failure();
      expect(thrown.exitCode).toBe(3);
      expect(thrown.message).toContain('CAP_NET_RAW');
    });

    it('gives up on an endpoint that is silent when the time is over, not later', async () => {
      startDriver(['--open-timeout=300ms']);
      const startedAt = clock.now();
      const thrown = await failure();
      expect(clock.now() - startedAt).toBeGreaterThanOrEqual(300_000);
      expect(clock.now() - startedAt).toBeLessThan(400_000);
      expect(thrown.exitCode).toBe(5);
      expect(thrown.message).toMatch(
        /^No endpoint answers at 02:00:00:00:00:02 via drv0 within 300ms: drv0 \(02:00:00:00:00:01\) is up with carrier, \d+ frames sent, 0 frames heard; check/,
      );
      expect(printed).toEqual([]);
    });

    it('names the station that does speak OmniXtend when the MAC address is wrong', async () => {
      startEndpoint();
      const hello = new Uint8Array(84);
      hello.set(driverInterface.mac);
      hello.set(endpointInterface.mac, 6);
      hello.set([0xaa, 0xaa], 12);
      startDriver(['--open-timeout=100ms'], { mac: '04:00:00:00:00:99' });
      await turns(5);
      driverInterface.inject(hello);
      const thrown = await failure();
      expect(thrown.message).toMatch(/frames from 02:00:00:00:00:02: is that the endpoint\?$/);
    });

    it('says that the address is its own', async () => {
      const mac = formatMac(driverInterface.mac);
      startDriver(['--open-timeout=100ms'], { mac });
      expect((await failure()).message).toContain('--mac is the address of drv0 itself');
    });

    it('says that it cannot listen before the endpoint hears of it', async () => {
      const endpoint = startEndpoint();
      writeFileSync(path, '');
      startDriver();
      expect((await failure()).code).toBe('ERR_OXMEM_LISTEN');
      expect(printed).toEqual([]);
      expect(endpoint.stats().connections.opened).toBe(0);
      expect(existsSync(path)).toBe(true);
    });

    it('says that the capture cannot be written, and holds nothing open', async () => {
      startDriver([`--pcap=${folder}`]);
      expect((await failure()).message).toMatch(/^--pcap: ".*" cannot be written \(EISDIR\)/);
    });

    it.each([
      ['/none/pid', 'ENOENT'],
      ['', 'EISDIR'],
    ])('says that the pid file cannot be written, also before: FOLDER%s', async (file, code) => {
      const endpoint = startEndpoint();
      startDriver([`--pid-file=${folder}${file}`]);
      const thrown = await failure();
      expect(thrown.exitCode).toBe(1);
      expect(thrown.message).toMatch(new RegExp(`^--pid-file: ".*" cannot be written \\(${code}`));
      expect(endpoint.stats().connections.opened).toBe(0);
      expect(existsSync(path)).toBe(false);
    });
  });
});
