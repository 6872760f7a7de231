import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SECOND } from '@oxmem/tloe-protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { DriverError } from '../src/errors.ts';
import type { PeriodReport } from '../src/observe/period-report.ts';
import { DriverRig } from './driver-rig.ts';

/** The value of a metric with these labels. */
function sample(text: string, nameAndLabels: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${nameAndLabels} `));
  if (line === undefined) throw new Error(`no ${nameAndLabels} in\n${text}`);
  return Number(line.split(' ').at(-1));
}

describe('a driver that is observed', () => {
  let rig: DriverRig;
  let folder: string;
  let path: string;
  beforeEach(() => {
    rig = new DriverRig();
    folder = mkdtempSync(join(tmpdir(), 'oxmem-observed-'));
    path = join(folder, 'stats.json');
  });
  afterEach(async () => {
    await rig.close();
    rmSync(folder, { recursive: true });
  });

  const stats = (): PeriodReport => JSON.parse(readFileSync(path, 'utf8')) as PeriodReport;

  /** Lets an interval pass, and waits for the file that it ends with. */
  async function nextStats(): Promise<PeriodReport> {
    const { timestamp } = stats();
    rig.clock.advanceBy(2 * SECOND);
    await rig.until(() => stats().timestamp > timestamp);
    return stats();
  }

  async function get(address: string): Promise<{ status: number; text: string }> {
    const response = await fetch(address);
    return { status: response.status, text: await response.text() };
  }

  function metricsAddress(logged: readonly string[]): string {
    const line = logged.find((each) => each.startsWith('metrics at ')) ?? '';
    return line.replace('metrics at ', '');
  }

  it('writes counters into its stats file, in all and since the last time', async () => {
    rig.startEndpoint();
    const driver = await rig.startReady('--num=2', `--stats-file=${path}`);
    expect(stats()).toMatchObject({ interval_seconds: 2, read: { count: 0 }, devices: [] });
    await rig.settled(rig.kernel.device(1).write(0, new Uint8Array(8192)));
    await rig.settled(rig.kernel.device(0).read(0, 4096));
    const first = await nextStats();
    const { read } = first;
    expect(read.latency_us.p50).toBeGreaterThan(0);
    expect(read.latency_us.p99_9).toBeGreaterThanOrEqual(read.latency_us.p50);
    expect(first).toMatchObject({
      program: 'oxmem-bdev',
      endpoint_state: 'serving',
      netdev: 'drv0',
      failed: {},
      in_flight: 0,
      link: {
        state: 'open',
        connections: 1,
        counters: { frames_resent: expect.any(Number) as number },
      },
      write: { count: 1, bytes: 8192, count_per_period: 1, bytes_per_period: 8192 },
      devices: [
        { name: '/dev/nbd0', read: { bytes: 8192 }, write: { count: 0 } },
        { name: '/dev/nbd1', base: '0x80000', write: { count: 1, bytes_per_period: 8192 } },
      ],
    });
    expect(first.link.credit_flits['a']).toBeGreaterThan(0);
    expect(first.link.window_frames).toBeGreaterThan(0);
    expect(first.link.next_number).toBeGreaterThan(1);
    await rig.settled(rig.kernel.device(0).read(0, 4096));
    const second = await nextStats();
    expect(second.read.count).toBe(read.count + 1);
    expect(second.read).toMatchObject({ count_per_period: 1, bytes_per_period: 4096 });
    expect(second.write).toMatchObject({ count: 1, count_per_period: 0 });
    expect(second.write.latency_per_period_us).toMatchObject({ p50: 0, mean: 0 });
    expect(second.period_seconds).toBeCloseTo(second.timestamp - first.timestamp, 3);
    await rig.settled(rig.kernel.device(0).read(0, 4096));
    driver.stop.request();
    await rig.endOf(driver);
    expect(stats().read.count).toBeGreaterThan(second.read.count);
    expect(readdirSync(folder)).toEqual(['stats.json']);
  });

  it('follows the clock of the machine where somebody sets it', async () => {
    rig.startEndpoint();
    await rig.startReady(`--stats-file=${path}`);
    expect(stats().timestamp).toBeLessThan(60);
    // A machine without a battery has the time when it reaches a server that knows it.
    rig.originUnixMicros = 2e15;
    const { timestamp, period_seconds } = await nextStats();
    expect(timestamp).toBeGreaterThanOrEqual(2e9);
    expect(period_seconds).toBeLessThan(60);
  });

  it('tells of its devices when they have their names, and not of others before', async () => {
    const driver = rig.start(`--stats-file=${path}`, '--metrics=0', '--num=2', '--device=auto');
    await rig.until(() => metricsAddress(driver.logged) !== '');
    const address = metricsAddress(driver.logged);
    expect((await get(address)).text).not.toContain('device=');
    expect(stats().devices).toEqual([]);
    rig.startEndpoint();
    await rig.until(() => driver.printed.length > 0);
    const { text } = await get(address);
    const names = [...text.matchAll(/^oxmem_device_size_bytes\{device="(.*)"\}/gm)];
    expect(names.map(([, name]) => name)).toEqual(['/dev/nbd0', '/dev/nbd1']);
  });

  it('serves metrics and its health, and nothing when it has ended', async () => {
    rig.startEndpoint();
    const driver = await rig.startReady('--metrics=0');
    await rig.settled(rig.kernel.device(0).write(0, new Uint8Array(8192)));
    const address = metricsAddress(driver.logged);
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const { status, text } = await get(address);
    expect(status).toBe(200);
    const labels = '{device="/dev/nbd0",op="write"}';
    expect(sample(text, `oxmem_device_bytes_total${labels}`)).toBe(8192);
    expect(sample(text, `oxmem_device_latency_seconds_count${labels}`)).toBe(1);
    const infinite = '{device="/dev/nbd0",op="write",le="+Inf"}';
    expect(sample(text, `oxmem_device_latency_seconds_bucket${infinite}`)).toBe(1);
    expect(sample(text, 'oxmem_link_frames_sent_total')).toBeGreaterThan(8);
    expect(sample(text, 'oxmem_endpoint_state{state="serving"}')).toBe(1);
    // Reasons are there before they occur: of a series that begins at one, nobody sees the increase.
    for (const reason of ['denied', 'timedOut', 'lost', 'unproven']) {
      const failures = `oxmem_device_failed_requests_total{device="/dev/nbd0",reason="${reason}"}`;
      expect(sample(text, failures)).toBe(0);
    }
    expect(text).not.toContain('reason="ok"');
    expect(sample(text, 'oxmem_link_rejected_frames_total{reason="maskMismatch"}')).toBe(0);
    const health = address.replace('metrics', 'healthz');
    expect(await get(health)).toEqual({ status: 200, text: 'ok\n' });
    expect(await get(address.replace('metrics', 'else'))).toMatchObject({ status: 404 });
    expect((await fetch(address, { method: 'POST', body: 'x' })).status).toBe(405);
    rig.startEndpoint();
    const reading = rig.kernel.device(0).read(0, 512);
    reading.catch(() => {});
    await rig.until(() => driver.logged.some((line) => line.includes('has been silent')));
    expect(await get(health)).toMatchObject({ status: 503 });
    driver.stop.request();
    await rig.endOf(driver);
    await expect(fetch(address)).rejects.toThrow();
  });

  it('says after two seconds that it waits for an endpoint that does not answer', async () => {
    const driver = rig.start();
    await rig.until(() => {
      rig.clock.advanceBy(SECOND / 10);
      return driver.logged.length > 0;
    });
    expect(driver.logged).toEqual([
      expect.stringMatching(/^waits for \S+ to answer on drv0, 2 s of at most 5 s so far$/),
    ]);
    expect(await rig.endOf(driver)).toBeInstanceOf(DriverError);
  });

  it('does not start when the file cannot be written or the port is taken', async () => {
    rig.startEndpoint();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', () => resolve()));
    const { port } = taken.address() as AddressInfo;
    for (const [option, sentence, exitCode] of [
      [
        `--stats-file=${folder}/none/x`,
        /^--stats-file: ".*" cannot be written \(ENOENT\); name/,
        1,
      ],
      [`--metrics=${port}`, /^--metrics: 127.0.0.1:\d+ is in use by another program; stop it/, 4],
    ] as const) {
      const failure = await rig.endOf(rig.start(option));
      if (!(failure instanceof DriverError)) throw failure;
      expect(failure.message).toMatch(sentence);
      expect(failure.exitCode).toBe(exitCode);
    }
    taken.close();
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });
});
