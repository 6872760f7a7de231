/** Every way to end: told to, told twice, killed; idle, under load, with nobody at the far end. */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ProgramResult } from './lab-program.ts';
import { NbdSocketClient } from './nbd-socket-client.ts';
import { OxmemLab, SHUTDOWN_LINES } from './oxmem-lab.ts';
import type { LabDriver } from './oxmem-lab.ts';
import { describeRequiring, itRequiring } from './requires.ts';
import { VerifiedLoad } from './verified-load.ts';

const MIB = 2 ** 20;
/** What is promised for a silent endpoint, and for requests in flight one second more. */
const SILENT_MS = 2_000;
const LOADED_MS = 3_000;
/** For the process itself to go on a busy machine. */
const LEAVING_MS = 1_000;

describeRequiring(['netns', 'raw-socket'], 'a driver', () => {
  let lab: OxmemLab;
  beforeEach(async () => {
    lab = await OxmemLab.open();
  });
  afterEach(async () => {
    await lab.close();
  });

  /** Sends the signal; the end must be one in good order within the time. */
  async function stopWell(
    { program, socketPath, pidFile }: LabDriver,
    limitMs: number,
    signal: NodeJS.Signals = 'SIGTERM',
  ): Promise<ProgramResult> {
    const askedMs = performance.now();
    const result = await program.stop(signal, limitMs + 10_000);
    const tookMs = performance.now() - askedMs;
    expect(result.code, `${result.stdout}\n${result.stderr}`).toBe(0);
    expect(tookMs).toBeLessThan(limitMs + LEAVING_MS);
    expect(existsSync(socketPath), 'the socket').toBe(false);
    expect(existsSync(pidFile), 'the pid file').toBe(false);
    return result;
  }

  function lastLines({ stdout }: ProgramResult): string[] {
    return stdout.trimEnd().split('\n').slice(-3);
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`that is idle ends well on ${signal}, and the endpoint knows at once`, async () => {
      const endpoint = await lab.startEndpoint('1M', ['--max-connections=1']);
      const driver = await lab.startDriver();
      const result = await stopWell(driver, SILENT_MS, signal);
      expect(lastLines(result)).toEqual(SHUTDOWN_LINES);
      await endpoint.waitFor('stderr', new RegExp(`connection closed by ${lab.wire.local.mac}`));
      const next = await lab.startDriver({ args: ['--open-timeout=1s'] });
      await stopWell(next, SILENT_MS, signal);
    });
  }

  it('under load answers or hangs up, ends well, and what it had confirmed is there', async () => {
    await lab.startEndpoint('64M');
    for (const [round, signal] of (['SIGTERM', 'SIGINT', 'SIGTERM'] as const).entries()) {
      const driver = await lab.startDriver();
      const client = await NbdSocketClient.open(driver.socketPath);
      const confirmed = new Map<number, number>();
      const writing = keepWriting(client, round + 1, confirmed);
      while (confirmed.size < 50 * (round + 1)) await tick();
      const result = await stopWell(driver, LOADED_MS, signal);
      expect(lastLines(result)).toEqual(SHUTDOWN_LINES);
      await writing;
      const reader = await lab.startDriver({ args: ['--open-timeout=1s'] });
      const check = await NbdSocketClient.open(reader.socketPath);
      for (const [at, byte] of confirmed) {
        const data = await check.read(at, WRITE_BYTES);
        expect(data.equals(Buffer.alloc(WRITE_BYTES, byte)), `block at ${at}`).toBe(true);
      }
      await check.disconnect();
      await stopWell(reader, SILENT_MS);
    }
  });

  itRequiring(['command:fio'], 'under fio ends well, and fio notices', async () => {
    await lab.startEndpoint('64M');
    const driver = await lab.startDriver();
    const load = ['--rw=randwrite', '--bs=64k', '--iodepth=16', '--size=64M', '--time_based'];
    const argv = ['fio', '--name=load', '--ioengine=nbd', `--uri=${driver.uri}`, ...load];
    const fio = lab.start([...argv, '--runtime=20', '--thread']);
    lab.excuse(fio);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const result = await stopWell(driver, LOADED_MS);
    expect(lastLines(result)).toEqual(SHUTDOWN_LINES);
    expect((await fio.waitForEnd(10_000)).code).not.toBe(0);
  });

  it('with hours of zeroing and clients that do not listen ends well', async () => {
    await lab.startEndpoint('4G');
    const driver = await lab.startDriver();
    const client = await NbdSocketClient.open(driver.socketPath);
    for (let i = 0; i < 50; i++) client.request(6, 0, 0xffff0000).catch(() => {});
    const deaf = await NbdSocketClient.open(driver.socketPath);
    deaf.socket.pause();
    for (let i = 0; i < 30; i++) deaf.request(0, 0, 32 * MIB).catch(() => {});
    const silent = await NbdSocketClient.dial(driver.socketPath);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const result = await stopWell(driver, LOADED_MS);
    expect(lastLines(result)).toEqual(SHUTDOWN_LINES);
    deaf.destroy();
    await Promise.all([client.closed, silent.closed]);
    await stopWell(await lab.startDriver({ args: ['--open-timeout=1s'] }), SILENT_MS);
  });

  for (const isBusy of [false, true]) {
    const state = isBusy ? 'busy' : 'idle';
    it(`that is ${state} with the endpoint gone says so and ends in time`, async () => {
      const endpoint = await lab.startEndpoint('16M');
      const driver = await lab.startDriver();
      const client = await NbdSocketClient.open(driver.socketPath);
      await client.write(0, Buffer.alloc(4096, 7));
      const requests = isBusy ? 20 : 0;
      await lab.crash(endpoint);
      for (let i = 0; i < requests; i++) client.read(i * MIB, 65536).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 200));
      const result = await stopWell(driver, isBusy ? LOADED_MS : SILENT_MS);
      const lines = lastLines(result);
      expect([lines[0], lines[2]]).toEqual([SHUTDOWN_LINES[0], SHUTDOWN_LINES[2]]);
      expect(lines[1]).toMatch(/^Disconnect packet not confirmed: .*did not answer/);
      await client.closed;
    });
  }

  it('that is told before it is ready ends well, whenever that is', async () => {
    await lab.startEndpoint('1M');
    for (const delayMs of [150, 250, 350, 450, 600]) {
      const driver = await lab.startDriver({ isReadyAwaited: false });
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      const { end } = driver.program;
      expect(end).toBeUndefined();
      driver.program.kill('SIGTERM');
      const { code, signal, stdout, stderr } = await driver.program.waitForEnd(10_000);
      // Node itself has not yet got to the program: the system's own way of ending.
      const isTooEarly = signal === 'SIGTERM' && stdout === '' && stderr === '';
      expect(isTooEarly || code === 0, `after ${delayMs} ms: ${code} ${stderr}`).toBe(true);
      if (!isTooEarly) expect(stdout).toMatch(/Cleanup complete\n$/);
      expect(existsSync(driver.socketPath) || existsSync(driver.pidFile)).toBe(false);
    }
  });

  it('that nobody answers yet ends well when it is told to', async () => {
    // No endpoint runs.
    const args = ['--open-timeout=30s'];
    const driver = await lab.startDriver({ size: '1M', args, isReadyAwaited: false });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const { stdout } = await stopWell(driver, SILENT_MS);
    expect(stdout).not.toContain('ready');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('Cleanup complete');
  });

  it('that is told twice ends at once, and leaves no files', async () => {
    const endpoint = await lab.startEndpoint('16M');
    const { program, socketPath, pidFile } = await lab.startDriver();
    const client = await NbdSocketClient.open(socketPath);
    // Something that keeps the first shutdown busy: requests that nobody answers.
    await lab.crash(endpoint);
    for (let i = 0; i < 20; i++) client.read(i * MIB, 65536).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    lab.excuse(program);
    program.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(program.end).toBeUndefined();
    const askedMs = performance.now();
    program.kill('SIGTERM');
    const { code } = await program.waitForEnd(5_000);
    expect(performance.now() - askedMs).toBeLessThan(500);
    expect(code).toBe(1);
    expect(existsSync(socketPath) || existsSync(pidFile)).toBe(false);
  });

  it('that was killed is followed by one that reads the old data', async () => {
    await lab.startEndpoint('64M', ['--max-connections=1']);
    const first = await lab.startDriver();
    const client = await NbdSocketClient.open(first.socketPath);
    const load = new VerifiedLoad(client, { seed: 3, start: 0, bytes: 4 * MIB });
    await load.reach(500);
    await load.finish();
    // Something is under way at the moment of its death.
    for (let i = 0; i < 20; i++) client.read(i * MIB, MIB).catch(() => {});
    await lab.crash(first.program);
    const second = await lab.startDriver({ args: ['--open-timeout=5s'] });
    const reader = await NbdSocketClient.open(second.socketPath);
    await load.finishAndCompare(reader);
    await reader.disconnect();
    await stopWell(second, SILENT_MS);
  });

  it('goes on with an endpoint that paused, but not with one that was started anew', async () => {
    const endpoint = await lab.startEndpoint('16M');
    const driver = await lab.startDriver();
    const client = await NbdSocketClient.open(driver.socketPath);
    await client.write(0, Buffer.alloc(4096, 0x42));
    endpoint.kill('SIGSTOP');
    const waiting = client.read(0, 4096);
    await new Promise((resolve) => setTimeout(resolve, 500));
    endpoint.kill('SIGCONT');
    expect(await waiting).toEqual(Buffer.alloc(4096, 0x42));

    await lab.crash(endpoint);
    await lab.startEndpoint('16M');
    // Its memory is empty now. To read zeros as if nothing had happened would be the worst of all.
    const outcome = await client.request(0, 0, 4096).then(
      ({ error }) => error,
      () => 'closed',
    );
    expect(outcome).not.toBe(0);
    lab.excuse(driver.program);
    client.destroy();
  });
});

