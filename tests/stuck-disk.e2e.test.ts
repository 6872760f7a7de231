/** Programs whose files are on a disk that does not answer any more, a network disk for instance. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LabProgram, ProgramResult } from './lab-program.ts';
import { NbdSocketClient } from './nbd-socket-client.ts';
import { OxmemLab, SHUTDOWN_LINES, endpointCommand, tloeCommand } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

/** A stop in good order on a busy machine, and then what stuck files may cost. */
const ENOUGH_MS = 4_000;

describeRequiring(['netns', 'raw-socket'], 'with all files stuck', () => {
  let lab: OxmemLab;
  const ends: number[] = [];
  beforeEach(async () => {
    lab = await OxmemLab.open();
  });
  afterEach(async () => {
    await lab.close();
    for (const end of ends.splice(0)) closeSync(end);
  });

  /** Options for files that will not be written: a pipe that nobody empties holds up the others. */
  function stuckFiles(name: string): string[] {
    const pipe = lab.path(`${name}.pcap`);
    execFileSync('mkfifo', [pipe]);
    ends.push(openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK));
    const stats = [`--stats-file=${lab.path(`${name}.json`)}`, '--stats-interval=0.2'];
    return [`--pcap=${pipe}`, `--pid-file=${lab.path(`${name}.pid`)}`, ...stats];
  }

  /** Starts a program in which one call to a disk at a time is under way. */
  async function start(argv: readonly string[]): Promise<LabProgram> {
    const program = lab.start(['env', 'UV_THREADPOOL_SIZE=1', ...argv]);
    await lab.waitUntilReady(program);
    return program;
  }

  async function startEndpoint(): Promise<LabProgram> {
    const argv = [...endpointCommand, `--netdev=${lab.wire.peer.name}`, '--size=1M'];
    return await start(lab.wire.peerArgv([...argv, ...stuckFiles('endpoint')]));
  }

  /** Starts a driver, and has it do more than the pipes take. */
  async function startDriver(name: string): Promise<LabProgram> {
    const socket = lab.path(`${name}.sock`);
    const argv = [...lab.driverArgv(0, '1M'), `--listen=unix:${socket}`, ...stuckFiles(name)];
    const driver = await start(argv);
    const client = await NbdSocketClient.open(socket);
    await client.write(0, Buffer.alloc(2 ** 18, 7));
    await client.disconnect();
    return driver;
  }

  function leftBehind(name: string): string[] {
    return [`${name}.pid`, `${name}.sock`].filter((file) => existsSync(lab.path(file)));
  }

  it('both programs end in good order, in time and with the exit code that is due', async () => {
    const endpoint = await startEndpoint();
    const driver = await startDriver('driver');
    const stopped: ProgramResult = await driver.stop('SIGTERM', ENOUGH_MS);
    expect(stopped.stdout.trimEnd().split('\n').slice(-3)).toEqual(SHUTDOWN_LINES);
    expect(stopped.stderr).toMatch(/the capture ends here: .*not written/);
    expect(stopped.stderr).toMatch(/the capture misses [1-9]\d* frames/);
    expect([stopped.code, leftBehind('driver')]).toEqual([0, []]);
    const served = await endpoint.stop('SIGTERM', ENOUGH_MS);
    expect(served.stderr).toMatch(/served 1 connections/);
    expect([served.code, leftBehind('endpoint')]).toEqual([0, []]);
  });

  it('a driver that is told twice ends at once', async () => {
    await lab.startEndpoint('1M');
    const driver = await startDriver('driver');
    driver.kill('SIGTERM');
    const { code } = await driver.stop('SIGINT', ENOUGH_MS);
    expect([code, leftBehind('driver')]).toEqual([1, []]);
  });

  it('a capture that is read and does not come is given up when somebody insists', async () => {
    const pipe = lab.path('read.pcap');
    execFileSync('mkfifo', [pipe]);
    const decoding = lab.start([...tloeCommand, 'decode', pipe]);
    lab.excuse(decoding);
    // Possible as soon as somebody reads.
    const open = (): number => openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    ends.push(await vi.waitFor(open, 10_000));
    decoding.kill('SIGTERM');
    decoding.kill('SIGINT');
    const { code } = await decoding.stop('SIGTERM', ENOUGH_MS);
    expect([130, 143]).toContain(code);
  });
});