describeRequiring(['netns', 'raw-socket'], 'an endpoint', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`ends well on ${signal}, with a connection and a pid file`, async () => {
      const lab = await OxmemLab.open();
      try {
        const pidFile = lab.path('endpoint.pid');
        const endpoint = await lab.startEndpoint('1M', [`--pid-file=${pidFile}`]);
        const driver = await lab.startDriver();
        expect(existsSync(pidFile)).toBe(true);
        const { code, elapsedMs } = await endpoint.stop(signal);
        expect({ code, elapsedMs: elapsedMs < 60_000 }).toEqual({ code: 0, elapsedMs: true });
        expect(existsSync(pidFile)).toBe(false);
        expect((await driver.program.stop()).code).toBe(0);
      } finally {
        await lab.close();
      }
    });
  }
});

const WRITE_BYTES = 8192;

/** Writes blocks one after the other, eight at a time, until the connection ends. */
async function keepWriting(
  client: NbdSocketClient,
  byte: number,
  confirmed: Map<number, number>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (!client.isClosed) {
      const at = (next++ * WRITE_BYTES) % (32 * MIB);
      await client.write(at, Buffer.alloc(WRITE_BYTES, byte));
      confirmed.set(at, byte);
    }
  };
  await Promise.allSettled(Array.from({ length: 8 }, worker));
}

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}
